"""Schedulers for `streamsrv.testing.virtual_loop`: audio comes at its own pace, and a call takes its CPU time.

So a run is as fast as the machine, and what else runs there hardly changes its figures.
"""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from streamsrv.inference.scheduler import Priority, Scheduler

Result = TypeVar("Result")


class VirtualScheduler(Scheduler):
    """Runs each call at once and advances the virtual clock by its CPU time, as if on one of `threads` free cores."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads=0)
        self.cpu_s = 0.0
        self._free = threads
        self._waiting: list[tuple[Priority, int, float, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def queue_age_s(self) -> float:
        since = [since for _, _, since, turn in self._waiting if not turn.done()]
        return asyncio.get_running_loop().time() - min(since) if since else 0.0

    async def run(
        self,
        priority: Priority,
        call: Callable[[], Result],
        *,
        deadline_s: float | None = None,
        key: Hashable = None,
    ) -> Result:
        if not self._free:
            loop = asyncio.get_running_loop()
            turn: asyncio.Future[None] = loop.create_future()
            heapq.heappush(self._waiting, (priority, next(self._order), loop.time(), turn))
            await turn
        self._free -= 1
        running = asyncio.ensure_future(self._work(call))
        self._running.add(running)
        return await asyncio.shield(running)

    async def _work(self, call: Callable[[], Result]) -> Result:
        started = time.process_time()
        result = call()
        took_s = time.process_time() - started
        self.cpu_s += took_s
        await asyncio.sleep(took_s)
        self._running.discard(asyncio.current_task())  # type: ignore[arg-type]
        self._free += 1
        while self._waiting:
            _, _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                break
        return result


class MeasuredScheduler(Scheduler):
    """Runs each call at once in the event loop's thread; counts calls and their CPU seconds."""

    def __init__(self) -> None:
        super().__init__(threads=0)
        self.calls = 0
        self.cpu_s = 0.0
        self.last_s = 0.0

    async def run(self, priority: Priority, call: Callable[[], Result]) -> Result:
        del priority
        self.calls += 1
        started = time.thread_time()
        try:
            return call()
        finally:
            self.last_s = time.thread_time() - started
            self.cpu_s += self.last_s
