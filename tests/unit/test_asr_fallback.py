"""A recogniser fails in the middle of an utterance, and another one goes on: no word is lost, none is doubled."""

import asyncio
import gc
import weakref
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import wraps
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest

from streamsrv.engines.asr.base import Abilities, RecognitionOptions, ReplacedRecognizer, Transcript
from streamsrv.engines.asr.failover import kept_audio
from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer, FallbackStream
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.observer import NoObserver
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.testing.mortal_recognizer import PLACES, WORD_MS, Death, MortalRecognizer, Place, spoken, word_of
from streamsrv.testing.virtual_loop import run_in_virtual_time
from streamsrv.text.words import bare, split_words

ANY = RecognitionOptions()
FRAME = 512
FRAME_S = FRAME / 16_000
DEADLINE_S = 5.0


def virtual(test: Any) -> Any:
    """Run an async test in virtual time."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_in_virtual_time(test(*args, **kwargs))

    return run


@dataclass
class Watching(NoObserver):
    """Notes what is reported of recognisers."""

    calls: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    fallbacks: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def called(self, stage, model) -> None:
        self.calls.append(model)

    def failed(self, stage, model, reason) -> None:
        self.failures.append((model, reason))

    def fell_back(self, stage, model, to) -> None:
        self.fallbacks.append((model, to))

    def recognized(self, model, seconds) -> None:
        self.seconds[model] = self.seconds.get(model, 0.0) + seconds


def chain(*recognizers: MortalRecognizer, observer: Watching | None = None) -> FallbackRecognizer:
    breakers = Breakers(asyncio.get_running_loop().time)
    return FallbackRecognizer(recognizers, breakers, "chain", observer or Watching())


def speech(numbers: Sequence[int], pause_ms: int = 160) -> np.ndarray:
    """Each number as a word, with a pause after it."""
    return np.concatenate([part for number in numbers for part in (spoken(number), spoken(0, pause_ms))])


async def speak(stream: FallbackStream, pcm: np.ndarray, *, live: bool = True) -> None:
    """Push audio in frames, at the speed of speech or all at once."""
    for start in range(0, len(pcm), FRAME):
        frame = pcm[start : start + FRAME]
        stream.push(frame, speech=bool(frame.any()))
        if live:
            await asyncio.sleep(len(frame) / 16_000)


async def hear(stream: FallbackStream) -> list[Transcript]:
    return [transcript async for transcript in stream]


async def recognize(
    recognizer: FallbackRecognizer, pcm: np.ndarray, *, live: bool = True, options: RecognitionOptions = ANY
) -> list[Transcript]:
    """All transcripts of one utterance in a session of its own."""
    async with aclosing(recognizer.connect()) as session, aclosing(session.open(options)) as stream:
        hearing = asyncio.create_task(hear(stream))
        await speak(stream, pcm, live=live)
        stream.finish()
        return await hearing


def bare_words(text: str) -> list[str]:
    return [bare(word) for word in split_words(text)]


def check_nothing_lost(transcripts: Sequence[Transcript], numbers: Sequence[int], pause_ms: int = 160) -> None:
    """No word is lost or doubled, no stable word is taken back, and each word has its own time."""
    *interim, final = transcripts
    assert final.is_final
    assert bare_words(final.text) == [word_of(number) for number in numbers]
    shown = [*(transcript.stable for transcript in interim), final.text]
    for before, after in pairwise(shown):
        assert after.startswith(before), (before, after)
    starts = [index * (WORD_MS + pause_ms) for index in range(len(numbers))]
    assert all(abs(word.start_ms - start) <= 80 for word, start in zip(final.words, starts, strict=True))
    assert [bare(word.text) for word in final.words] == [word_of(number) for number in numbers]


async def all_closed(*recognizers: MortalRecognizer) -> None:
    await asyncio.sleep(10)
    for recognizer in recognizers:
        assert recognizer.closed == recognizer.opened
        assert recognizer.sessions == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual
async def test_without_a_failure_the_first_one_recognises_alone():
    watching, first, second = Watching(), MortalRecognizer("first"), MortalRecognizer("second")
    transcripts = await recognize(chain(first, second, observer=watching), speech(range(1, 9)))
    check_nothing_lost(transcripts, range(1, 9))
    assert transcripts[-1].model == "first"
    assert transcripts[-1].instead_of is None
    assert (watching.calls, watching.failures, watching.fallbacks) == (["first"], [], [])
    assert watching.seconds == {"first": pytest.approx(8 * 0.48)}
    assert second.opened == 0
    await all_closed(first, second)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("words", [0, 1, 5, 10])
@virtual
async def test_a_failure_anywhere_loses_no_word(place: Place, words: int):
    watching = Watching()
    first, second = MortalRecognizer("first", Death(place, words)), MortalRecognizer("second")
    transcripts = await recognize(chain(first, second, observer=watching), speech(range(1, 11)))
    check_nothing_lost(transcripts, range(1, 11))
    assert transcripts[-1].model == "second"
    assert transcripts[-1].instead_of is not None
    assert transcripts[-1].instead_of.model == "first"
    assert watching.fallbacks == [("first", "second")]
    assert watching.failures == [("first", "unavailable")]
    assert watching.calls == ["first", "second"]
    await all_closed(first, second)


@pytest.mark.parametrize("seed", range(100))
@virtual
async def test_a_recogniser_is_killed_at_a_random_moment(seed: int):
    """Up to two of three recognisers fail in one utterance, which is spoken live or comes at once."""
    random = Random(seed)
    numbers = [random.randint(1, 6) for _ in range(random.randint(1, 60))]  # words recur, as in speech
    numbers = [number for number, before in zip(numbers, [0, *numbers], strict=False) if number != before]
    mortal = [
        MortalRecognizer(
            name,
            Death(random.choice(PLACES), random.randint(0, len(numbers))),
            delay_s=random.choice([0.0, 0.1, 0.6]),
            tentative_words=random.randint(0, 3),
            uppercase=random.random() < 0.5,
        )
        for name in ("first", "second")[: random.randint(1, 2)]
    ]
    last = MortalRecognizer("last", uppercase=random.random() < 0.5, delay_s=random.choice([0.0, 0.2]))
    recognizer = chain(*mortal, last)
    pause_ms = random.choice([64, 160, 480])
    is_early = any(one.death is not None and one.death.place == "early_final" for one in mortal)
    live = is_early or random.random() < 0.8  # a final transcript is early only while audio is still to come
    transcripts = await recognize(recognizer, speech(numbers, pause_ms), live=live)
    check_nothing_lost(transcripts, numbers, pause_ms)
    await all_closed(*mortal, last)


@pytest.mark.parametrize("place", PLACES)
@virtual
async def test_the_last_error_is_told_with_its_cause(place: Place):
    watching = Watching()
    alone = MortalRecognizer("alone", Death(place, 3))
    with pytest.raises(EngineError, match=r"The speech recogniser alone|The provider has gone away\."):
        await recognize(chain(alone, observer=watching), speech(range(1, 6)))
    assert watching.failures == [("alone", "unavailable")]
    assert watching.fallbacks == []
    await all_closed(alone)


@virtual
async def test_when_all_fail_all_causes_are_told():
    dead = [
        MortalRecognizer(name, Death("iterate", n, Unavailable(f"{name} is down."))) for n, name in enumerate("abc")
    ]
    watching = Watching()
    with pytest.raises(Unavailable, match=r"^No speech recogniser can .* a is down\. b is down\. c is down\.$"):
        await recognize(chain(*dead, observer=watching), speech(range(1, 6)))
    assert watching.fallbacks == [("a", "b"), ("b", "c")]
    await all_closed(*dead)


@virtual
async def test_an_unforeseen_error_is_told_without_its_text():
    """It may contain anything, such as a key in a URL."""
    alone = MortalRecognizer("alone", Death("push", 1, ValueError("https://host/?key=sk-secret")))
    with pytest.raises(Unavailable, match=r"^The speech recogniser alone failed\.$"):
        await recognize(chain(alone), speech(range(1, 6)))


@virtual
async def test_without_room_the_next_one_is_asked_and_the_breaker_stays_closed():
    full, second = (
        MortalRecognizer("full", Death("open", 0, Overloaded("full has no room."))),
        MortalRecognizer("second"),
    )
    recognizer = chain(full, second)
    for _ in range(5):
        transcripts = await recognize(recognizer, speech(range(1, 4)))
        check_nothing_lost(transcripts, range(1, 4))
        assert transcripts[-1].instead_of == ReplacedRecognizer("full", "full has no room.")
    assert recognizer.breakers.state("recognizer", "full") == "closed"


@pytest.mark.parametrize("place", ["open", "push", "iterate", "finish"])
@virtual
async def test_a_request_that_is_refused_is_the_callers_to_mend(place: Place):
    refusal = Rejected("no such language", code="invalid_value", param="language")
    first, second = MortalRecognizer("first", Death(place, 2, refusal)), MortalRecognizer("second")
    recognizer = chain(first, second)
    for _ in range(5):
        with pytest.raises(Rejected) as raised:
            await recognize(recognizer, speech(range(1, 5)))
        assert raised.value is refusal
    assert second.opened == 0
    assert recognizer.breakers.state("recognizer", "first") == "closed"
    await all_closed(first)


@virtual
async def test_a_stand_in_that_refuses_does_not_make_it_the_callers_fault():
    dead, refusing = (
        MortalRecognizer("dead", Death("iterate", 1)),
        MortalRecognizer("b", Death("push", 0, Rejected("no"))),
    )
    third = MortalRecognizer("third")
    check_nothing_lost(await recognize(chain(dead, refusing, third), speech(range(1, 6))), range(1, 6))
    with pytest.raises(Unavailable, match=r"gone away\. no$"):
        await recognize(chain(dead, refusing), speech(range(1, 6)))


@virtual
async def test_after_failures_in_a_row_it_is_left_out_and_then_tried_by_one():
    watching = Watching()
    first, second = MortalRecognizer("first", Death("iterate", 1)), MortalRecognizer("second")
    recognizer = chain(first, second, observer=watching)
    for _ in range(5):
        check_nothing_lost(await recognize(recognizer, speech([1, 2])), [1, 2])
    assert first.opened == 3
    assert watching.fallbacks == [("first", "second")] * 5
    await asyncio.sleep(6)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(recognize(recognizer, speech(range(1, 9)))) for _ in range(50)]
    assert first.opened == 4
    for task in running:
        check_nothing_lost(task.result(), range(1, 9))
        assert task.result()[-1].instead_of == ReplacedRecognizer("first", "The provider has gone away.")
    first.death = None
    await asyncio.sleep(20)
    assert (await recognize(recognizer, speech([1, 2])))[-1].model == "first"
    assert recognizer.breakers.state("recognizer", "first") == "closed"


@virtual
async def test_a_key_that_is_refused_is_tried_once():
    first = MortalRecognizer("first", Death("iterate", 0, Unavailable("wrong key", refuses_key=True)))
    watching = Watching()
    recognizer = chain(first, MortalRecognizer("second"), observer=watching)
    for _ in range(3):
        await recognize(recognizer, speech([1]))
    assert first.opened == 1
    assert watching.failures == [("first", "unauthorized")]


@virtual
async def test_one_that_is_left_out_is_tried_when_nothing_else_works():
    first, second = MortalRecognizer("first", Death("iterate", 1)), MortalRecognizer("second", Death("iterate", 1))
    recognizer = chain(first, second)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await recognize(recognizer, speech([1, 2]))
    assert (first.opened, second.opened) == (5, 5)
    second.death = None
    check_nothing_lost(await recognize(recognizer, speech([1, 2])), [1, 2])


@virtual
async def test_a_stall_is_noticed_after_its_deadline_of_speech_and_a_late_final_after_its_own():
    loop = asyncio.get_running_loop()
    first, second = MortalRecognizer("first", Death("stall", 5)), MortalRecognizer("second")
    recognizer = chain(first, second)
    async with aclosing(recognizer.connect()) as session, aclosing(session.open(ANY)) as stream:
        hearing = asyncio.create_task(hear(stream))
        await speak(stream, speech(range(1, 6)))
        since = loop.time()
        while not second.opened:
            await speak(stream, spoken(7, 32))
        assert loop.time() - since == pytest.approx(3.0, abs=0.5)
        stream.finish()
        await hearing
    late, second = MortalRecognizer("late", Death("mute_finish", 0)), MortalRecognizer("second")
    since = loop.time()
    transcripts = await recognize(chain(late, second), speech(range(1, 6)))
    assert loop.time() - since == pytest.approx(5 * 0.48 + DEADLINE_S, abs=0.3)
    check_nothing_lost(transcripts, range(1, 6))


@virtual
async def test_a_slow_one_is_not_late_with_a_clip_while_it_keeps_up_with_speech():
    """A minute that comes at once may take a minute, and the deadline after that."""
    first, second = MortalRecognizer("first", delay_s=60.0), MortalRecognizer("second")
    first.abilities = Abilities(final_deadline_s=15.0)
    numbers = [1 + number % 7 for number in range(125)]
    transcripts = await recognize(chain(first, second), speech(numbers), live=False)
    assert transcripts[-1].model == "first"
    first.delay_s = 76.0
    transcripts = await recognize(chain(first, second), speech(numbers), live=False)
    assert transcripts[-1].model == "second"
    check_nothing_lost(transcripts, numbers)


@virtual
async def test_noise_without_words_is_no_stall():
    """A stalled recogniser counts as failed only if its replacement hears more."""
    first, second = MortalRecognizer("first"), MortalRecognizer("second")
    recognizer = chain(first, second)
    for _ in range(4):
        async with aclosing(recognizer.connect()) as session, aclosing(session.open(ANY)) as stream:
            for _ in range(200):
                stream.push(np.zeros(FRAME, np.int16), speech=True)
                await asyncio.sleep(FRAME_S)
            stream.finish()
            assert (await hear(stream))[-1].text == ""
    assert second.opened == 4
    assert recognizer.breakers.state("recognizer", "first") == "closed"
    first.death = Death("stall", 1)
    for _ in range(3):
        await recognize(recognizer, speech(range(1, 20)))
    assert recognizer.breakers.state("recognizer", "first") == "open"


@virtual
async def test_a_stream_that_hangs_at_closing_delays_nothing():
    loop = asyncio.get_running_loop()
    first, second = MortalRecognizer("first", Death("iterate", 2), hangs=True), MortalRecognizer("second")
    session = chain(first, second).connect()
    stream = session.open(ANY)
    hearing = asyncio.create_task(hear(stream))
    since = loop.time()
    await speak(stream, speech(range(1, 6)))
    stream.finish()
    check_nothing_lost(await hearing, range(1, 6))
    assert loop.time() - since < 3
    await stream.aclose()
    await session.aclose()
    assert loop.time() - since < 10
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual
async def test_closing_during_a_replacement_leaves_nothing_behind():
    for words in range(6):
        first, second = MortalRecognizer("first", Death("iterate", words)), MortalRecognizer("second")
        session = chain(first, second).connect()
        stream = session.open(ANY)
        reading = asyncio.create_task(hear(stream))
        await speak(stream, speech(range(1, 4)))
        stream.push(speech([1] * 2000))
        await stream.aclose()
        await stream.aclose()
        await session.aclose()
        await reading
        await all_closed(first, second)


@virtual
async def test_a_probe_that_is_dropped_lets_the_next_utterance_probe():
    first, second = MortalRecognizer("first", Death("iterate", 0)), MortalRecognizer("second")
    recognizer = chain(first, second)
    for _ in range(3):
        await recognize(recognizer, speech([1]))
    first.death = None
    await asyncio.sleep(6)
    async with aclosing(recognizer.connect()) as session, aclosing(session.open(ANY)) as stream:
        await speak(stream, speech([1]))
    assert (await recognize(recognizer, speech([1])))[-1].model == "first"


@virtual
async def test_the_audio_is_freed_with_the_final_transcript():
    class Audio(np.ndarray):
        """An array that can be referenced weakly."""

    session = chain(MortalRecognizer("first")).connect()
    stream = session.open(ANY)
    pcm = spoken(1).view(Audio)
    alive = weakref.ref(pcm)
    stream.push(pcm)
    stream.finish()
    del pcm
    assert alive() is not None
    await hear(stream)
    gc.collect()
    assert alive() is None
    await stream.aclose()
    await session.aclose()


@virtual
async def test_an_utterance_that_is_too_long_to_keep_goes_on_and_fails_with_a_reason(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept_audio, "MAX_KEPT_S", 2)
    first, second = MortalRecognizer("first", Death("iterate", 12)), MortalRecognizer("second")
    check_nothing_lost(await recognize(chain(first, second), speech(range(1, 11))), range(1, 11))
    with pytest.raises(Unavailable, match=r"gone away\. No other recogniser takes over an utterance of more than"):
        await recognize(chain(first, second), speech(range(1, 16)))
    assert second.opened == 0


@virtual
async def test_only_one_that_can_do_what_is_asked_is_given_the_utterance():
    english = MortalRecognizer("english", abilities=Abilities(frozenset({"en"}), prompt=True))
    several = MortalRecognizer("several", abilities=Abilities(frozenset({"en", "de"}), detects_language=True))
    able = MortalRecognizer("able", abilities=Abilities(logprobs=True, translates=True, keywords=True))
    recognizer = chain(english, several, able)

    async def answering(options: RecognitionOptions) -> tuple[str | None, ReplacedRecognizer | None]:
        final = (await recognize(recognizer, speech([1]), options=options))[-1]
        return final.model, final.instead_of

    assert await answering(RecognitionOptions(language="en")) == ("english", None)
    assert await answering(RecognitionOptions(language="de")) == ("several", None)
    assert await answering(RecognitionOptions(languages=("en", "de"))) == ("several", None)
    assert await answering(RecognitionOptions(language="ko")) == ("able", None)
    assert await answering(RecognitionOptions(task="translate")) == ("able", None)
    assert await answering(RecognitionOptions(logprobs=True)) == ("able", None)
    english.death = Death("iterate")
    several.death = Death("iterate")
    options = RecognitionOptions(language="en", prompt="a style", keywords=("a name",))
    assert (await answering(options))[0] == "able"
    assert english.options[-1] == RecognitionOptions(language="en", prompt="a style")
    assert several.options[-1] == RecognitionOptions(language="en")
    assert able.options[-1] == RecognitionOptions(language="en", keywords=("a name",))
    with pytest.raises(Rejected, match="language fr"):
        await recognize(chain(english, several), speech([1]), options=RecognitionOptions(language="fr"))


@virtual
async def test_a_failed_session_with_a_recogniser_is_replaced_and_others_are_kept():
    first, second = MortalRecognizer("first"), MortalRecognizer("second")
    recognizer = chain(first, second)
    async with aclosing(recognizer.connect()) as session:
        async with aclosing(session.open(ANY)) as one, aclosing(session.open(ANY)) as other:
            assert first.sessions == 1
            one.finish()
            other.finish()
            await hear(one)
            await hear(other)
        first.death = Death("iterate")
        async with aclosing(session.open(ANY)) as stream:
            await speak(stream, speech([1, 2]))
            stream.finish()
            await hear(stream)
        await asyncio.sleep(1)
        assert (first.sessions, second.sessions) == (0, 1)
    await all_closed(first, second)


@virtual
async def test_a_long_utterance_is_replayed_in_slices():
    """Other tasks run while a replacement gets minutes of audio."""
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    first, second = MortalRecognizer("first", Death("finish")), MortalRecognizer("second")
    pcm = speech([1 + number % 9 for number in range(600)])
    async with aclosing(chain(first, second).connect()) as session, aclosing(session.open(ANY)) as stream:
        await speak(stream, pcm, live=False)
        counting = asyncio.create_task(count_turns())
        stream.finish()
        await asyncio.sleep(0)
        while not second.opened:
            await asyncio.sleep(0)
        turns = 0
        while stream._current.attempt.is_behind:
            await asyncio.sleep(0)
        assert turns > len(pcm) / FRAME / 100
        counting.cancel()


async def test_warming_up_needs_one_that_works():
    dead = MortalRecognizer("dead", Death("iterate"))
    await FallbackRecognizer([dead, MortalRecognizer("alive")]).warm_up()
    with pytest.raises(Unavailable):
        await FallbackRecognizer([dead, dead]).warm_up()


def test_its_parts_are_its_recognisers_with_their_stand_ins():
    recognizer = FallbackRecognizer([MortalRecognizer(name) for name in "abc"])
    assert recognizer.name == "a"
    assert recognizer.parts == {"a": ("b", "c"), "b": ("c",), "c": ()}
