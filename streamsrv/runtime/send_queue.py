"""What waits to be sent to the client: bounded, because a client may stop reading."""

import asyncio
from collections import deque
from collections.abc import Iterator

MAX_BYTES = 8 * 1024 * 1024
"""Bytes that may wait for a client: nearly three minutes of speech."""


class OutgoingQueue:
    """Frames in order. When more than `max_bytes` would wait, the queue takes no more: end the session."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[bytes | Iterator[bytes], int]] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._ended = False

    def put(self, frame: bytes) -> bool:
        """Queue a frame; False when there is no room."""
        return self._put(frame, len(frame))

    def put_unmade(self, frames: Iterator[bytes], size: int) -> bool:
        """Queue frames that are made when their turn comes, and not at a stretch: that is computation.

        `size`: the bytes that wait until then.
        """
        return self._put(frames, size)

    def _put(self, waiting: bytes | Iterator[bytes], size: int) -> bool:
        if self._waiting_bytes + size > self._max_bytes:
            return False
        self._waiting.append((waiting, size))
        self._waiting_bytes += size
        self._changed.set()
        return True

    def end(self) -> None:
        """Nothing more will be put."""
        self._ended = True
        self._changed.set()

    async def get(self) -> bytes | None:
        """The next frame, or None when the queue has ended and all of it was taken."""
        while True:
            while not self._waiting:
                if self._ended:
                    return None
                self._changed.clear()
                await self._changed.wait()
            waiting, size = self._waiting[0]
            if isinstance(waiting, bytes):
                frame = waiting
            else:
                await asyncio.sleep(0)  # other tasks first
                if (frame := next(waiting, None)) is not None:
                    return frame
            self._waiting.popleft()
            self._waiting_bytes -= size
            if frame is not None:
                return frame
