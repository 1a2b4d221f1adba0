"""How busy the server is, and whether one more session would slow the others. Pure: measurements come in."""

import math

MEMORY_S = 15.0
"""Measurements fade with this time constant: some two turns of a conversation."""
MAX_BUSY = 0.7
"""Share of all cores up to which sessions are let in; above it work waits for other work."""
MAX_MODEL_BUSY = 0.5
"""Share of the time up to which the local language model may be at work: half of all answers then wait for another, for
half the time that one takes, on average."""
MAX_QUEUE_AGE_S = 0.25
"""Work that waits this long is heard as a delay."""
MAX_LAG_S = 0.1
"""An event loop this late is heard, too."""
SESSION_CORES = 0.15
"""What a session is taken to need before anything is known: about a conversation with the embedded models."""


class Load:
    """Follows processor, language model, event loop and queue."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._sessions = 0.0
        """How many there were lately: what was measured lately is theirs, not that of sessions just let in."""
        self.busy = 0.0
        """Share of all cores that the server used lately (0..1)."""
        self.model_busy = 0.0
        """Share of the time that the local language model was at work lately (0..1)."""
        self.lag_s = 0.0
        """How late the event loop ran lately."""
        self.queue_age_s = 0.0
        """How long the oldest waiting job had waited lately."""

    def observe(
        self, seconds: float, *, sessions: int, cpu_s: float, model_s: float, lag_s: float, queue_age_s: float
    ) -> None:
        """Take what was measured in the last `seconds`: sessions at their end, CPU time used, time the language model
        was at work, lag of the event loop, age of the queue."""
        share = 1 - math.exp(-seconds / MEMORY_S)
        self._sessions += share * (sessions - self._sessions)
        self.busy += share * (cpu_s / seconds / self._cores - self.busy)
        self.model_busy += share * (model_s / seconds - self.model_busy)
        self.lag_s += share * (lag_s - self.lag_s)
        self.queue_age_s += share * (queue_age_s - self.queue_age_s)

    def has_room(self, sessions: int) -> bool:
        """Whether one session more, as busy as the mean of those there are, leaves them as quick as they are."""
        if sessions == 0:
            return True
        expected = 1 / (1 + self._sessions)  # what is expected of a session matters less, the more were measured
        growth = (sessions + 1) / (self._sessions + expected)
        return (
            growth * (self.busy + expected * SESSION_CORES / self._cores) <= MAX_BUSY
            and growth * self.model_busy <= MAX_MODEL_BUSY
            and self.lag_s <= MAX_LAG_S
            and self.queue_age_s <= MAX_QUEUE_AGE_S
        )

    def __str__(self) -> str:
        return (
            f"{self.busy:.0%} of the processor in use, the language model at work {self.model_busy:.0%} of the time, "
            f"work waits {1000 * self.queue_age_s:.0f} ms, the event loop {1000 * self.lag_s:.0f} ms"
        )
