"""Runs a coroutine in virtual time: the event loop never sleeps, its clock jumps to the next timer instead."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Deadlocked(Exception):
    """Every task waits, and no timer will wake one."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock only moves when all tasks wait. Do not wait for threads or sockets in it."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now_s

    def jump(self, duration_s: float) -> None:
        """Advance the clock."""
        self._now_s += duration_s


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise Deadlocked
        if not ready and timeout is not None:
            self._loop.jump(timeout)
        return ready


def run_in_virtual_time(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` to its end, and return its result. Raises `Deadlocked` if it waits for ever."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
