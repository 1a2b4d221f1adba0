"""How a task learns that what it waits for has come true."""

import asyncio
from collections.abc import Callable


class Signal:
    """Wakes the tasks that wait for conditions which other code changes."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """What `wait_until` waits for may have come true."""
        self._changed.set()

    async def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Return at once if `is_true()`, else after the first `notify` that finds it true."""
        while not is_true():
            self._changed.clear()
            await self._changed.wait()
