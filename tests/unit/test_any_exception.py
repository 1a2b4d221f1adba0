"""Engines and their packages may raise anything, at any moment: only the engine fails, and what can go on goes on."""

import asyncio
import logging
import math
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.core.effects import FollowTurn, PredictEndOfTurn
from streamsrv.core.inputs import EndOfTurnPredicted, FrameHeard, Input, TurnScored
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loaded import Engines, LoadedModel
from streamsrv.engines.model_loader import ModelLoader, close_models
from streamsrv.engines.turn.base import TurnScore
from streamsrv.engines.vad.fallback import FallbackVadStream
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.runtime.hearing import Hearing
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines


class Panic(BaseException):
    """What a library in Rust raises when it panics: no `Exception`."""


ANYTHING = [ZeroDivisionError("boom"), SystemExit(3), Panic("boom"), StopIteration(), MemoryError()]


@pytest.mark.parametrize("error", [*ANYTHING, asyncio.CancelledError()], ids=repr)
async def test_whatever_an_engine_raises_is_the_failure_of_that_engine(error: BaseException):
    with pytest.raises(Unavailable, match=r"^The voice failed\.$"), engine_call("voice"):
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_what_does_not_come_from_the_engine_passes(error: BaseException):
    with pytest.raises(type(error)), engine_call("voice"):
        raise error


class OddModel:
    """An end-of-turn model, of pauses or streaming, that raises `error` in the method `at`."""

    name = "odd"
    step_ms = 32.0
    context_ms = 0

    def __init__(self, at: str, error: BaseException | None = None) -> None:
        self._at = at
        self._error = error or ZeroDivisionError("boom")

    def _may_fail(self, at: str) -> None:
        if at == self._at:
            raise self._error

    def evidence(self, probability: float) -> float:
        self._may_fail("evidence")
        return probability

    def probability(self, pcm: NDArray[np.int16]) -> float:
        self._may_fail("probability")
        return 0.5


class OddStreamingModel(OddModel):
    def open(self) -> "OddStreamingModel":
        self._may_fail("open")
        return self

    def feed(self, pcm: NDArray[np.int16]) -> Sequence[TurnScore]:
        self._may_fail("feed")
        return [TurnScore(32, 0.5)]

    def told(self, agent: str) -> None:
        self._may_fail("told")

    def reset(self) -> None:
        self._may_fail("reset")


@pytest.fixture
async def engines() -> AsyncGenerator[Engines]:
    engines = fake_engines()
    yield engines
    await engines.aclose()


async def heard(engines: Engines) -> list[Input]:
    """What a session reports of some frames, in which a turn begins and has a pause. None of its tasks may fail."""
    reported: list[Input] = []
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        hearing = Hearing(engines, tasks.create_task, reported.append)
        await hearing.append_pcm(np.zeros(512, np.int16))
        hearing.follow_turn(FollowTurn(0, "Hello."))
        await hearing.append_pcm(np.zeros(512 * 4, np.int16))
        hearing.predict_end_of_turn(PredictEndOfTurn("item", 0, 1))
        await hearing.append_pcm(np.zeros(512, np.int16))
    return reported


@pytest.mark.parametrize("at", ["probability", "evidence"])
@pytest.mark.parametrize("error", ANYTHING, ids=repr)
async def test_a_session_goes_on_without_what_its_turn_model_says(engines: Engines, at: str, error: BaseException):
    reported = await heard(replace(engines, turn=OddModel(at, error)))
    assert sum(isinstance(report, FrameHeard) for report in reported) == 6
    assert not any(isinstance(report, EndOfTurnPredicted) for report in reported)


@pytest.mark.parametrize("at", ["open", "feed", "told", "reset", "evidence"])
@pytest.mark.parametrize("error", ANYTHING, ids=repr)
async def test_a_session_goes_on_without_a_streaming_turn_model(engines: Engines, at: str, error: BaseException):
    reported = await heard(replace(engines, turn_stream=OddStreamingModel(at, error)))
    assert sum(isinstance(report, FrameHeard) for report in reported) == 6
    assert not any(isinstance(report, TurnScored) for report in reported)


@pytest.mark.parametrize("said", [math.nan, math.inf, -0.5, 2.0])
async def test_what_is_no_probability_of_speech_is_replaced_by_loudness(said: float):
    class Vad:
        name = "odd"

        def open(self) -> Any:
            return self

    async def call(_: object) -> list[float]:
        return [said, said]

    loud = np.tile(np.array([9000, -9000], np.int16), (2, 256))
    assert await FallbackVadStream(Vad()).hear(loud, call) == [1, 1]


async def test_an_item_that_makes_a_library_panic_fails_alone():
    def compute(items: list[int]) -> list[int]:
        if 2 in items:
            raise Panic("boom")
        return items

    scheduler = Scheduler(1)
    try:
        together = (scheduler.run_together(Priority.FINAL, compute, item) for item in (1, 2, 3))
        results = await asyncio.gather(*together, return_exceptions=True)
    finally:
        scheduler.close()
    assert (results[0], str(results[1]), results[2]) == (1, "Panic: boom", 3)


class Ends:
    """A model that counts how often it was freed, and then raises."""

    freed = 0

    async def aclose(self) -> None:
        self.freed += 1
        raise ZeroDivisionError("boom")


async def test_a_model_that_cannot_be_freed_keeps_no_other_one_from_it(caplog: pytest.LogCaptureFixture):
    models = [Ends(), Ends()]
    await close_models(LoadedModel((ModelEntry(f"m{n}", "chat", "x"),), model) for n, model in enumerate(models))
    assert [model.freed for model in models] == [1, 1]

    words, chat = Ends(), ScriptedChatModel()
    chat.aclose = Ends().aclose
    engines = replace(fake_engines(chat), turn_words=words)  # type: ignore[arg-type]
    await engines.aclose()
    assert words.freed == 1
    with pytest.raises(Exception, match="shutting down"):
        await engines.scheduler.run(Priority.FINAL, int)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 4


ENTRY = ModelEntry("mine", "turn", "odd_engine")


@pytest.mark.parametrize(
    ("step", "error"),
    [
        *((step, error) for step in ("import", "load", "warm_up") for error in ANYTHING[:2]),
        *((step, Panic("boom")) for step in ("load", "warm_up")),
    ],
    ids=repr,
)
async def test_a_start_names_the_model_and_the_cause_in_one_line(
    step: str, error: BaseException, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    class Model:
        async def warm_up(self) -> None:
            raise error

    def load(*_: object) -> Model:
        if step == "load":
            raise error
        return Model()

    if step == "import":
        (tmp_path / "odd_engine.py").write_text(f"raise {error!r}")
        monkeypatch.setattr(sys.modules["streamsrv.engines.turn"], "__path__", [str(tmp_path)])
    else:
        module = ModuleType("streamsrv.engines.turn.odd_engine")
        module.load = load  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
    loader = ModelLoader(Settings(model_folder=tmp_path), lambda _: None)
    try:
        with pytest.raises(Unavailable) as failed:
            await loader.load_entry(ENTRY)
    finally:
        loader.scheduler.close()
    assert str(failed.value).startswith("mine")
    assert str(error) in str(failed.value)
    assert "\n" not in str(failed.value)
