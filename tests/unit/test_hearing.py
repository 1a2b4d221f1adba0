"""The end-of-turn model beside a session: what it hears, and what happens when it comes too late."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.inference.scheduler import Priority
from streamsrv.providers.engines import Engines
from streamsrv.session.effects import JudgeTurn
from streamsrv.session.hearing import Hearing
from streamsrv.session.inputs import Input, TurnJudged
from streamsrv.testing.fakes import fake_engines


class FakeTurnModel:
    """Says 0.75 of everything, and keeps what it heard."""

    name = "fake-turn-model"

    def __init__(self) -> None:
        self.heard: list[NDArray[np.int16]] = []

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


async def judged(engines: Engines, effect: JudgeTurn) -> list[Input]:
    """What is reported of a second of audio in which a pause is judged."""
    reported: list[Input] = []
    tasks: list[asyncio.Task[None]] = []

    def spawn(coroutine):
        tasks.append(asyncio.ensure_future(coroutine))
        return tasks[-1]

    hearing = Hearing(engines, spawn, reported.append)
    await hearing.append_pcm(np.arange(16_000, dtype=np.int16))
    hearing.judge(effect)
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks)
    return [report for report in reported if isinstance(report, TurnJudged)]


async def test_the_model_hears_the_turn_and_its_judgement_names_the_pause(engines: Engines, model: FakeTurnModel):
    assert await judged(engines, JudgeTurn("item", from_ms=320, pause=3)) == [TurnJudged("item", 3, 0.75)]
    assert model.heard[0][0] == 320 * 16


async def test_a_judgement_that_could_not_start_in_time_is_dropped(
    engines: Engines, model: FakeTurnModel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("streamsrv.session.hearing.JUDGEMENT_DEADLINE_S", 0.0)
    started, release = threading.Event(), threading.Event()

    def occupy() -> None:
        started.set()
        release.wait(10)

    busy = asyncio.ensure_future(engines.scheduler.run(Priority.FINAL, occupy))
    try:
        await asyncio.to_thread(started.wait, 10)
        assert await judged(engines, JudgeTurn("item", from_ms=0, pause=1)) == []
    finally:
        release.set()
        await busy
    assert model.heard == []
