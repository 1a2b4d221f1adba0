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
"""Users hear a delay when jobs wait longer than this."""
MAX_LAG_S = 0.1
"""Users hear a delay when the event loop is later than this."""
MAX_STALL_S = 4 * MAX_LAG_S
"""A longer stall counts as this: one of them says nothing about the next, and must not refuse sessions for a minute."""
SESSION_CORES = 0.15
"""What a session is taken to need before anything is known: about a conversation with the embedded models."""
START_CORE_S = 0.03
"""CPU time that a session takes to begin (handshake, streams, first events) and not again: it is not load."""
EVIDENCE_S = 1.0
"""Measured time of one session that counts as much as what a session is taken to need."""
MODEL_EVIDENCE_S = 10.0
"""The same for the language model, which works in bursts: an answer says little about the share of the whole time."""
MIN_RELIEF_S = 1.0
MAX_RELIEF_S = 5.0
"""Bounds of the time after which a refused client is told to come back. A refused request costs little."""


class Load:
    """Follows processor, language model, event loop and queue."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._sessions = 0.0
        """How many there were lately: what was measured lately is theirs, not that of sessions just let in."""
        self.busy = 0.0
        """Share of all cores that the server used lately (0..1), without what it took to begin sessions."""
        self.model_busy = 0.0
        """Share of the time that the local language model was at work lately (0..1)."""
        self.lag_s = 0.0
        """How late the event loop ran lately."""
        self.queue_age_s = 0.0
        """How long the oldest waiting job had waited lately."""

    def observe(
        self,
        seconds: float,
        *,
        sessions: int,
        started: int = 0,
        cpu_s: float,
        model_s: float,
        lag_s: float,
        queue_age_s: float,
    ) -> None:
        """Take what was measured in the last `seconds`: sessions at their end, sessions that began in them, CPU time
        used, time the language model was at work, lag of the event loop, age of the queue."""
        share = 1 - math.exp(-seconds / MEMORY_S)
        # A stall makes its own interval long: its lag counts for the interval without it.
        lag_share = 1 - math.exp(-max(0.0, seconds - lag_s) / MEMORY_S)
        cpu_s = max(0.0, cpu_s - started * START_CORE_S)
        self._sessions += share * (sessions - self._sessions)
        self.busy += share * (cpu_s / seconds / self._cores - self.busy)
        self.model_busy += share * (model_s / seconds - self.model_busy)
        self.lag_s += lag_share * (min(lag_s, MAX_STALL_S) - self.lag_s)
        self.queue_age_s += share * (queue_age_s - self.queue_age_s)

    def has_room(self, sessions: int) -> bool:
        """Whether one session more, as busy as the mean of those there are, leaves them as quick as they are."""
        return sessions == 0 or self._excess(sessions) <= 1

    def is_measuring(self, sessions: int) -> bool:
        """Whether nothing measured is too much yet, and some of the sessions have only just begun to be measured."""
        return sessions - self._sessions > 0.5 and self._measured_excess(1.0, 1.0) <= 1

    def relief_s(self, sessions: int) -> float:
        """When there may be room again: the time in which what is too much fades if no more comes."""
        return min(max(MEMORY_S * math.log(max(1.0, self._excess(sessions))), MIN_RELIEF_S), MAX_RELIEF_S)

    def _excess(self, sessions: int) -> float:
        """By how much the worst of the measures would exceed its limit with one session more (above 1)."""
        # What a session is taken to need matters less, the longer sessions were measured.
        expected = 1 / (1 + self._sessions * MEMORY_S / EVIDENCE_S)
        unseen = 1 / (1 + self._sessions * MEMORY_S / MODEL_EVIDENCE_S)
        growth = (sessions + 1) / (self._sessions + expected)
        model_growth = (sessions + 1) / (self._sessions + unseen)
        return self._measured_excess(growth, model_growth, expected * SESSION_CORES / self._cores)

    def _measured_excess(self, growth: float, model_growth: float, unmeasured_busy: float = 0.0) -> float:
        return max(
            growth * (self.busy + unmeasured_busy) / MAX_BUSY,
            model_growth * self.model_busy / MAX_MODEL_BUSY,
            self.lag_s / MAX_LAG_S,
            self.queue_age_s / MAX_QUEUE_AGE_S,
        )

    def __str__(self) -> str:
        return (
            f"{self.busy:.0%} of the processor in use, the language model at work {self.model_busy:.0%} of the time, "
            f"work waits {1000 * self.queue_age_s:.0f} ms, the event loop {1000 * self.lag_s:.0f} ms"
        )
