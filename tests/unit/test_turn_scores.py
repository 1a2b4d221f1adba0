"""A streaming end-of-turn model in a session: what it hears, when, and what becomes of lateness and failure."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.core.effects import FollowTurn, LeaveTurn
from streamsrv.core.inputs import Input, TurnScored
from streamsrv.engines.loaded import Engines
from streamsrv.engines.observer import FailureReason, NoObserver, Stage
from streamsrv.engines.turn.base import TurnScore
from streamsrv.runtime.hearing import Hearing
from streamsrv.testing.fakes import fake_engines


class FakeStream:
    """Scores each 64 ms by the last sample; keeps what it heard since the last reset."""

    def __init__(self, model: "FakeStreamingModel") -> None:
        self.model = model
        self.heard: list[int] = []
        self.log: list[str] = []
        self._scored = 0

    def feed(self, pcm: NDArray[np.int16]) -> Sequence[TurnScore]:
        self.model.let_run.wait(10)
        if self.model.error is not None:
            raise self.model.error
        self.heard += pcm[::512].tolist()
        self.log.append(f"fed {len(pcm) // 512}")
        steps = len(self.heard) // 2
        found = [TurnScore(64 * step, 0.5, 0.25) for step in range(self._scored + 1, steps + 1)]
        self._scored = steps
        return found

    def told(self, agent: str) -> None:
        self.log.append(f"told {agent}")

    def reset(self) -> None:
        self.log.append("reset")
        self.heard, self._scored = [], 0


class FakeStreamingModel:
    name = "fake-streaming"
    step_ms = 64.0
    context_ms = 96

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []
        self.error: Exception | None = None
        self.let_run = threading.Event()
        self.let_run.set()

    def evidence(self, probability: float) -> float:
        return probability / 2

    def open(self) -> FakeStream:
        self.streams.append(FakeStream(self))
        return self.streams[-1]


class Reports(NoObserver):
    def __init__(self) -> None:
        self.failures: list[FailureReason] = []

    def failed(self, stage: Stage, model: str, reason: FailureReason) -> None:
        self.failures.append(reason)


class Session:
    """A `Hearing` whose frame n has samples of value n, counted from 0."""

    def __init__(self, engines: Engines) -> None:
        self.reported: list[TurnScored] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.frames = 0
        self.hearing = Hearing(engines, self._spawn, self._report)

    def _spawn(self, coroutine):
        self.tasks.append(asyncio.ensure_future(coroutine))
        return self.tasks[-1]

    def _report(self, happened: Input) -> None:
        if isinstance(happened, TurnScored):
            self.reported.append(happened)

    async def hear(self, frames: int, *, settle: bool = True) -> None:
        for _ in range(frames):
            await self.hearing.append_pcm(np.full(512, self.frames, np.int16))
            self.frames += 1
            if settle:
                await self.settle()

    async def settle(self) -> None:
        async with asyncio.timeout(10):
            while unfinished := [task for task in self.tasks if not task.done()]:
                await asyncio.gather(*unfinished)


@pytest.fixture
def model() -> FakeStreamingModel:
    return FakeStreamingModel()


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
async def engines(model: FakeStreamingModel, reports: Reports) -> AsyncGenerator[Engines]:
    engines = replace(fake_engines(), turn_stream=model, observer=reports)
    yield engines
    model.let_run.set()
    await engines.aclose()


async def test_a_turn_is_heard_from_a_little_before_its_speech(engines: Engines, model: FakeStreamingModel):
    session = Session(engines)
    await session.hear(10)
    session.hearing.follow_turn(FollowTurn(from_ms=256, agent="How are you?"))
    await session.hear(3)
    [stream] = model.streams
    assert stream.heard == list(range(5, 5 + len(stream.heard)))
    assert stream.log[:2] == ["reset", "told How are you?"]
    assert session.reported[-1] == TurnScored(13 * 32, 0.25, 0.25)


async def test_nothing_is_heard_between_turns_and_each_begins_anew(engines: Engines, model: FakeStreamingModel):
    session = Session(engines)
    for _ in range(2):
        session.hearing.follow_turn(FollowTurn(from_ms=session.frames * 32 + 96, agent=""))
        await session.hear(2)
        session.hearing.leave_turn(LeaveTurn())
        await session.hear(4)
    assert model.streams[0].log == ["reset", "fed 2", "reset", "fed 2"]
    assert [scored.until_ms for scored in session.reported] == [64, 64 + 6 * 32]


async def test_frames_that_came_during_a_call_are_one_call(engines: Engines, model: FakeStreamingModel):
    session = Session(engines)
    session.hearing.follow_turn(FollowTurn(0, ""))
    model.let_run.clear()
    await session.hear(2, settle=False)
    await asyncio.sleep(0)
    await session.hear(7, settle=False)
    model.let_run.set()
    await session.settle()
    assert model.streams[0].log == ["reset", "fed 2", "fed 7"]
    assert [scored.until_ms for scored in session.reported] == [64, 256]


async def test_a_model_that_is_late_skips_and_begins_anew(
    engines: Engines, model: FakeStreamingModel, reports: Reports
):
    session = Session(engines)
    session.hearing.follow_turn(FollowTurn(0, ""))
    model.let_run.clear()
    await session.hear(2, settle=False)
    await asyncio.sleep(0)
    await session.hear(70, settle=False)
    model.let_run.set()
    await session.settle()
    assert reports.failures == ["overloaded"]
    heard = model.streams[0].heard
    assert heard == list(range(72 - len(heard), 72))
    assert len(heard) <= 32
    assert session.reported[-1].until_ms in (71 * 32, 72 * 32)


async def test_a_failing_stream_is_reported_once_and_not_used_again(
    engines: Engines, model: FakeStreamingModel, reports: Reports
):
    session = Session(engines)
    model.error = RuntimeError("broken")
    for _ in range(2):
        session.hearing.follow_turn(FollowTurn(session.frames * 32, ""))
        await session.hear(6)
        session.hearing.leave_turn(LeaveTurn())
    assert (reports.failures, session.reported) == (["unavailable"], [])


async def test_sessions_have_streams_of_their_own(engines: Engines, model: FakeStreamingModel):
    sessions = [Session(engines), Session(engines)]
    sessions[0].hearing.follow_turn(FollowTurn(0, ""))
    await asyncio.gather(*(session.hear(4) for session in sessions))
    assert [stream.heard for stream in model.streams] == [[0, 1, 2, 3], []]
