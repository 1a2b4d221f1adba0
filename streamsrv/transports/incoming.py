"""Queues events and audio from a client until its session reads them, within bounds."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.signals import Signal

MAX_AUDIO_SAMPLES = 5 * SPEECH_RATE_HZ
"""Samples of microphone audio that may wait. Older audio is dropped, so that a late session catches up."""
MAX_EVENTS = 1000
"""Events that may wait; more are refused."""
MAX_EVENT_BYTES = 32 * 1024 * 1024
"""Characters of events that may wait; more are refused."""


@dataclass(frozen=True, slots=True)
class _Mark:
    then: Callable[[], None]


class IncomingQueue:
    """Holds events and audio in their order of arrival."""

    def __init__(self) -> None:
        self._waiting: deque[str | NDArray[np.int16] | _Mark] = deque()
        self._samples = 0
        self._events = 0
        self._event_bytes = 0
        self._changed = Signal()
        self._taken = Signal()
        self._closed = False

    def put_audio(self, pcm: NDArray[np.int16]) -> None:
        """Add audio; drop the oldest audio if there is too much."""
        self._waiting.append(pcm)
        self._samples += len(pcm)
        if self._samples > MAX_AUDIO_SAMPLES:
            self._drop_oldest_audio()
        self._changed.notify()

    def put_event(self, text: str) -> bool:
        """Add an event; return False if there is no room for it."""
        if self._events >= MAX_EVENTS or self._event_bytes + len(text) > MAX_EVENT_BYTES:
            return False
        self._waiting.append(text)
        self._events += 1
        self._event_bytes += len(text)
        self._changed.notify()
        return True

    async def put_event_later(self, text: str) -> bool:
        """Wait until the queue is half empty, so that `put_event` always has room, then add an event.

        Return False, without adding it, if the queue is closed.
        """
        await self._taken.wait_until(lambda: self._closed or self._is_half_empty)
        return not self._closed and self.put_event(text)

    @property
    def _is_half_empty(self) -> bool:
        return self._events < MAX_EVENTS // 2 and self._event_bytes < MAX_EVENT_BYTES // 4

    def call_after_all(self, then: Callable[[], None]) -> None:
        """Let `get` call this when all that waits now has been taken and handled."""
        self._waiting.append(_Mark(then))
        self._changed.notify()

    def close(self) -> None:
        """Close the queue: `get` returns None from now on."""
        self._closed = True
        self._changed.notify()
        self._taken.notify()

    async def get(self) -> str | NDArray[np.int16] | None:
        """Wait for the next event or audio; None once the queue is closed, even if something is left in it."""
        while True:
            await self._changed.wait_until(lambda: bool(self._waiting) or self._closed)
            if self._closed:
                return None
            taken = self._waiting.popleft()
            if isinstance(taken, _Mark):
                taken.then()
                continue
            if isinstance(taken, str):
                self._events -= 1
                self._event_bytes -= len(taken)
                self._taken.notify()
            else:
                self._samples -= len(taken)
            return taken

    def _drop_oldest_audio(self) -> None:
        for index, waiting in enumerate(self._waiting):
            if not isinstance(waiting, str | _Mark):
                del self._waiting[index]
                self._samples -= len(waiting)
                return
