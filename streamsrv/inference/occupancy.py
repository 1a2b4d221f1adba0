"""When something that all sessions share is at work."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager


class Occupancy:
    """Time during which at least one piece of work is going on. Not for several threads; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._working = 0
        self._since_s = 0.0
        self._past_s = 0.0

    @property
    def now(self) -> bool:
        """Whether work is going on."""
        return self._working > 0

    @property
    def total_s(self) -> float:
        """Seconds since it was made during which work was going on."""
        return self._past_s + (self._clock() - self._since_s if self._working else 0.0)

    @contextmanager
    def working(self) -> Generator[None]:
        """A piece of work lasts as long as this context."""
        if not self._working:
            self._since_s = self._clock()
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._past_s += self._clock() - self._since_s
