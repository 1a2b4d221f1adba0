"""Runs blocking model calls on worker threads: by priority, bounded, and dropped when no longer wanted."""

import asyncio
import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol, TypeVar

from streamsrv.errors import Overloaded
from streamsrv.inference.batching import Batch, BatchLimits, raisable

Result = TypeVar("Result")
Item = TypeVar("Item")


class Priority(IntEnum):
    """Order in which waiting work starts; a smaller value goes first."""

    VOICE_ACTIVITY = 0
    FINAL = 1
    FIRST_AUDIO = 2
    SPEECH = 3
    PARTIAL = 4


class DeadlineExceeded(Overloaded):
    """A job did not start before its deadline."""


@dataclass(order=True, slots=True)
class _Job:
    priority: Priority
    order: int
    call: Callable[[], Any] = field(compare=False)
    loop: asyncio.AbstractEventLoop = field(compare=False)
    result: "asyncio.Future[Any]" = field(compare=False)
    queued_s: float = field(compare=False)
    waited_s: float = field(default=0.0, compare=False)


class SchedulerObserver(Protocol):
    """Is told when jobs start and when they are dropped."""

    def job_started(self, priority: Priority, waited_s: float) -> None: ...

    def job_shed(self, priority: Priority) -> None:
        """A job was dropped before it started: evicted, past its deadline, or cancelled."""
        ...


class Scheduler:
    """A fixed set of worker threads over one bounded priority queue.

    Up to `queue_limit` jobs may wait. One more evicts the newest job of the lowest priority, which fails with
    `Overloaded`; if no job has a lower priority, the new job fails with `Overloaded`. A job whose awaiting task is
    cancelled before it starts is never run; a job that has started runs to its end, and its result is dropped.
    """

    def __init__(
        self,
        threads: int,
        *,
        queue_limit: int = 256,
        name: str = "inference",
    ) -> None:
        self._jobs: list[_Job] = []
        self._batches: dict[Hashable, Batch[Any, Any]] = {}
        self.queue_limit = queue_limit
        self._observer: SchedulerObserver | None = None
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def observe(self, observer: SchedulerObserver) -> None:
        """Report jobs to `observer` from now on, on any thread."""
        self._observer = observer

    @property
    def queue_age_s(self) -> float:
        """Seconds that the oldest waiting job has waited; 0 if no job waits."""
        with self._changed:
            return time.monotonic() - min(job.queued_s for job in self._jobs) if self._jobs else 0.0

    async def run(
        self,
        priority: Priority,
        call: Callable[[], Result],
        *,
        deadline_s: float | None = None,
    ) -> Result:
        """Run `call()` on a worker thread and return its result or raise its exception.

        Raises `DeadlineExceeded` if it has not started after `deadline_s`.
        """
        job = self._queue(priority, call)
        if deadline_s is None:
            return await job.result
        expiry = job.loop.call_later(deadline_s, self._expire, job, deadline_s)
        try:
            return await job.result
        finally:
            expiry.cancel()

    async def run_together(
        self,
        priority: Priority,
        compute: Callable[[list[Item]], Sequence[Result]],
        item: Item,
        limits: BatchLimits | None = None,
        urgency: Callable[[Item], int] = lambda _: 0,
    ) -> Result:
        """Run `compute` on a worker thread with `item` and other waiting items, as `Batch` does.

        Always use the same priority, limits and urgency for one function.
        """
        key = (compute, asyncio.get_running_loop())
        if key not in self._batches:
            self._batches[key] = Batch(compute, lambda call: self._queue(priority, call).result, limits, urgency)
        return await self._batches[key].add(item)

    async def iterate(self, first: Priority, rest: Priority, items: Iterator[Item]) -> AsyncGenerator[Item, None]:
        """Iterate a blocking iterator on worker threads: its first item at priority `first`, the others at `rest`."""
        end = object()
        priority = first
        while True:
            item = await self.run(priority, lambda: next(items, end))
            if item is end:
                return
            yield item  # type: ignore[misc]
            priority = rest

    def close(self) -> None:
        """Stop the threads after their current jobs; waiting jobs fail with `Overloaded`."""
        with self._changed:
            self._closed = True
            waiting, self._jobs = self._jobs, []
            self._changed.notify_all()
        for job in waiting:
            _on_loop(job, _fail, job, Overloaded("The server is shutting down."))
        for thread in self._threads:
            thread.join(timeout=10)

    def _queue(self, priority: Priority, call: Callable[[], Any]) -> _Job:
        loop = asyncio.get_running_loop()
        job = _Job(priority, next(self._order), call, loop, loop.create_future(), time.monotonic())
        with self._changed:
            if self._closed:
                raise Overloaded("The server is shutting down.")
            evicted = self._make_room(job)
            heapq.heappush(self._jobs, job)
            self._changed.notify()
        if evicted is not None:
            self._shed(evicted)
            _on_loop(evicted, _fail, evicted, self._full())
        return job

    def _make_room(self, job: _Job) -> _Job | None:
        """Make room for `job`; return the job that was evicted, if any. The caller holds the lock."""
        if len(self._jobs) >= self.queue_limit:
            self._withdraw(lambda other: other.result.cancelled())
        if len(self._jobs) < self.queue_limit:
            return None
        last = max(self._jobs, default=job)
        if last.priority <= job.priority:
            raise self._full()
        self._withdraw(lambda other: other is last)
        return last

    def _full(self) -> Overloaded:
        return Overloaded(f"The inference queue is full ({self.queue_limit} jobs).")

    def _withdraw(self, unwanted: Callable[[_Job], bool]) -> bool:
        """Remove unwanted jobs from the queue; return whether there were any. The caller holds the lock."""
        kept = [job for job in self._jobs if not unwanted(job)]
        found = len(kept) < len(self._jobs)
        if found:
            heapq.heapify(kept)
            self._jobs = kept
        return found

    def _expire(self, job: _Job, deadline_s: float) -> None:
        with self._changed:
            is_waiting = self._withdraw(lambda other: other is job)
        if is_waiting:
            self._shed(job)
            _fail(job, DeadlineExceeded(f"The server is too busy: a request waited for {deadline_s} s."))

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                value, error = job.call(), None
            except BaseException as exception:
                value, error = None, raisable(exception)
            _on_loop(job, self._settle, job, value, error)

    def _next(self) -> _Job | None:
        """Wait for a job; return None once the scheduler is closed."""
        with self._changed:
            while not self._closed:
                if not self._jobs:
                    self._changed.wait()
                    continue
                job = heapq.heappop(self._jobs)
                if job.result.cancelled():
                    self._shed(job)
                else:
                    job.waited_s = time.monotonic() - job.queued_s
                    return job
        return None

    def _shed(self, job: _Job) -> None:
        if self._observer is not None:
            self._observer.job_shed(job.priority)

    def _settle(self, job: _Job, value: Any, error: Exception | None) -> None:
        if self._observer is not None:
            self._observer.job_started(job.priority, job.waited_s)
        if error is not None:
            _fail(job, error)
        elif not job.result.done():
            job.result.set_result(value)


def _fail(job: _Job, error: Exception) -> None:
    if not job.result.done():
        job.result.set_exception(error)


def _on_loop(job: _Job, action: Callable[..., None], *arguments: Any) -> None:
    """Call `action` where the job's result is awaited."""
    with contextlib.suppress(RuntimeError):  # the loop was closed while the job ran, so no task waits
        job.loop.call_soon_threadsafe(action, *arguments)
