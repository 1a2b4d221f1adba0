"""The messages that wait to be sent to a provider, of which a `clear` drops the audio."""

from collections import deque

from streamsrv.signals import Signal

MAX_WAITING_BYTES = 2 * 1024 * 1024
"""Bytes that may wait for a provider: minutes of audio, so one that reads at all never comes near."""


class OutgoingMessages:
    """Messages in order. One task may wait for them."""

    def __init__(self, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[str | bytes, bool]] = deque()
        self._bytes = 0
        self._has_ended = False
        self._changed = Signal()

    def put(self, message: str | bytes, *, is_playback: bool = False) -> bool:
        """Queue a message; return False if there is no room. `is_playback`: audio or a mark, which `clear` drops."""
        if self._waiting and self._bytes + len(message) > self._max_bytes:
            return False
        self._waiting.append((message, is_playback))
        self._bytes += len(message)
        self._changed.notify()
        return True

    def clear(self) -> None:
        """Drop audio and marks."""
        self._waiting = deque(waiting for waiting in self._waiting if not waiting[1])
        self._bytes = sum(len(message) for message, _ in self._waiting)

    def end(self) -> None:
        """End the queue: `get` returns None after the messages that wait."""
        self._has_ended = True
        self._changed.notify()

    async def get(self) -> str | bytes | None:
        """Wait for the next message; None after the last one."""
        await self._changed.wait_until(lambda: bool(self._waiting) or self._has_ended)
        if not self._waiting:
            return None
        message, _ = self._waiting.popleft()
        self._bytes -= len(message)
        return message
