"""How one client is kept from taking the event loop, which all sessions share."""

import asyncio
import time
from collections.abc import Callable

from streamsrv.token_bucket import TokenBucket

EVENTS_PER_S, EVENTS_BURST = 200, 1000
"""Events that a client may send; those it sends faster are read later."""
AUDIO_EVENTS = 0.1
"""What an event with audio counts: clients send 10 to 50 a second, and recordings as fast as they are heard."""
BYTES_AN_EVENT = 64 * 1024
"""Bytes, of the event and of what it is answered at once, that count as one event more."""
MALFORMED_PER_S, MALFORMED_BURST = 20, 1000
"""Malformed events that a client may send before it is disconnected."""
MAX_UNSENT_BYTES = 64 * 1024
"""Answers to a client's events that may wait to be sent while more of its events are read."""
SLICE_S = 0.002
"""A task that used the event loop for so long lets the others run."""


class EventAllowance:
    """What one client may still send. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events = TokenBucket(EVENTS_PER_S, EVENTS_BURST)
        self._malformed = TokenBucket(MALFORMED_PER_S, MALFORMED_BURST)

    def spend(self, size: int, *, is_audio: bool = False) -> None:
        """Count an event that was handled; `size`: its bytes and those of what it was answered."""
        self._events.spend((AUDIO_EVENTS if is_audio else 1.0) + size / BYTES_AN_EVENT, self._clock())

    def forgives_malformed(self) -> bool:
        """Count a malformed event; return whether the client may go on."""
        return self._malformed.take(1, self._clock())

    @property
    def wait_s(self) -> float:
        """Seconds until the next event may be handled."""
        return self._events.wait_s(0, self._clock())


class TimeSlice:
    """Measures what happens inside it as a context; `give_way` lets other tasks run when that was much."""

    def __init__(self) -> None:
        self._began_s = 0.0
        self._used_s = 0.0

    def __enter__(self) -> None:
        self._began_s = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._used_s += time.perf_counter() - self._began_s

    async def give_way(self) -> None:
        """Let other tasks run if `SLICE_S` were used since they last could."""
        if self._used_s >= SLICE_S:
            self._used_s = 0.0
            await asyncio.sleep(0)
