"""Work that can be dropped until a worker thread begins it."""

import threading


class Droppable:
    """Base class of work that one thread begins and another one may drop: only one of them succeeds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_begun = self._is_dropped = False

    def begin(self) -> bool:
        """Begin; returns False if it was dropped."""
        with self._lock:
            self._is_begun = not self._is_dropped
            return self._is_begun

    def drop(self) -> bool:
        """Drop it; returns False if it was begun."""
        with self._lock:
            self._is_dropped = not self._is_begun
            return self._is_dropped
