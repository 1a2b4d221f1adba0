"""Keeps one client from holding up the event loop, which all sessions share."""

import asyncio
import time
from collections.abc import Callable

from streamsrv.token_bucket import TokenBucket

EVENTS_PER_S, EVENTS_BURST = 200, 1000
"""Rate and burst of a client's events (events per second, events). Events beyond them are read later."""
AUDIO_EVENT_COST = 0.1
"""How much of an event an event with audio counts: clients send many of them, and send recordings without pacing."""
BYTES_PER_EVENT = 64 * 1024
"""Bytes, of an event and of its immediate answer, that count as one more event."""
MALFORMED_PER_S, MALFORMED_BURST = 20, 1000
"""Rate and burst of malformed events (events per second, events). A client that sends more is disconnected."""
MAX_UNSENT_BYTES = 64 * 1024
"""Bytes of answers that may wait to be sent to a client before reading of its events pauses."""
SLICE_S = 0.002
"""Seconds of event loop time after which a task lets other tasks run."""


class EventAllowance:
    """Counts what one client sends against its limits. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events = TokenBucket(EVENTS_PER_S, EVENTS_BURST)
        self._malformed = TokenBucket(MALFORMED_PER_S, MALFORMED_BURST)

    def spend(self, size: int, *, is_audio: bool = False) -> None:
        """Count a handled event; `size` is the bytes of the event and of its answer."""
        self._events.spend((AUDIO_EVENT_COST if is_audio else 1.0) + size / BYTES_PER_EVENT, self._clock())

    def forgives_malformed(self) -> bool:
        """Count a malformed event; return whether the client may go on."""
        return self._malformed.take(1, self._clock())

    @property
    def wait_s(self) -> float:
        """Seconds until the next event may be handled."""
        return self._events.wait_s(0, self._clock())


class TimeSlice:
    """Measures the time spent in its context, so that `give_way` can let other tasks run when that is due."""

    def __init__(self) -> None:
        self._began_s = 0.0
        self._used_s = 0.0

    def __enter__(self) -> None:
        self._began_s = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._used_s += time.perf_counter() - self._began_s

    async def give_way(self) -> None:
        """Let other tasks run if `SLICE_S` was used since they last could."""
        if self._used_s >= SLICE_S:
            self._used_s = 0.0
            await asyncio.sleep(0)
