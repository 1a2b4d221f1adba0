"""The hearing of a session: when frames are processed, what the end-of-turn model gets, and late predictions."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.core.effects import (
    DropRecognition,
    FeedRecognition,
    FinishRecognition,
    JudgeWords,
    PredictEndOfTurn,
    ReadWords,
    SetFramePacing,
)
from streamsrv.core.inputs import EndOfTurnPredicted, FrameHeard, Input, WordsJudged
from streamsrv.engines.loaded import Engines
from streamsrv.engines.turn.base import WordsEnding
from streamsrv.inference.scheduler import Priority
from streamsrv.runtime.hearing import Hearing
from streamsrv.testing.fakes import fake_engines


class FakeTurnModel:
    """Says 0.75 of everything, and keeps what it heard."""

    name = "fake-turn-model"

    def __init__(self) -> None:
        self.heard: list[NDArray[np.int16]] = []

    def evidence(self, probability: float) -> float:
        return probability

    def probability(self, pcm: NDArray[np.int16]) -> float:
        self.heard.append(pcm)
        return 0.75


@pytest.fixture
def model() -> FakeTurnModel:
    return FakeTurnModel()


@pytest.fixture
async def engines(model: FakeTurnModel) -> AsyncGenerator[Engines]:
    engines = replace(fake_engines(), turn=model)
    yield engines
    await engines.aclose()


async def judged(engines: Engines, effect: PredictEndOfTurn) -> list[Input]:
    """What is reported of a second of audio in which a pause is judged."""
    reported: list[Input] = []
    tasks: list[asyncio.Task[None]] = []

    def spawn(coroutine):
        tasks.append(asyncio.ensure_future(coroutine))
        return tasks[-1]

    hearing = Hearing(engines, spawn, reported.append)
    await hearing.append_pcm(np.arange(16_000, dtype=np.int16))
    hearing.predict_end_of_turn(effect)
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)
    return [report for report in reported if isinstance(report, EndOfTurnPredicted)]


FRAME = np.zeros(512, np.int16)


class Ears:
    """A `Hearing` that is given frame after frame; `heard_ms` is where the last frame it reported ends."""

    def __init__(self, engines: Engines) -> None:
        self.heard_ms = 0
        self.hearing = Hearing(engines, asyncio.ensure_future, self._report)

    def _report(self, happened: Input) -> None:
        if isinstance(happened, FrameHeard):
            self.heard_ms = happened.until_ms

    async def listen(self, frames: int) -> list[int]:
        """How much was heard after each frame that came."""
        heard_ms = []
        for _ in range(frames):
            await self.hearing.append_pcm(FRAME)
            heard_ms.append(self.heard_ms)
        return heard_ms


async def test_each_frame_is_heard_at_once_while_the_core_attends(engines: Engines):
    ears = Ears(engines)
    assert await ears.listen(3) == [32, 64, 96]


async def test_frames_are_gathered_while_the_core_does_not_attend(engines: Engines):
    ears = Ears(engines)
    ears.hearing.set_frame_pacing(SetFramePacing(immediate=False))
    assert await ears.listen(9) == [0, 0, 0, 128, 128, 128, 128, 256, 256]


async def test_what_was_gathered_is_heard_with_the_first_frame_to_which_the_core_attends(engines: Engines):
    ears = Ears(engines)
    ears.hearing.set_frame_pacing(SetFramePacing(immediate=False))
    await ears.listen(2)
    ears.hearing.set_frame_pacing(SetFramePacing(immediate=True))
    assert await ears.listen(2) == [96, 128]


async def test_what_was_gathered_is_heard_when_something_comes_that_may_depend_on_it(engines: Engines):
    ears = Ears(engines)
    ears.hearing.set_frame_pacing(SetFramePacing(immediate=False))
    await ears.listen(2)
    await ears.hearing.catch_up()
    assert ears.heard_ms == 64


async def test_the_model_gets_the_turn_and_its_prediction_names_the_pause(engines: Engines, model: FakeTurnModel):
    assert await judged(engines, PredictEndOfTurn("item", from_ms=320, pause=3)) == [
        EndOfTurnPredicted("item", 3, 0.75)
    ]
    assert model.heard[0][0] == 320 * 16


async def test_a_prediction_that_could_not_start_in_time_is_dropped(
    engines: Engines, model: FakeTurnModel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("streamsrv.runtime.hearing.PREDICTION_DEADLINE_S", 0.0)
    started, release = threading.Event(), threading.Event()

    def occupy() -> None:
        started.set()
        release.wait(10)

    busy = asyncio.ensure_future(engines.scheduler.run(Priority.FINAL, occupy))
    try:
        await asyncio.to_thread(started.wait, 10)
        assert await judged(engines, PredictEndOfTurn("item", from_ms=0, pause=1)) == []
    finally:
        release.set()
        await busy
    assert model.heard == []


class HeldWordsModel:
    """A fake model that judges words, until it is released or nobody awaits it any more."""

    name = "held-words-model"
    languages = frozenset({"en"})

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.asked: list[str] = []
        self.given_up: list[str] = []

    async def ending(self, text: str) -> WordsEnding:
        self.asked.append(text)
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.given_up.append(text)
            raise
        return WordsEnding(0.75, 0.5)

    async def aclose(self) -> None: ...


class Judging:
    """A `Hearing` with a model that judges words."""

    def __init__(self, engines: Engines) -> None:
        self.model = HeldWordsModel()
        self.reported: list[Input] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.hearing = Hearing(replace(engines, turn_words=self.model), self._spawn, self.reported.append)

    def _spawn(self, coroutine) -> "asyncio.Task[None]":
        self.tasks.append(asyncio.ensure_future(coroutine))
        return self.tasks[-1]

    async def end(self) -> list[Input]:
        """What is reported once the model is released."""
        await asyncio.sleep(0)
        self.model.release.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*self.tasks, return_exceptions=True)
        return self.reported


async def test_words_are_judged_and_the_judgement_names_them(engines: Engines):
    judging = Judging(engines)
    judging.hearing.judge_words(JudgeWords("item", "What time is it?", "en"))
    assert await judging.end() == [WordsJudged("item", "What time is it?", WordsEnding(0.75, 0.5))]


@pytest.mark.parametrize("language", ["de", None])
async def test_words_of_another_language_or_an_unknown_one_are_not_judged(engines: Engines, language: str | None):
    judging = Judging(engines)
    judging.hearing.judge_words(JudgeWords("item", "Wie spät ist es?", language))
    assert await judging.end() == []
    assert judging.model.asked == []


@pytest.mark.parametrize(
    "over",
    [
        lambda hearing: hearing.feed(FeedRecognition("item", speech=True)),
        lambda hearing: hearing.finish(FinishRecognition("item")),
        lambda hearing: hearing.drop(DropRecognition("item")),
    ],
    ids=["more speech", "the end of the turn", "a turn that was none"],
)
async def test_the_words_of_a_pause_that_is_over_are_not_judged_any_more(engines: Engines, over):
    judging = Judging(engines)
    judging.hearing.judge_words(JudgeWords("item", "What time", "en"))
    await asyncio.sleep(0)
    judging.hearing.feed(FeedRecognition("item", speech=False))
    over(judging.hearing)
    assert await judging.end() == []
    assert judging.model.given_up == ["What time"]


async def test_only_the_newest_words_of_a_pause_are_judged(engines: Engines):
    judging = Judging(engines)
    judging.hearing.judge_words(JudgeWords("item", "What time", "en"))
    await asyncio.sleep(0)
    judging.hearing.judge_words(JudgeWords("item", "What time is it?", "en"))
    assert [report.text for report in await judging.end() if isinstance(report, WordsJudged)] == ["What time is it?"]


async def test_words_are_read_ahead_and_nothing_is_reported(engines: Engines):
    judging = Judging(engines)
    judging.hearing.read_words(ReadWords("What time is it in the", "en"))
    judging.hearing.read_words(ReadWords("Wie spät ist es denn", "de"))
    assert await judging.end() == []
    assert judging.model.asked == ["What time is it in the"]


async def test_reading_ahead_gives_way_to_a_judgement_and_speech_does_not_stop_it(engines: Engines):
    judging = Judging(engines)
    judging.hearing.read_words(ReadWords("What time is it in the", "en"))
    await asyncio.sleep(0)
    judging.hearing.feed(FeedRecognition("item", speech=True))
    assert judging.model.given_up == []
    judging.hearing.judge_words(JudgeWords("item", "What time is it in the end?", "en"))
    judging.hearing.read_words(ReadWords("What time is it in the end of", "en"))
    assert await judging.end() == [WordsJudged("item", "What time is it in the end?", WordsEnding(0.75, 0.5))]
    assert judging.model.given_up == ["What time is it in the"]
