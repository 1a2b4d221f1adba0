"""What waits to be sent to the client: bounded, because a client may stop reading."""

import asyncio
from collections import deque
from collections.abc import Iterator
from functools import partial

from streamsrv.signals import Signal

MAX_BYTES = 8 * 1024 * 1024
"""Bytes that may wait for a client: nearly three minutes of speech."""


class SendQueue:
    """Frames in order. When more than `max_bytes` would wait, the queue takes no more: end the session.

    An empty queue takes anything: a client that has read all it was sent is not to blame for the size of the next.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[bytes | Iterator[bytes], int]] = deque()
        self._waiting_bytes = 0
        self._ended = False
        self._put_signal = Signal()
        self._taken_signal = Signal()
        self.put_bytes = 0
        """Bytes that were ever put."""
        self.taken_frames = 0
        """Frames that were ever taken."""

    def put(self, frame: bytes) -> bool:
        """Queue a frame; False when there is no room."""
        return self._put(frame, len(frame))

    def put_unmade(self, frames: Iterator[bytes], size: int) -> bool:
        """Queue frames that are made when their turn comes, and not at a stretch: that is computation.

        `size`: the bytes that wait until then.
        """
        return self._put(frames, size)

    def _put(self, waiting: bytes | Iterator[bytes], size: int) -> bool:
        if self._waiting_bytes and self._waiting_bytes + size > self._max_bytes:
            return False
        self._waiting.append((waiting, size))
        self._waiting_bytes += size
        self.put_bytes += size
        self._put_signal.notify()
        return True

    def end(self) -> None:
        """Nothing more will be put."""
        self._ended = True
        self._put_signal.notify()

    async def get(self) -> bytes | None:
        """The next frame, or None when the queue has ended and all of it was taken. For one task."""
        frame = await self._next()
        if frame is not None:
            self.taken_frames += 1
            self._taken_signal.notify()
        return frame

    async def _next(self) -> bytes | None:
        while True:
            await self._put_signal.wait_until(lambda: bool(self._waiting) or self._ended)
            if not self._waiting:
                return None
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

    async def wait_until_taken(self, patience_s: float) -> bool:
        """Wait until all that is in the queue now was taken; return False once no frame was for `patience_s`."""
        goal = self.put_bytes
        while self.put_bytes - self._waiting_bytes < goal:
            taken = self.taken_frames
            try:
                async with asyncio.timeout(patience_s):
                    await self._taken_signal.wait_until(partial(self._took_more_than, taken))
            except TimeoutError:
                return False
        return True

    def _took_more_than(self, frames: int) -> bool:
        return self.taken_frames > frames
