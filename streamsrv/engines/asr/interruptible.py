"""A wait for a decode that newer audio may end."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class InterruptibleWait:
    """Lets one task await one thing at a time, and others end that wait without cancelling the task."""

    def __init__(self) -> None:
        self._scope: asyncio.Timeout | None = None

    async def result_of(self, decode: Awaitable[T]) -> T | None:
        """Return what `decode` gives, or None once it was cancelled by `interrupt`. Raises what `decode` raises."""
        scope = self._scope = asyncio.timeout(None)
        try:
            async with scope:
                return await decode
        except TimeoutError:
            if not scope.expired():  # it is the decode's own
                raise
            return None
        finally:
            self._scope = None

    def interrupt(self) -> None:
        """End the wait, if there is one; harmless when it has been told so already."""
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(0)
