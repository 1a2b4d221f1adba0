"""Clocks for fakes: real time, or time that the test advances."""

import asyncio
import heapq
import itertools
from typing import Protocol

LOOP_TURNS = 20
"""Turns of the event loop that a woken task gets to reach its next sleep: more than any chain of tasks needs."""


class Clock(Protocol):
    """The clock that a fake sleeps on."""

    async def sleep(self, delay_ms: float) -> None: ...


class WallClock:
    """Real time."""

    async def sleep(self, delay_ms: float) -> None:
        await asyncio.sleep(delay_ms / 1000)


class ManualClock:
    """A clock that only `advance` moves."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    async def sleep(self, delay_ms: float) -> None:
        if delay_ms <= 0:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_ms + delay_ms, next(self._order), woken))
        await woken

    async def advance(self, duration_ms: float) -> None:
        """Advance the time; tasks wake in the order of their times, and may sleep again within `duration_ms`."""
        until_ms = self.now_ms + duration_ms
        await _run_others()
        while self._sleepers and self._sleepers[0][0] <= until_ms:
            self.now_ms, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():  # it is done if the sleeping task was cancelled
                woken.set_result(None)
            await _run_others()
        self.now_ms = until_ms


async def _run_others() -> None:
    for _ in range(LOOP_TURNS):
        await asyncio.sleep(0)
