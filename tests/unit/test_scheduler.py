"""Worker threads behind a priority queue."""

import asyncio
import threading

import pytest

from streamsrv.errors import Overloaded
from streamsrv.inference.scheduler import Priority, Scheduler


@pytest.fixture
def scheduler():
    made = Scheduler(1, queue_limit=3)
    yield made
    made.close()


class Gate:
    """Occupies the only worker until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> None:
        self.entered.set()
        assert self.open.wait(10)


async def occupied(scheduler: Scheduler, tasks: asyncio.TaskGroup) -> Gate:
    gate = Gate()
    tasks.create_task(scheduler.run(Priority.PARTIAL, gate))
    await asyncio.to_thread(gate.entered.wait, 10)
    return gate


async def test_a_result_or_an_exception_comes_back(scheduler: Scheduler):
    assert await scheduler.run(Priority.FINAL, lambda: 6 * 7) == 42
    with pytest.raises(ZeroDivisionError):
        await scheduler.run(Priority.FINAL, lambda: 1 // 0)


async def test_what_waits_starts_by_priority_and_then_in_order(scheduler: Scheduler):
    done: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        for priority, name in [(Priority.PARTIAL, "c"), (Priority.FINAL, "a"), (Priority.FINAL, "b")]:
            tasks.create_task(scheduler.run(priority, lambda name=name: done.append(name)))
        await asyncio.sleep(0)  # lets the three tasks queue their jobs
        gate.open.set()
    assert done == ["a", "b", "c"]


async def test_one_job_too_many_is_refused(scheduler: Scheduler):
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        for _ in range(3):
            tasks.create_task(scheduler.run(Priority.PARTIAL, lambda: None))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="3 jobs"):
            await scheduler.run(Priority.FINAL, lambda: None)
        gate.open.set()


async def test_a_cancelled_job_that_waits_is_never_run(scheduler: Scheduler):
    ran: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        waiting = tasks.create_task(scheduler.run(Priority.PARTIAL, lambda: ran.append("cancelled")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        gate.open.set()
        await scheduler.run(Priority.PARTIAL, lambda: ran.append("kept"))
    assert ran == ["kept"]


async def test_cancelled_jobs_leave_room_for_others(scheduler: Scheduler):
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        waiting = [tasks.create_task(scheduler.run(Priority.PARTIAL, lambda: None)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await asyncio.sleep(0)
        tasks.create_task(scheduler.run(Priority.FINAL, lambda: None))
        await asyncio.sleep(0)
        gate.open.set()


async def test_iterating_runs_each_step_on_a_worker(scheduler: Scheduler):
    def steps():
        for _ in range(3):
            yield threading.current_thread().name

    names = [name async for name in scheduler.iterate(Priority.FIRST_AUDIO, Priority.SPEECH, steps())]
    assert names == ["inference-0"] * 3


async def test_closing_fails_what_waits():
    scheduler = Scheduler(1)
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        waiting = tasks.create_task(_outcome(scheduler.run(Priority.PARTIAL, lambda: None)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(scheduler.close))
        assert isinstance(await waiting, Overloaded)
        gate.open.set()
        await closing
    with pytest.raises(Overloaded):
        await scheduler.run(Priority.FINAL, lambda: None)


async def _outcome(work) -> BaseException | None:
    try:
        await work
    except Overloaded as error:
        return error
    return None
