"""Runs blocking model calls on worker threads: by priority, bounded, and dropped when no longer wanted."""

import asyncio
import contextlib
import heapq
import itertools
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeVar

from streamsrv.errors import Overloaded

Result = TypeVar("Result")
Item = TypeVar("Item")


class Priority(IntEnum):
    """Order in which waiting work starts; a smaller value goes first."""

    VOICE_ACTIVITY = 0
    FINAL = 1
    FIRST_AUDIO = 2
    SPEECH = 3
    PARTIAL = 4


@dataclass(order=True, slots=True)
class _Job:
    priority: Priority
    order: int
    call: Callable[[], Any] = field(compare=False)
    loop: asyncio.AbstractEventLoop = field(compare=False)
    result: "asyncio.Future[Any]" = field(compare=False)


class Scheduler:
    """A fixed set of worker threads over one bounded priority queue.

    `queue_limit` jobs may wait; one more raises `Overloaded`. A job whose awaiting task was cancelled before it
    started is never run; one that has started runs to its end and its result is dropped.
    """

    def __init__(self, threads: int, *, queue_limit: int = 256, name: str = "inference") -> None:
        self._jobs: list[_Job] = []
        self._queue_limit = queue_limit
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, priority: Priority, call: Callable[[], Result]) -> Result:
        """Run `call()` on a worker thread and return its result or raise its exception."""
        loop = asyncio.get_running_loop()
        job = _Job(priority, next(self._order), call, loop, loop.create_future())
        with self._changed:
            if self._closed:
                raise Overloaded("The server is shutting down.")
            if len(self._jobs) >= self._queue_limit:
                self._drop_cancelled()
            if len(self._jobs) >= self._queue_limit:
                raise Overloaded(f"The inference queue is full ({self._queue_limit} jobs).")
            heapq.heappush(self._jobs, job)
            self._changed.notify()
        return await job.result

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
            _settle(job, None, Overloaded("The server is shutting down."))
        for thread in self._threads:
            thread.join(timeout=10)

    def _drop_cancelled(self) -> None:
        self._jobs = [job for job in self._jobs if not job.result.cancelled()]
        heapq.heapify(self._jobs)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._jobs and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                job = heapq.heappop(self._jobs)
            if job.result.cancelled():
                continue
            try:
                value, error = job.call(), None
            except Exception as exception:
                value, error = None, exception
            _settle(job, value, error)


def _settle(job: _Job, value: Any, error: Exception | None) -> None:
    def settle() -> None:
        if job.result.done():
            return
        if error is None:
            job.result.set_result(value)
        else:
            job.result.set_exception(error)

    with contextlib.suppress(RuntimeError):  # the loop was closed while the job ran: nobody waits any more
        job.loop.call_soon_threadsafe(settle)
