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
from typing import Any, TypeVar

from streamsrv.errors import Overloaded

Result = TypeVar("Result")
Item = TypeVar("Item")

GATHER_S = 0.004
"""Shortest time between two calls of `run_together`: what comes meanwhile shares the second one."""
MAX_TOGETHER = 32
"""Items in one call of `run_together`: more gain nothing, and each waits for all."""


class Priority(IntEnum):
    """Order in which waiting work starts; a smaller value goes first."""

    VOICE_ACTIVITY = 0
    FINAL = 1
    FIRST_AUDIO = 2
    SPEECH = 3
    PARTIAL = 4


class Late(Overloaded):
    """A job did not start before its deadline."""


class Superseded(Overloaded):
    """A newer job took the place of one that had not started."""


@dataclass(slots=True)
class _Gathering:
    """What waits to be computed together, each with where its result goes."""

    items: list[tuple[Any, "asyncio.Future[Any]"]] = field(default_factory=list[Any])
    submitted_s: float = 0.0


@dataclass(order=True, slots=True)
class _Job:
    priority: Priority
    order: int
    call: Callable[[], Any] = field(compare=False)
    key: Hashable = field(compare=False)
    loop: asyncio.AbstractEventLoop = field(compare=False)
    result: "asyncio.Future[Any]" = field(compare=False)
    queued_s: float = field(compare=False)
    started_s: float = field(default=0.0, compare=False)


class Scheduler:
    """A fixed set of worker threads over one bounded priority queue.

    `queue_limit` jobs may wait; one more raises `Overloaded`. A job whose awaiting task was cancelled before it
    started is never run; one that has started runs to its end and its result is dropped. `on_start(priority, seconds)`
    is told, on the event loop, how long each job that was run had waited.
    """

    def __init__(
        self,
        threads: int,
        *,
        queue_limit: int = 256,
        name: str = "inference",
        on_start: Callable[[Priority, float], None] | None = None,
    ) -> None:
        self._jobs: list[_Job] = []
        self._queue_limit = queue_limit
        self._on_start = on_start
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def queue_age_s(self) -> float:
        """How long the oldest waiting job has been waiting; 0 when none is."""
        with self._changed:
            return time.monotonic() - min(job.queued_s for job in self._jobs) if self._jobs else 0.0

    async def run(
        self,
        priority: Priority,
        call: Callable[[], Result],
        *,
        deadline_s: float | None = None,
        key: Hashable = None,
    ) -> Result:
        """Run `call()` on a worker thread and return its result or raise its exception.

        Raises `Late` if it has not started after `deadline_s`, and `Superseded` if another job with the same `key`
        (None: no key) is queued before it has started.
        """
        job = self._queue(priority, call, key)
        if deadline_s is None:
            return await job.result
        expiry = job.loop.call_later(deadline_s, self._expire, job, deadline_s)
        try:
            return await job.result
        finally:
            expiry.cancel()

    async def run_together(
        self, priority: Priority, compute: Callable[[list[Item]], Sequence[Result]], item: Item
    ) -> Result:
        """Run `compute` on a worker thread with `item` and others that are waiting for it, up to `MAX_TOGETHER`.

        It returns a result for each item, in order; an exception is raised for all of them. An item waits at most
        `GATHER_S` for others, and not at all if there was no call for as long.
        """
        loop = asyncio.get_running_loop()
        gathering = self._gatherings.setdefault(compute, _Gathering())
        if not gathering.items:
            loop.call_at(max(loop.time(), gathering.submitted_s + GATHER_S), self._submit, priority, compute, gathering)
        result: asyncio.Future[Result] = loop.create_future()
        gathering.items.append((item, result))
        return await result

    async def iterate(self, first: Priority, rest: Priority, items: Iterator[Item]) -> AsyncGenerator[Item, None]:
        """Step a blocking iterator on worker threads: its first item at priority `first`, the others at `rest`."""
        end = object()
        priority = first
        while True:
            item = await self.run(priority, lambda: next(items, end))
            if item is end:
                return
            yield item  # type: ignore[misc]
            priority = rest

    def close(self) -> None:
        """Stop the threads after the jobs now running; waiting jobs fail with `Overloaded`."""
        with self._changed:
            self._closed = True
            waiting, self._jobs = self._jobs, []
            self._changed.notify_all()
        for job in waiting:
            _on_loop(job, _fail, job, Overloaded("The server is shutting down."))
        for thread in self._threads:
            thread.join(timeout=10)

    def _submit(self, priority: Priority, compute: Callable[[list[Any]], Sequence[Any]], gathering: _Gathering) -> None:
        gathered, gathering.items = gathering.items, []
    def _queue(
        self,
        priority: Priority,
        compute: Callable[[list[Any]], Sequence[Any]],
        item: Any = None,
        key: Hashable = None,
    ) -> _Job:
        loop = asyncio.get_running_loop()
        job = _Job(priority, next(self._order), compute, item, key, loop, loop.create_future(), time.monotonic())
        with self._changed:
            if self._closed:
                raise Overloaded("The server is shutting down.")
            older = [] if key is None else self._withdraw(lambda other: other.key == key)
            if len(self._jobs) >= self._queue_limit:
                self._withdraw(lambda other: other.result.cancelled())
            if len(self._jobs) >= self._queue_limit:
                raise Overloaded(f"The inference queue is full ({self._queue_limit} jobs).")
            heapq.heappush(self._jobs, job)
            self._changed.notify()
        for other in older:
            _on_loop(other, _fail, other, Superseded("A newer request took the place of this one."))
        return job

    def _withdraw(self, unwanted: Callable[[_Job], bool]) -> list[_Job]:
        """Take waiting jobs out of the queue; the lock is held."""
        found: list[_Job] = []
        kept: list[_Job] = []
        for job in self._jobs:
            (found if unwanted(job) else kept).append(job)
        if found:
            heapq.heapify(kept)
            self._jobs = kept
        return found

    def _expire(self, job: _Job, deadline_s: float) -> None:
        with self._changed:
            is_waiting = bool(self._withdraw(lambda other: other is job))
        if is_waiting:
            _fail(job, Late(f"The server is too busy: a request has waited for {deadline_s} s."))

    def _work(self) -> None:
        while jobs := self._next():
            try:
                results, error = jobs[0].compute([job.item for job in jobs]), None
            except Exception as exception:
                results, error = (), exception
            _on_loop(jobs[0], self._settle, jobs, results, error)

    def _next(self) -> list[_Job]:
        """Wait for the jobs that one call is to compute; none when the scheduler is closed."""
        with self._changed:
            while not self._closed:
                if not self._jobs:
                    self._changed.wait()
                    continue
                job = heapq.heappop(self._jobs)
                if job.result.cancelled():
                    continue
                jobs = [job, *self._joining(job)]
                started_s = time.monotonic()
                for each in jobs:
                    each.started_s = started_s
                return jobs
        return []

    def _joining(self, job: _Job) -> list[_Job]:
        room = itertools.count(MAX_TOGETHER - 1, -1)
        return self._withdraw(lambda other: other.compute == job.compute and other.loop is job.loop and next(room) > 0)

    def _settle(self, jobs: list[_Job], results: Sequence[Any], error: Exception | None) -> None:
        for number, job in enumerate(jobs):
            if self._on_start is not None:
                self._on_start(job.priority, job.started_s - job.queued_s)
            if error is not None:
                _fail(job, error)
            elif not job.result.done():
                job.result.set_result(results[number])


def _fail(job: _Job, error: Exception) -> None:
    if not job.result.done():
        job.result.set_exception(error)


def _on_loop(job: _Job, action: Callable[..., None], *arguments: Any) -> None:
    """Call `action` where the job's result is awaited."""
    with contextlib.suppress(RuntimeError):  # the loop was closed while the job ran: nobody waits any more
        job.loop.call_soon_threadsafe(action, *arguments)
