"""Measures how long something that all sessions share is in use."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager


class Occupancy:
    """Measures the time during which at least one piece of work goes on. Not thread-safe; `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._working = 0
        self._since_s = 0.0
        self._past_s = 0.0

    @property
    def now(self) -> bool:
        """Whether a piece of work goes on."""
        return self._working > 0

    @property
    def total_s(self) -> float:
        """Total seconds during which work went on."""
        return self._past_s + (self._clock() - self._since_s if self._working else 0.0)

    @contextmanager
    def working(self) -> Generator[None]:
        """Count a piece of work for as long as the context lasts."""
        if not self._working:
            self._since_s = self._clock()
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._past_s += self._clock() - self._since_s
