"""Two recognisers on one stream: which audio each gets, and whose transcript counts. Both are scripted fakes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fake_decoder import let_tasks_run
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, StatelessSession, Transcript
from streamsrv.engines.asr.failover import merging
from streamsrv.engines.asr.failover.merging import MAX_ALIGNED_WORDS, MAX_DRIFT_WORDS, continuation
from streamsrv.engines.asr.latest import LatestTranscript
from streamsrv.engines.asr.pause_gate import MAX_MS, MIN_SPEECH_MS, PAUSE_MS, Frame, HeldSpeech, Pace
from streamsrv.engines.asr.two_speed import (
    MAX_ANSWER_S,
    MIN_TURN_SILENCE_MS,
    TwoSpeedRecognizer,
    TwoSpeedStream,
    load,
)
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.text.words import alignment_distances, join_words, split_words

LONG_MS = 60_000
FINAL_FAST = Transcript("fast", is_final=True, at_pause=True)
FINAL_ACCURATE = Transcript("accurate", is_final=True, at_pause=True)


class ScriptedStream:
    """A fake stream that says what the test puts into `transcripts`, and notes what it is given."""

    def __init__(self) -> None:
        self.transcripts = LatestTranscript()
        self.frames: list[tuple[int, bool]] = []
        self.finished = self.closed = False

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        self.frames.append((len(pcm) // 16, speech))

    def finish(self) -> None:
        self.finished = True

    async def aclose(self) -> None:
        self.closed = True
        self.transcripts.drop()

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return aiter(self.transcripts)

    @property
    def speech_ms(self) -> int:
        return sum(ms for ms, speech in self.frames if speech)


class ScriptedRecognizer:
    """A fake recogniser; `streams` are those it opened."""

    abilities = Abilities(prompt=True)

    def __init__(self, name: str, error: EngineError | None = None) -> None:
        self.name = name
        self.streams: list[ScriptedStream] = []
        self.closed = False
        self.warm = 0
        self._error = error

    def connect(self) -> StatelessSession:
        return StatelessSession(self.open)

    def open(self, options: RecognitionOptions) -> ScriptedStream:
        assert options == RecognitionOptions(language="en")
        if self._error:
            raise self._error
        self.streams.append(ScriptedStream())
        return self.streams[-1]

    async def warm_up(self) -> None:
        self.warm += 1

    async def aclose(self) -> None:
        self.closed = True


class Pair:
    """A two-speed recogniser over two fakes, on a clock that the test moves."""

    def __init__(self, budget_ms: int = LONG_MS, at_once: int = 1, error: EngineError | None = None) -> None:
        self.now_ms = 0.0
        self.fast, self.accurate = ScriptedRecognizer("fast"), ScriptedRecognizer("accurate", error)
        self.recognizer = TwoSpeedRecognizer(
            self.fast, self.accurate, "pair", budget_ms=budget_ms, at_once=at_once, clock=lambda: self.now_ms / 1000
        )

    def open(self) -> "aclosing[TwoSpeedStream]":
        return aclosing(self.recognizer.connect().open(RecognitionOptions(language="en")))


def push(stream: TwoSpeedStream, ms: int, *, speech: bool) -> None:
    stream.push(np.zeros(ms * 16, np.int16), speech=speech)


def speak(stream: TwoSpeedStream, ms: int = 1000, pause_ms: int = PAUSE_MS) -> None:
    push(stream, ms, speech=True)
    if pause_ms:
        push(stream, pause_ms, speech=False)


async def heard(stream: TwoSpeedStream) -> Transcript:
    async with asyncio.timeout(10):
        return await anext(aiter(stream))


async def say(stream: ScriptedStream, transcript: Transcript) -> None:
    stream.transcripts.put(transcript)
    if transcript.is_final:
        stream.transcripts.end()
    await let_tasks_run()


# --- who hears what ---------------------------------------------------------------------------------------------------


async def test_the_fast_one_hears_everything_at_once_and_the_accurate_one_speech_only_when_a_pause_follows():
    pair = Pair()
    async with pair.open() as stream:
        [fast], [accurate] = pair.fast.streams, pair.accurate.streams
        push(stream, 32, speech=False)
        push(stream, 500, speech=True)
        push(stream, PAUSE_MS - 1, speech=False)
        push(stream, 500, speech=True)
        assert accurate.frames == [(32, False)]
        push(stream, PAUSE_MS, speech=False)
        assert accurate.frames == fast.frames
        push(stream, 32, speech=False)
        assert accurate.frames == fast.frames


async def test_a_click_is_not_worth_asking():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream, MIN_SPEECH_MS - 1, pause_ms=500)
        assert pair.accurate.streams[0].frames == []


async def test_partial_results_are_those_of_the_fast_one():
    pair = Pair()
    async with pair.open() as stream:
        push(stream, 1000, speech=True)
        partial = Transcript("one", "to", language="en")
        await say(pair.fast.streams[0], partial)
        assert await heard(stream) == partial


async def test_in_a_pause_the_tentative_words_are_those_of_the_accurate_one():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream)
        await say(pair.fast.streams[0], Transcript("wreck a", "nice beach", at_pause=True))
        await say(pair.accurate.streams[0], Transcript("", "Recognize a nice speech.", at_pause=True))
        assert await heard(stream) == Transcript("wreck a", "nice speech.", at_pause=True)
        await say(pair.fast.streams[0], Transcript("wreck a nice", "beach", at_pause=True))
        assert await heard(stream) == Transcript("wreck a nice", "speech.", at_pause=True)


async def test_the_accurate_transcript_from_before_the_user_continued_is_not_shown():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream)
        await say(pair.accurate.streams[0], Transcript("", "one", at_pause=True))
        assert (await heard(stream)).text == "one"
        push(stream, 32, speech=True)
        await say(pair.accurate.streams[0], Transcript("", "too late", at_pause=True))
        await say(pair.fast.streams[0], Transcript("", "won two"))
        assert await heard(stream) == Transcript("", "won two")


# --- the final transcript ---------------------------------------------------------------------------------------------


async def test_the_accurate_final_counts_when_it_is_there_before_the_fast_one():
    pair = Pair(budget_ms=0)
    async with pair.open() as stream:
        speak(stream)
        await say(pair.accurate.streams[0], Transcript("", "accurate", at_pause=True))
        stream.finish()
        assert pair.fast.streams[0].finished
        assert pair.accurate.streams[0].finished
        await say(pair.accurate.streams[0], FINAL_ACCURATE)
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_ACCURATE
        assert [transcript async for transcript in stream] == []


async def test_the_accurate_final_counts_when_it_comes_within_the_budget():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream)
        stream.finish()
        await say(pair.fast.streams[0], FINAL_FAST)
        reading = asyncio.ensure_future(heard(stream))
        await let_tasks_run()
        assert not reading.done()
        await say(pair.accurate.streams[0], FINAL_ACCURATE)
        assert await reading == FINAL_ACCURATE


async def test_the_fast_final_counts_when_the_budget_is_used_up():
    pair = Pair(budget_ms=1)
    async with pair.open() as stream:
        speak(stream)
        stream.finish()
        assert pair.accurate.streams[0].finished
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


@pytest.mark.parametrize("error", [Overloaded("full"), Unavailable("down"), Rejected("no")])
async def test_the_fast_final_counts_when_the_accurate_one_fails(error):
    pair = Pair()
    async with pair.open() as stream:
        speak(stream)
        pair.accurate.streams[0].transcripts.end(error)
        stream.finish()
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


async def test_the_fast_one_works_alone_when_the_accurate_one_takes_no_more_streams():
    pair = Pair(error=Overloaded("full"))
    async with pair.open() as stream:
        speak(stream)
        stream.finish()
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


async def test_a_failure_of_the_fast_one_is_the_streams_own():
    pair = Pair()
    async with pair.open() as stream:
        pair.fast.streams[0].transcripts.end(Unavailable("down"))
        with pytest.raises(Unavailable, match="down"):
            await heard(stream)


async def test_an_end_without_a_pause_asks_when_the_answer_is_expected_within_the_budget():
    pair = Pair(budget_ms=300)
    pair.recognizer.pace.measured(1000, 300)
    async with pair.open() as stream:
        speak(stream, 1000, pause_ms=0)
        stream.finish()
        assert pair.accurate.streams[0].speech_ms == 1000
        assert pair.accurate.streams[0].finished
        await say(pair.accurate.streams[0], FINAL_ACCURATE)
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_ACCURATE


async def test_an_end_without_a_pause_waits_for_nothing_when_the_answer_would_be_late():
    pair = Pair(budget_ms=LONG_MS)
    pair.recognizer.pace.measured(1000, LONG_MS + 1)
    async with pair.open() as stream:
        speak(stream, 1000, pause_ms=0)
        stream.finish()
        assert pair.accurate.streams[0].frames == []
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


async def test_an_answer_that_is_still_far_away_is_not_waited_for():
    pair = Pair(budget_ms=100)
    async with pair.open() as stream:
        speak(stream)
        pair.recognizer.pace.measured(1000, 400)
        pair.now_ms += 299
        stream.finish()
        assert not pair.accurate.streams[0].finished
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


async def test_an_answer_that_is_due_is_waited_for():
    pair = Pair(budget_ms=100)
    async with pair.open() as stream:
        speak(stream)
        pair.recognizer.pace.measured(1000, 400)
        pair.now_ms += 301
        stream.finish()
        assert pair.accurate.streams[0].finished


# --- under load -------------------------------------------------------------------------------------------------------


async def test_only_so_many_streams_are_decoded_at_once_and_the_next_one_gets_its_turn_in_the_same_pause():
    pair = Pair(at_once=1)
    async with pair.open() as one, pair.open() as other:
        first, second = pair.accurate.streams
        speak(one)
        speak(other)
        push(other, 32, speech=False)
        assert second.frames == []
        await say(first, Transcript("", "one", at_pause=True))
        push(other, 32, speech=False)
        assert second.speech_ms == 1000


async def test_a_stream_may_ask_again_before_its_first_answer():
    pair = Pair(at_once=1)
    async with pair.open() as stream:
        speak(stream)
        speak(stream)
        assert pair.accurate.streams[0].speech_ms == 2000


async def test_a_question_that_is_never_answered_does_not_block_the_others_for_ever():
    pair = Pair(at_once=1)
    async with pair.open() as one, pair.open() as other:
        speak(one)
        pair.now_ms += MAX_ANSWER_S * 1000
        speak(other)
        assert pair.accurate.streams[1].speech_ms == 1000


async def test_a_closed_stream_makes_room():
    pair = Pair(at_once=1)
    async with pair.open() as one:
        speak(one)
    async with pair.open() as other:
        speak(other)
        assert pair.accurate.streams[1].speech_ms == 1000


async def test_the_pace_is_measured_from_question_to_answer():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream, 1000)
        pair.now_ms += 250
        await say(pair.accurate.streams[0], Transcript("", "one", at_pause=True))
        assert pair.recognizer.pace.expected_ms(1000) == pytest.approx(250)
        pair.now_ms += 1000
        await say(pair.accurate.streams[0], Transcript("", "one", at_pause=True))
        assert pair.recognizer.pace.expected_ms(1000) == pytest.approx(250)


async def test_an_accurate_one_that_is_too_slow_is_tried_again_after_some_pauses():
    pair = Pair(budget_ms=0)
    pair.recognizer.pace.measured(1000, MIN_TURN_SILENCE_MS * 1.5)
    async with pair.open() as stream:
        accurate = pair.accurate.streams[0]
        speak(stream)
        push(stream, 1000, speech=False)
        assert accurate.frames == []
        pauses = 1
        while not accurate.frames:
            speak(stream, MIN_SPEECH_MS)
            pauses += 1
        assert pauses > 3


async def test_speech_that_was_not_recognised_in_time_is_dropped():
    pair = Pair()
    async with pair.open() as stream:
        for _ in range(MAX_MS // 1000 + 1):
            push(stream, 1000, speech=True)
        speak(stream)
        stream.finish()
        assert pair.accurate.streams[0].frames == []
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


# --- life -------------------------------------------------------------------------------------------------------------


async def test_closing_closes_both_and_leaves_no_task():
    pair = Pair()
    tasks = asyncio.all_tasks()
    async with pair.open() as stream:
        speak(stream)
    await stream.aclose()
    assert pair.fast.streams[0].closed
    assert pair.accurate.streams[0].closed
    assert asyncio.all_tasks() == tasks
    assert [transcript async for transcript in stream] == []


async def test_audio_after_finish_is_ignored():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream)
        stream.finish()
        stream.finish()
        push(stream, 1000, speech=True)
        assert pair.accurate.streams[0].speech_ms == 1000


async def test_both_are_warmed_up_and_closed():
    pair = Pair()
    await pair.recognizer.warm_up()
    await pair.recognizer.aclose()
    assert (pair.fast.warm, pair.accurate.warm, pair.fast.closed, pair.accurate.closed) == (1, 1, True, True)


def test_an_entry_names_its_parts():
    scheduler = Scheduler(0)
    asked: list[str] = []

    def load_part(name: str) -> ScriptedRecognizer:
        asked.append(name)
        return ScriptedRecognizer(name)

    entry = ModelEntry("pair", "recognizer", "two_speed", options={"fast": "a", "accurate": "b", "budget_ms": 7})
    recognizer = load(entry, LoadContext(scheduler, {}, load_part=load_part))
    assert (recognizer.name, recognizer.budget_ms, asked) == ("pair", 7, ["a", "b"])
    with pytest.raises(Unavailable, match=r"The options of pair are wrong: .*slow"):
        load(ModelEntry("pair", "recognizer", "two_speed", options={"slow": "a"}), LoadContext(scheduler, {}))


# --- pure parts -------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans())))
def test_held_speech_is_given_away_once_in_order_and_whole(pieces):
    held = HeldSpeech()
    given_away: list[Frame] = []
    pushed: list[Frame] = []
    for ms, speech in pieces:
        pushed.append(Frame(np.zeros(ms * 16, np.int16), speech))
        held.push(pushed[-1])
        if held.is_complete:
            given_away += held.take()
            assert held.speech_ms == 0
            assert not given_away[-1].speech
    assert [id(frame) for frame in given_away + held.take()] == [id(frame) for frame in pushed]


def test_a_pause_goes_on_when_speech_was_given_away():
    held = HeldSpeech()
    held.push(Frame(np.zeros(1600, np.int16), True))
    held.push(Frame(np.zeros(1600, np.int16), False))
    held.take()
    held.push(Frame(np.zeros(1600, np.int16), False))
    assert (held.pause_ms, held.speech_ms, held.length_ms) == (200, 0, 100)


def test_an_unknown_pace_refuses_nothing():
    assert Pace().expected_ms(5000) == 0


def test_a_pace_grows_with_the_speech_up_to_a_bound():
    pace = Pace()
    pace.measured(2000, 300)
    assert pace.expected_ms(2000) == pytest.approx(300)
    assert pace.expected_ms(8000) == pytest.approx(600)
    assert pace.expected_ms(100_000) == pace.expected_ms(Pace.MAX_MS)


@given(st.lists(st.floats(100, 300), min_size=1))
def test_a_pace_stays_within_what_was_measured(measurements):
    pace = Pace()
    for took_ms in measurements:
        pace.measured(1000, took_ms)
    assert min(measurements) - 1e-6 <= pace.expected_ms(1000) <= max(measurements) + 1e-6


@pytest.mark.parametrize(
    ("stable", "text", "rest"),
    [
        ("", "Hello there.", "Hello there."),
        ("hello", "Hello there.", "there."),
        ("the garage", "The garage door.", "door."),
        ("the carriage", "The garage door.", "door."),
        ("hello there", "Hello there.", ""),
        ("hello there", "", ""),
    ],
)
def test_the_continuation_follows_the_words_nearest_to_the_stable_ones(stable, text, rest):
    assert continuation(stable, text) == rest


def whole_alignment(stable: str, text: str) -> str:
    """`continuation` without bounds on its work."""
    known, words = split_words(stable), split_words(text)
    distances = alignment_distances(known, words)
    return join_words(words[min(range(len(distances)), key=lambda n: (distances[n], abs(n - len(known)))) :])


def revised(words: list[str], random: Random) -> list[str]:
    """The words as another recogniser hears them: some replaced, left out, added, split or joined."""
    heard: list[str] = []
    for word in words:
        change = random.random()
        if change < 0.04:
            heard.append(random.choice(VOCABULARY))
        elif change < 0.05:
            heard += [word, random.choice(VOCABULARY)]
        elif change < 0.07:
            heard += [word[:3], word[3:]]
        elif change < 0.08 and heard:
            heard[-1] += word
        elif change > 0.01 + 0.08:
            heard.append(word)
    return heard


VOCABULARY = [f"{stem}{ending}" for stem in ("abcd", "efgh", "ijkl", "mnop", "qrst") for ending in "aeiouvwxyz"]


@pytest.mark.parametrize("count", [5, 31, 33, 65, 120, 400])
def test_the_continuation_of_a_long_text_is_the_same_as_with_an_alignment_of_all_of_it(count: int):
    for seed in range(5):
        random = Random(seed)
        said = [random.choice(VOCABULARY) for _ in range(count)]
        text = " ".join([*revised(said, random), "and", "then", "more"])
        assert continuation(" ".join(said), text) == whole_alignment(" ".join(said), text)


def test_the_work_of_a_continuation_is_bounded(monkeypatch: pytest.MonkeyPatch):
    cells: list[int] = []

    def measured(known: Sequence[str], words: Sequence[str], **options: bool) -> list[int]:
        cells.append(len(known) * len(words))
        return alignment_distances(known, words, **options)

    monkeypatch.setattr(merging, "alignment_distances", measured)
    said = [f"word{number}" for number in range(5000)]
    assert continuation(" ".join(said), " ".join([*said, "at", "last"])) == "at last"
    continuation("", " ".join(said))
    continuation(" ".join(said), "")
    assert max(cells) <= MAX_ALIGNED_WORDS * (MAX_ALIGNED_WORDS + 2 * MAX_DRIFT_WORDS)
