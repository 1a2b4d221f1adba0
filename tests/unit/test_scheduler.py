"""Worker threads behind a priority queue."""

import asyncio
import threading

import pytest

from streamsrv.errors import Overloaded
from streamsrv.inference.batching import MAX_ITEMS
from streamsrv.inference.scheduler import Late, Priority, Scheduler, Superseded


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


async def test_a_job_that_does_not_start_in_time_is_dropped(scheduler: Scheduler):
    ran: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        with pytest.raises(Late, match=r"0\.001 s"):
            await scheduler.run(Priority.FINAL, lambda: ran.append("late"), deadline_s=0.001)
        gate.open.set()
        await scheduler.run(Priority.PARTIAL, lambda: ran.append("in time"), deadline_s=10)
    assert ran == ["in time"]


async def test_a_deadline_is_for_the_start_only(scheduler: Scheduler):
    gate = Gate()
    async with asyncio.TaskGroup() as tasks:
        job = tasks.create_task(scheduler.run(Priority.FINAL, gate, deadline_s=0.001))
        await asyncio.to_thread(gate.entered.wait, 10)
        await asyncio.wait([job], timeout=0.01)
        gate.open.set()


async def test_a_newer_job_replaces_one_of_the_same_key_that_waits(scheduler: Scheduler):
    ran: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        jobs = [
            tasks.create_task(_outcome(scheduler.run(Priority.PARTIAL, lambda name=name: ran.append(name), key=key)))
            for name, key in [("old", "a"), ("other", "b"), ("new", "a"), ("none", None)]
        ]
        await asyncio.sleep(0)
        assert isinstance(await jobs[0], Superseded)
        gate.open.set()
    assert ran == ["other", "new", "none"]


async def test_a_newer_job_takes_the_place_even_in_a_full_queue(scheduler: Scheduler):
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        for key in ("a", "b", "c"):
            tasks.create_task(_outcome(scheduler.run(Priority.PARTIAL, lambda: None, key=key)))
        await asyncio.sleep(0)
        newest = tasks.create_task(scheduler.run(Priority.PARTIAL, lambda: "newest", key="b"))
        await asyncio.sleep(0)
        gate.open.set()
    assert newest.result() == "newest"


async def test_a_job_that_runs_is_not_replaced(scheduler: Scheduler):
    gate = Gate()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(_outcome(scheduler.run(Priority.PARTIAL, gate, key="a")))
        await asyncio.to_thread(gate.entered.wait, 10)
        tasks.create_task(scheduler.run(Priority.PARTIAL, lambda: None, key="a"))
        await asyncio.sleep(0)
        gate.open.set()
    assert running.result() is None


class Watching:
    """A `SchedulerObserver` that keeps what it is told."""

    def __init__(self) -> None:
        self.started: list[Priority] = []
        self.waits_s: list[float] = []
        self.shed: list[Priority] = []

    def job_started(self, priority: Priority, waited_s: float) -> None:
        self.started.append(priority)
        self.waits_s.append(waited_s)

    def job_shed(self, priority: Priority) -> None:
        self.shed.append(priority)


async def test_waits_are_measured():
    watching = Watching()
    scheduler = Scheduler(1)
    scheduler.observe(watching)
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        assert scheduler.queue_age_s == 0
        tasks.create_task(scheduler.run(Priority.FINAL, lambda: None))
        await asyncio.sleep(0)
        assert scheduler.queue_age_s > 0
        gate.open.set()
    scheduler.close()
    assert watching.started == [Priority.PARTIAL, Priority.FINAL]
    assert all(wait_s >= 0 for wait_s in watching.waits_s)


class Doubler:
    """Computes items together; `calls` keeps what each call was given."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def double(self, items: list[int]) -> list[int]:
        self.calls.append(items)
        if -1 in items:
            raise ValueError("no negative items")
        return [2 * item for item in items]


async def together(scheduler: Scheduler, doubler: Doubler, items: list[int]) -> list[int | BaseException]:
    jobs = [scheduler.run_together(Priority.VOICE_ACTIVITY, doubler.double, item) for item in items]
    return await asyncio.gather(*jobs, return_exceptions=True)


async def test_what_comes_at_once_is_computed_in_one_call(scheduler: Scheduler):
    doubler = Doubler()
    assert await together(scheduler, doubler, [1, 2, 3]) == [2, 4, 6]
    assert await together(scheduler, doubler, [4]) == [8]
    assert doubler.calls == [[1, 2, 3], [4]]


async def test_a_call_has_a_bounded_number_of_items(scheduler: Scheduler):
    doubler, items = Doubler(), list(range(2 * MAX_ITEMS + 1))
    assert await together(scheduler, doubler, items) == [2 * item for item in items]
    assert [len(call) for call in doubler.calls] == [MAX_ITEMS, MAX_ITEMS, 1]


async def test_different_functions_are_not_mixed(scheduler: Scheduler):
    one, other = Doubler(), Doubler()
    await asyncio.gather(together(scheduler, one, [1]), together(scheduler, other, [2]))
    assert (one.calls, other.calls) == ([[1]], [[2]])


async def test_an_exception_is_raised_for_every_item_of_its_call(scheduler: Scheduler):
    doubler = Doubler()
    assert [type(result) for result in await together(scheduler, doubler, [1, -1])] == [ValueError, ValueError]
    assert await together(scheduler, doubler, [1]) == [2]


async def test_who_no_longer_waits_does_not_disturb_the_others(scheduler: Scheduler):
    doubler = Doubler()
    async with asyncio.TaskGroup() as tasks:
        jobs = [tasks.create_task(scheduler.run_together(Priority.FINAL, doubler.double, item)) for item in (1, 2, 3)]
        await asyncio.sleep(0)
        jobs[1].cancel()
    assert (jobs[0].result(), jobs[2].result()) == (2, 6)


async def test_a_full_queue_refuses_what_was_gathered():
    scheduler = Scheduler(1, queue_limit=0)
    results = await together(scheduler, Doubler(), [1, 2])
    scheduler.close()
    assert [type(result) for result in results] == [Overloaded, Overloaded]


async def _outcome(work) -> BaseException | None:
    try:
        await work
    except Overloaded as error:
        return error
    return None


async def test_an_observer_learns_which_jobs_ran_and_which_were_shed(scheduler: Scheduler):
    watching = Watching()
    scheduler.observe(watching)
    release = threading.Event()
    busy = asyncio.ensure_future(scheduler.run(Priority.FINAL, release.wait))
    await asyncio.sleep(0)
    older = asyncio.ensure_future(scheduler.run(Priority.PARTIAL, lambda: 1, key="k"))
    await asyncio.sleep(0)
    newer = asyncio.ensure_future(scheduler.run(Priority.PARTIAL, lambda: 2, key="k"))
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(busy, older, newer, return_exceptions=True)
    assert watching.shed == [Priority.PARTIAL]
    assert watching.started == [Priority.FINAL, Priority.PARTIAL]
