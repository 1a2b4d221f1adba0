"""A voice that fails is replaced at the next word: no word is lost or said twice."""

import asyncio
from contextlib import aclosing

import numpy as np
import pytest

from streamsrv.engines.breaker import Breakers
from streamsrv.engines.observer import NoObserver
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, SpokenBy
from streamsrv.engines.tts.failover.synthesizer import FallbackSynthesizer
from streamsrv.engines.tts.shaping.guards import NothingSpoken
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from word_tones import TEXT, WORDS, WordTones, heard

DOWN = Unavailable("down")


class Watch(NoObserver):
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.reports: list[tuple[str, ...]] = []

    def failed(self, stage, model, reason):
        self.reports.append(("failed", model, reason))

    def fell_back(self, stage, model, to):
        self.reports.append(("fell back", model, to))


def together(*synthesizers: WordTones, patience_s: float = 0.0) -> FallbackSynthesizer:
    return FallbackSynthesizer({"": synthesizers}, Breakers(lambda: 0.0), patience_s={"": patience_s})


async def spoken(synthesizer: FallbackSynthesizer, text: str = TEXT, **options) -> list[SpeechChunk]:
    async with aclosing(synthesizer.stream(text, SpeechOptions(**options))) as chunks:
        return [chunk async for chunk in chunks]


def audio(chunks: list[SpeechChunk]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.int16), *(chunk.pcm for chunk in chunks)])


@pytest.mark.parametrize("chunk_ms", [20, 130, 900, 10_000])
@pytest.mark.parametrize("times", [True, False])
async def test_a_single_voice_says_all_words(chunk_ms: int, times: bool):
    chunks = await spoken(together(WordTones("only", chunk_ms=chunk_ms, times=times)))
    assert heard(audio(chunks)) == WORDS
    assert [word.text for chunk in chunks for word in chunk.words] == (WORDS if times else [])
    assert {chunk.spoken_by for chunk in chunks} == {SpokenBy("only", "only-voice")}


@pytest.mark.parametrize(
    ("at_ms", "error"),
    [
        *((at_ms, DOWN) for at_ms in (*range(1, 4200, 340), 4159)),
        (1500, Overloaded("busy")),
        (1500, Rejected("no")),
        (1500, ValueError("a fault of the engine")),
    ],
)
async def test_the_next_voice_goes_on_at_the_word_after_the_last_whole_one(at_ms: int, error: EngineError):
    first, second = WordTones("first", (at_ms, error)), WordTones("second")
    chunks = await spoken(together(first, second))
    assert heard(audio(chunks)) == WORDS
    assert [word.text for chunk in chunks for word in chunk.words] == WORDS
    times = [time for chunk in chunks for word in chunk.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[-1] <= len(audio(chunks)) / 24
    said = " ".join(first.asked + second.asked)
    assert said.count(WORDS[0]) == 1 or at_ms < 700, "the second voice is given only the rest"
    last = next(by for chunk in reversed(chunks) if (by := chunk.spoken_by) is not None)
    assert last in (SpokenBy("second", "second-voice", "first"), SpokenBy("first", "first-voice"))


@pytest.mark.parametrize("at_ms", range(800, 4100, 660))
async def test_without_word_times_it_goes_on_at_a_pause(at_ms: int):
    """A voice whose pace is known from an earlier segment: which words were said is estimated from it."""
    first = WordTones("first", (100_000, None), (at_ms, DOWN), times=False)
    synthesizer = together(first, WordTones("second", times=False))
    assert heard(audio(await spoken(synthesizer))) == WORDS
    chunks = await spoken(synthesizer)
    assert heard(audio(chunks)) == WORDS
    assert not any(chunk.words for chunk in chunks)


@pytest.mark.parametrize("times", [True, False])
async def test_a_stalled_voice_is_replaced_at_the_end_of_a_word_too(times: bool):
    stalled = WordTones("stalled", (100_000, None), (2000, None), times=times)
    synthesizer = together(stalled, WordTones("second", times=times), patience_s=0.01)
    await spoken(synthesizer)
    assert heard(audio(await spoken(synthesizer))) == WORDS
    assert stalled.open_streams == 0


async def test_chains_of_failures_are_followed_to_the_last_voice():
    voices = [WordTones(f"voice-{n}", (1000, DOWN)) for n in range(3)] + [WordTones("last")]
    chunks = await spoken(together(*voices))
    assert heard(audio(chunks)) == WORDS
    assert [len(voice.asked) for voice in voices] == [1, 1, 1, 1]


async def test_a_voice_that_broke_off_is_asked_again_if_there_is_no_other():
    only = WordTones("only", (2000, DOWN))
    assert heard(audio(await spoken(together(only)))) == WORDS
    assert len(only.asked) == 2


async def test_it_is_asked_again_only_once():
    only = WordTones("only", (1000, DOWN), (1000, DOWN), (1000, DOWN))
    with pytest.raises(Unavailable, match="down"):
        await spoken(together(only))
    assert len(only.asked) == 2


async def test_all_errors_are_told_if_nobody_speaks():
    first, second = WordTones("first", (0, Overloaded("busy"))), WordTones("second", (0, DOWN))
    with pytest.raises(Overloaded, match=r"No voice can speak\. busy down"):
        await spoken(together(first, second))


async def test_what_the_first_voice_refuses_is_the_callers_fault():
    first, second = WordTones("first", (0, Rejected("no such language"))), WordTones("second")
    with pytest.raises(Rejected, match="no such language"):
        await spoken(together(first, second))
    assert not second.asked


async def test_words_have_times_for_all_or_for_none():
    timed, untimed = WordTones("timed", (2000, DOWN)), WordTones("untimed", times=False)
    chunks = await spoken(together(timed, untimed))
    assert [word.text.strip(".") for chunk in chunks for word in chunk.words] == WORDS
    untimed, timed = WordTones("untimed", (2000, DOWN), times=False), WordTones("timed")
    assert not any(chunk.words for chunk in await spoken(together(untimed, timed)))


async def test_failures_and_replacements_are_reported_and_open_the_breaker():
    watch = Watch()
    first, second = WordTones("first", *[(0, DOWN)] * 2), WordTones("second", (0, None))
    synthesizer = together(first, second, WordTones("third"), patience_s=0.01).observed(watch)
    await spoken(synthesizer)
    assert watch.reports == [
        ("failed", "first", "unavailable"),
        ("fell back", "first", "second"),
        ("failed", "second", "unavailable"),
        ("fell back", "first", "third"),
    ]
    await spoken(synthesizer)
    await spoken(synthesizer)
    assert len(first.asked) == 2, "its breaker is open"


async def test_a_voice_that_cannot_read_a_text_is_not_left_out_for_it():
    first = WordTones("first", *[(0, NothingSpoken("nothing"))] * 5)
    synthesizer = together(first, WordTones("second"))
    for _ in range(5):
        assert heard(audio(await spoken(synthesizer))) == WORDS
    assert len(first.asked) == 5


async def test_a_text_that_no_voice_can_read_is_silent():
    voices = [WordTones(name, (0, NothingSpoken("nothing"))) for name in ("first", "second")]
    assert await spoken(together(*voices)) == []


@pytest.mark.parametrize("text", ["", " \n", "...", "😀"])
async def test_nobody_is_asked_to_say_nothing(text: str):
    first = WordTones("first")
    assert await spoken(together(first), text) == []
    assert not first.asked


@pytest.mark.parametrize("read", [0, 1, 3])
async def test_closing_it_stops_the_voice(read: int):
    first = WordTones("first", (1000, None))
    chunks = together(first).stream(TEXT, SpeechOptions())
    waiting = asyncio.ensure_future(anext(chunks))
    for _ in range(read):
        await waiting
        waiting = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await chunks.aclose()
    assert first.open_streams == 0


async def test_a_voice_that_does_not_stop_holds_nobody_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamsrv.engines.tts.failover.patience.CLOSE_S", 0.01)
    freed = asyncio.Event()

    class Stubborn(WordTones):
        async def stream(self, text, options):
            while not freed.is_set():
                try:
                    await freed.wait()
                except asyncio.CancelledError:
                    continue
            yield SpeechChunk(np.zeros(0, np.int16))

    chunks = await spoken(together(Stubborn("stubborn"), WordTones("second"), patience_s=0.01))
    freed.set()
    assert heard(audio(chunks)) == WORDS


async def test_the_speed_is_that_of_the_chosen_voices():
    slow, fast = WordTones("slow"), WordTones("fast")
    slow.min_speed, fast.max_speed = 0.5, 2.0
    synthesizer = together(slow, fast)
    assert (synthesizer.min_speed, synthesizer.max_speed) == (0.5, 2.0)


async def test_no_cut_clicks():
    """A click is a step that is larger than any step of the tones themselves."""
    chunks = await spoken(together(WordTones("first", (1300, DOWN), chunk_ms=50), WordTones("second")))
    assert np.abs(np.diff(audio(chunks).astype(np.int32))).max() < 2200
