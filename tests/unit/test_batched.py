"""The windows of all streams decoded in one call. A fake model notes which windows each call was given."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from streamsrv.engines.asr.base import Abilities, RecognitionOptions
from streamsrv.engines.asr.windows.batched import BatchedDecoder
from streamsrv.engines.asr.windows.incremental import Decode, Hypothesis
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler

BAD = -1


class FakeBatchModel:
    """Hears the number in each window. A call begins with `entered` and ends when `gate` opens."""

    max_window_ms = 30_000
    abilities = Abilities()

    def __init__(self, max_batch: int) -> None:
        self.max_batch = max_batch
        self.calls: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def decode(self, windows: Sequence[Decode]) -> list[Hypothesis]:
        numbers = [int(window.samples[0]) for window in windows]
        self.calls.append(numbers)
        self.entered.release()
        self.gate.wait()
        if BAD in numbers:
            raise Unavailable("a bad window")
        return [
            Hypothesis(f"{number} {window.options.language}") for number, window in zip(numbers, windows, strict=True)
        ]


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(2)
    yield scheduler
    scheduler.close()


def window(number: int, priority: Priority = Priority.PARTIAL, language: str = "en") -> Decode:
    return Decode(np.full(1600, number, np.int16), RecognitionOptions(language=language), priority)


async def entered(model: FakeBatchModel) -> None:
    async with asyncio.timeout(30):
        await asyncio.to_thread(model.entered.acquire)


async def test_windows_that_come_while_a_call_runs_are_decoded_together_in_the_next(scheduler):
    model = FakeBatchModel(max_batch=8)
    decoder = BatchedDecoder(model, scheduler, gather_ms=0)
    model.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(decoder.decode(window(1)))
        await entered(model)
        others = [tasks.create_task(decoder.decode(window(number, language="de"))) for number in (2, 3, 4)]
        await asyncio.sleep(0)
        model.gate.set()
    assert model.calls == [[1], [2, 3, 4]]
    assert [task.result().text for task in (first, *others)] == ["1 en", "2 de", "3 de", "4 de"]


async def test_final_windows_go_first_and_a_call_takes_no_more_than_its_limit(scheduler):
    model = FakeBatchModel(max_batch=2)
    decoder = BatchedDecoder(model, scheduler, gather_ms=0)
    model.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(decoder.decode(window(1)))
        await entered(model)
        for number, priority in (
            (2, Priority.PARTIAL),
            (3, Priority.FINAL),
            (4, Priority.PARTIAL),
            (5, Priority.FINAL),
        ):
            tasks.create_task(decoder.decode(window(number, priority)))
        await asyncio.sleep(0)
        model.gate.set()
    assert model.calls == [[1], [3, 5], [2, 4]]


async def test_a_bad_window_fails_alone(scheduler):
    decoder = BatchedDecoder(FakeBatchModel(max_batch=8), scheduler)
    results = await asyncio.gather(*(decoder.decode(window(n)) for n in (1, BAD, 3)), return_exceptions=True)
    assert [getattr(result, "text", None) for result in results] == ["1 en", None, "3 en"]
    assert isinstance(results[1], Unavailable)


async def test_a_window_that_is_no_longer_wanted_is_left_out(scheduler):
    model = FakeBatchModel(max_batch=8)
    decoder = BatchedDecoder(model, scheduler, gather_ms=0)
    model.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(decoder.decode(window(1)))
        await entered(model)
        kept, dropped = (tasks.create_task(decoder.decode(window(number))) for number in (2, 3))
        await asyncio.sleep(0)
        dropped.cancel()
        await asyncio.sleep(0)
        model.gate.set()
    assert model.calls == [[1], [2]]
    assert kept.result().text == "2 en"


async def test_a_window_cancelled_in_the_call_does_not_disturb_the_others(scheduler):
    model = FakeBatchModel(max_batch=8)
    decoder = BatchedDecoder(model, scheduler)
    model.gate.clear()
    windows = [window(1), window(2)]
    async with asyncio.TaskGroup() as tasks:
        kept, dropped = (tasks.create_task(decoder.decode(each)) for each in windows)
        await entered(model)
        assert all(each.started for each in windows)
        dropped.cancel()
        await asyncio.sleep(0)
        model.gate.set()
    assert kept.result().text == "1 en"


async def test_without_batches_windows_are_decoded_side_by_side(scheduler):
    model = FakeBatchModel(max_batch=1)
    decoder = BatchedDecoder(model, scheduler)
    model.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        for number in (1, 2):
            tasks.create_task(decoder.decode(window(number)))
        await entered(model)
        await entered(model)  # the second has begun before the first has ended
        model.gate.set()
    assert sorted(model.calls) == [[1], [2]]
