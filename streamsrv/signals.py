"""Wakes tasks that wait for a condition."""

import asyncio
from collections.abc import Callable


class Signal:
    """Lets tasks wait for conditions that other code changes."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Make the waiting tasks check their conditions again."""
        self._changed.set()

    async def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Return at once if `is_true()`, else at the first `notify` at which it is."""
        while not is_true():
            self._changed.clear()
            await self._changed.wait()
