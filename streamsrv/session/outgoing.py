"""What waits to be sent to the client: bounded, because a client may stop reading."""

import asyncio
from collections import deque

MAX_BYTES = 8 * 1024 * 1024
"""Bytes that may wait for a client: about two minutes of audio."""


class OutgoingQueue:
    """Frames in order. When more than `max_bytes` wait, the queue is `full` and takes no more: end the session."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._frames: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._ended = False

    def put(self, frame: bytes) -> bool:
        """Queue a frame; False when there is no room."""
        if self._waiting_bytes + len(frame) > self._max_bytes:
            return False
        self._frames.append(frame)
        self._waiting_bytes += len(frame)
        self._changed.set()
        return True

    def end(self) -> None:
        """Nothing more will be put."""
        self._ended = True
        self._changed.set()

    async def get(self) -> bytes | None:
        """The next frame, or None when the queue has ended and all of it was taken."""
        while not self._frames:
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        frame = self._frames.popleft()
        self._waiting_bytes -= len(frame)
        return frame
