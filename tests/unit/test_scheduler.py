"""Worker threads behind a priority queue."""

import asyncio
import threading

import pytest

from streamsrv.engines.startup import voice_activity_scheduler
from streamsrv.errors import Overloaded
from streamsrv.inference.batching import MAX_ITEMS
from streamsrv.inference.scheduler import DeadlineExceeded, Priority, Scheduler
from streamsrv.settings import Settings


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


async def test_one_job_too_many_is_refused_if_none_that_waits_matters_less(scheduler: Scheduler):
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        for _ in range(3):
            tasks.create_task(scheduler.run(Priority.FINAL, lambda: None))
        await asyncio.sleep(0)
        for priority in (Priority.FINAL, Priority.PARTIAL):
            with pytest.raises(Overloaded, match="3 jobs"):
                await scheduler.run(priority, lambda: None)
        gate.open.set()


async def test_a_full_queue_gives_the_place_of_its_least_important_job_to_a_more_important_one(scheduler: Scheduler):
    watching = Watching()
    scheduler.observe(watching)
    ran: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        jobs = [
            tasks.create_task(_outcome(scheduler.run(priority, lambda name=name: ran.append(name))))
            for priority, name in [(Priority.PARTIAL, "old"), (Priority.PARTIAL, "new"), (Priority.SPEECH, "speech")]
        ]
        await asyncio.sleep(0)
        urgent = tasks.create_task(scheduler.run(Priority.VOICE_ACTIVITY, lambda: ran.append("urgent")))
        assert isinstance(await jobs[1], Overloaded)
        gate.open.set()
    assert urgent.exception() is None
    assert ran == ["urgent", "speech", "old"]
    assert watching.shed == [Priority.PARTIAL]


@pytest.mark.parametrize("max_sessions", [1, 2])
async def test_sessions_of_a_small_server_are_heard_beside_as_many_requests_as_there_may_be(max_sessions: int):
    settings = Settings(max_sessions=max_sessions, max_requests=8)
    voice_activity = voice_activity_scheduler(settings)
    heard: list[str] = []
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(voice_activity, tasks)
        for _ in range(settings.max_requests):
            tasks.create_task(voice_activity.run(Priority.PARTIAL, lambda: heard.append("request")))
        for _ in range(2 * max_sessions):
            tasks.create_task(voice_activity.run(Priority.VOICE_ACTIVITY, lambda: heard.append("session")))
        await asyncio.sleep(0)
        gate.open.set()
    voice_activity.close()
    assert heard == ["session"] * 2 * max_sessions + ["request"] * settings.max_requests


class RustPanic(BaseException):
    """As the panic of an extension in Rust: no `Exception`."""


@pytest.mark.parametrize("error", [RustPanic("index out of bounds"), StopIteration(), SystemExit(1)])
async def test_whatever_a_job_raises_comes_back_and_the_thread_goes_on(scheduler: Scheduler, error: BaseException):
    def fail() -> None:
        raise error

    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError, match=type(error).__name__):
            await scheduler.run(Priority.FINAL, fail)
        assert await scheduler.run(Priority.FINAL, lambda: 1) == 1


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
        with pytest.raises(DeadlineExceeded, match=r"0\.001 s"):
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


async def test_a_bad_item_fails_alone(scheduler: Scheduler):
    doubler = Doubler()
    results = await together(scheduler, doubler, [1, -1, 3])
    assert (results[0], results[2]) == (2, 6)
    assert isinstance(results[1], ValueError)
    assert doubler.calls == [[1, -1, 3], [1], [-1], [3]]


async def test_a_call_with_too_few_results_fails_instead_of_leaving_items_waiting(scheduler: Scheduler):
    async with asyncio.timeout(10):
        results = await asyncio.gather(
            *(scheduler.run_together(Priority.FINAL, empty, item) for item in (1, 2)), return_exceptions=True
        )
    assert [type(result) for result in results] == [ValueError, ValueError]


def empty(items: list[int]) -> list[int]:
    """Computes nothing."""
    return []


async def test_a_cancelled_call_does_not_disturb_the_others(scheduler: Scheduler):
    doubler = Doubler()
    async with asyncio.TaskGroup() as tasks:
        jobs = [tasks.create_task(scheduler.run_together(Priority.FINAL, doubler.double, item)) for item in (1, 2, 3)]
        await asyncio.sleep(0)
        jobs[1].cancel()
    assert (jobs[0].result(), jobs[2].result()) == (2, 6)


async def test_a_full_queue_refuses_calls_that_run_together():
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
    async with asyncio.TaskGroup() as tasks:
        gate = await occupied(scheduler, tasks)
        late = tasks.create_task(_outcome(scheduler.run(Priority.SPEECH, lambda: None, deadline_s=0.001)))
        assert isinstance(await late, DeadlineExceeded)
        gate.open.set()
    assert watching.shed == [Priority.SPEECH]
    assert watching.started == [Priority.PARTIAL]
