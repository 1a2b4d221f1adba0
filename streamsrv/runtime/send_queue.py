"""Queues frames for a client, within a bound, because a client may stop reading."""

import asyncio
from collections import deque
from collections.abc import Iterator
from functools import partial

from streamsrv.signals import Signal

MAX_BYTES = 8 * 1024 * 1024
"""Bytes that may wait for a client."""


class SendQueue:
    """Frames in order. `put` returns False when more than `max_bytes` would wait: the caller ends the session.

    An empty queue takes a frame of any size: a client that has read everything is not at fault.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[bytes | Iterator[bytes], int]] = deque()
        self._waiting_bytes = 0
        self._ended = False
        self._put_signal = Signal()
        self._taken_signal = Signal()
        self.put_bytes = 0
        """Total bytes put into the queue."""
        self.taken_frames = 0
        """Total frames taken from the queue."""

    def put(self, frame: bytes) -> bool:
        """Queue a frame; return False if there is no room."""
        return self._put(frame, len(frame))

    def put_unmade(self, frames: Iterator[bytes], size: int) -> bool:
        """Queue frames that are computed one by one as they are taken; return False if there is no room.

        `size`: the bytes that the unmade frames hold until then.
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
        """End the queue: `get` returns None after the frames that wait."""
        self._ended = True
        self._put_signal.notify()

    async def get(self) -> bytes | None:
        """Wait for the next frame; None after the last one. Only one task may call this."""
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
                await asyncio.sleep(0)  # let other tasks run before the computation
                if (frame := next(waiting, None)) is not None:
                    return frame
            self._waiting.popleft()
            self._waiting_bytes -= size
            if frame is not None:
                return frame

    async def wait_until_taken(self, patience_s: float) -> bool:
        """Wait until all frames now in the queue are taken; return False if none is taken for `patience_s` seconds."""
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
