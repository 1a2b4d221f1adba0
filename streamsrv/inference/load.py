"""How busy the server is, and whether one more session would slow the others. Pure: measurements come in."""

import math

MEMORY_S = 8.0
"""Measurements fade with this time constant: longer than a pause in a conversation, shorter than a conversation."""
MOST_BUSY = 0.7
"""Share of all cores up to which sessions are let in; above it work waits for other work."""
MOST_QUEUE_AGE_S = 0.25
"""Work that waits this long is heard as a delay."""
MOST_LAG_S = 0.1
"""An event loop this late is heard, too."""


class Load:
    """Follows CPU time, event loop and queue."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self.busy = 0.0
        """Share of all cores that this process used lately (0..1)."""
        self.lag_s = 0.0
        """How late the event loop ran lately."""
        self.queue_age_s = 0.0
        """How long the oldest waiting job had waited lately."""

    def observe(self, seconds: float, *, cpu_s: float, lag_s: float, queue_age_s: float) -> None:
        """Take what was measured in the last `seconds`: CPU time used, lag of the event loop, age of the queue."""
        share = 1 - math.exp(-seconds / MEMORY_S)
        self.busy += share * (cpu_s / seconds / self._cores - self.busy)
        self.lag_s += share * (lag_s - self.lag_s)
        self.queue_age_s += share * (queue_age_s - self.queue_age_s)

    def has_room(self, sessions: int) -> bool:
        """Whether one session more, as busy as the mean of those there are, leaves them as quick as they are."""
        if sessions == 0:
            return True
        with_one_more = self.busy * (sessions + 1) / sessions
        return with_one_more <= MOST_BUSY and self.lag_s <= MOST_LAG_S and self.queue_age_s <= MOST_QUEUE_AGE_S

    def __str__(self) -> str:
        return (
            f"{self.busy:.0%} of the processor in use, work waits {1000 * self.queue_age_s:.0f} ms, "
            f"the event loop {1000 * self.lag_s:.0f} ms"
        )
