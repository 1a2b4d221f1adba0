"""Virtual time: a queue of events. Running it never waits: time jumps to the next event."""

import heapq
import itertools
from collections.abc import Callable


class Scheduled:
    """A scheduled call, which can be cancelled."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None] | None) -> None:
        self.call = call

    def cancel(self) -> None:
        self.call = None


class VirtualTime:
    """Runs events in the order of their times, and events of the same ms in the order in which they were scheduled."""

    def __init__(self) -> None:
        self.now_ms = 0
        self._order = itertools.count()
        self._events: list[tuple[int, int, Scheduled]] = []

    def after(self, delay_ms: int, call: Callable[[], None]) -> Scheduled:
        """Call `call` when `delay_ms` have passed."""
        return self.at(self.now_ms + delay_ms, call)

    def at(self, at_ms: int, call: Callable[[], None]) -> Scheduled:
        """Call `call` at `at_ms`, or now if that time is past."""
        scheduled = Scheduled(call)
        heapq.heappush(self._events, (max(at_ms, self.now_ms), next(self._order), scheduled))
        return scheduled

    def run_until(self, finished: Callable[[], bool]) -> None:
        """Run events until none is left or `finished()` is true, which is asked before each event."""
        while self._events and not finished():
            self.now_ms, _, scheduled = heapq.heappop(self._events)
            if scheduled.call is not None:
                scheduled.call()
