"""The events of a line that wait for its session, until the line ends."""

from collections import deque

from streamsrv.signals import Signal
from streamsrv.transports.telephony.line import LineClosed, LineEvent

MAX_WAITING = 256
"""Events that may wait; a line that has as many reads nothing."""


class LineEvents:
    """Events in order. One task takes them, one adds those that come from the network."""

    def __init__(self) -> None:
        self._waiting: deque[LineEvent] = deque()
        self._added = Signal()
        self._taken = Signal()
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why the line has ended, as a sentence; None while it goes on."""
        return self._reason

    def add(self, *events: LineEvent) -> None:
        """Add events, whether there is room or not."""
        self._waiting.extend(events)
        self._added.notify()

    def end(self, reason: str) -> None:
        """End the line; what waits can still be taken. Only the first reason counts."""
        if self._reason is None:
            self._reason = reason
            self._added.notify()
            self._taken.notify()

    async def room(self) -> None:
        """Wait until there is room for another event, or the line has ended."""
        await self._taken.wait_until(lambda: len(self._waiting) < MAX_WAITING or self._reason is not None)

    async def take(self) -> LineEvent:
        """Wait for the next event; raises `LineClosed` after the last one."""
        await self._added.wait_until(lambda: bool(self._waiting) or self._reason is not None)
        if not self._waiting:
            raise LineClosed(self._reason)
        event = self._waiting.popleft()
        self._taken.notify()
        return event
