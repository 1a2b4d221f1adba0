"""Runs the timers that a session's core sets."""

import asyncio
from collections.abc import Callable

from streamsrv.core.effects import ClearTimer, SetTimer
from streamsrv.core.inputs import Input, TimerFired
from streamsrv.core.timers import TimerKey


class Timers:
    """Reports `TimerFired` when a timer of the core is due."""

    def __init__(self, report: Callable[[Input], None]) -> None:
        self._report = report
        self._running: dict[TimerKey, asyncio.TimerHandle] = {}

    def set(self, effect: SetTimer) -> None:
        self._cancel(effect.key)
        delay_s = effect.delay_ms / 1000
        self._running[effect.key] = asyncio.get_running_loop().call_later(delay_s, self._fire, effect.key)

    def clear(self, effect: ClearTimer) -> None:
        self._cancel(effect.key)

    def close(self) -> None:
        """Cancel all timers."""
        for key in list(self._running):
            self._cancel(key)

    def _cancel(self, key: TimerKey) -> None:
        if (timer := self._running.pop(key, None)) is not None:
            timer.cancel()

    def _fire(self, key: TimerKey) -> None:
        del self._running[key]
        self._report(TimerFired(key))
