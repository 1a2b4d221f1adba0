"""Finds streams whose audio has another sample rate than they say. Pure: the caller passes the time in ms.

A call sends its audio in real time, so as many samples arrive in a second as the audio has. A stream that says 16 kHz
and delivers half of that has 8 kHz. Only the first seconds are looked at, because a rate does not change in a call.
"""

from collections.abc import Sequence

WINDOW_MS = 1000.0
"""How long arriving samples are counted for one measurement."""
MIN_WINDOWS = 3
"""Measurements in a row that must agree on another rate: a network that stalls shows low and then high rates."""
MAX_WINDOWS = 10
"""Measurements after which a stream that fits no rate is left alone: most of its audio is lost."""
TOLERANCE = 0.12
"""By how much of a rate a measurement may differ from it."""


class ArrivalRate:
    """Measures one stream. `rates`: the rates in Hz that it may have."""

    def __init__(self, claimed_hz: int, rates: Sequence[int]) -> None:
        self._claimed = claimed_hz
        self._rates = (claimed_hz, *(rate for rate in rates if rate != claimed_hz))
        self._started_ms: float | None = None
        self._samples = 0
        self._windows = 0
        self._found: list[int | None] = []
        self._is_done = False

    def add(self, samples: int, now_ms: float) -> int | None:
        """Count samples that arrive now; return the real rate in Hz at the moment at which another one is certain."""
        if self._is_done:
            return None
        if self._started_ms is None:
            self._started_ms = now_ms
            return None
        self._samples += samples
        elapsed_ms = now_ms - self._started_ms
        if elapsed_ms < WINDOW_MS:
            return None
        rate = self._nearest(self._samples * 1000 / elapsed_ms)
        self._started_ms, self._samples = now_ms, 0
        return self._decide(rate)

    def _decide(self, rate: int | None) -> int | None:
        self._windows += 1
        self._found = [*self._found, rate][-MIN_WINDOWS:]
        self._is_done = rate == self._claimed or self._windows >= MAX_WINDOWS
        if rate is None or self._is_done or self._found != [rate] * MIN_WINDOWS:
            return None
        self._is_done = True
        return rate

    def _nearest(self, measured: float) -> int | None:
        return next((rate for rate in self._rates if abs(measured - rate) <= rate * TOLERANCE), None)
