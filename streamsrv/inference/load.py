"""Decides from measurements whether one more session would slow the others. Pure."""

import math

MEMORY_S = 15.0
"""Seconds: the time constant with which measurements fade. About two turns of a conversation."""
MAX_BUSY = 0.7
"""Share of all cores up to which sessions are admitted; above it, work waits for other work."""
MAX_MODEL_BUSY = 0.5
"""Share of the time that the local language model may compute. Above it, most answers wait for another answer."""
MAX_QUEUE_AGE_S = 0.25
"""Age of the queue, in seconds, above which users hear a delay."""
MAX_LAG_S = 0.1
"""Lag of the event loop, in seconds, above which users hear a delay."""
MAX_STALL_S = 4 * MAX_LAG_S
"""Seconds that a longer stall counts as, because one long stall must not refuse sessions for a minute."""
SESSION_CORES = 0.15
"""Cores that a session is assumed to need before it is measured: about a conversation with the embedded models."""
START_CPU_S = 0.03
"""CPU seconds that the start of a session takes (handshake, streams, first events). They do not count as load."""
EVIDENCE_S = 1.0
"""Seconds of one session's measurement that weigh as much as the assumption `SESSION_CORES`."""
MODEL_EVIDENCE_S = 10.0
"""`EVIDENCE_S` for the share of the language model: longer, because the model works in bursts."""
MIN_RELIEF_S = 1.0
"""Shortest time after which a refused client is told to try again."""
MAX_RELIEF_S = 5.0
"""Longest time after which a refused client is told to try again: a refusal costs little."""


class Load:
    """Averages the load of the processor, the language model, the event loop and the queue of model calls."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._sessions = 0.0
        """Recent number of sessions, with which the measurements are compared: new sessions are hardly in them yet."""
        self.busy = 0.0
        """Recent share of all cores that the server used (0..1), without the starts of sessions."""
        self.model_busy = 0.0
        """Recent share of the time during which the local language model computed (0..1)."""
        self.lag_s = 0.0
        """Recent lag of the event loop."""
        self.queue_age_s = 0.0
        """Recent age of the oldest waiting job."""

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
        """Add the measurements of the last `seconds`.

        `sessions`: sessions at the end of the interval. `started`: sessions that began in it. `cpu_s`: CPU time used.
        `model_s`: time during which the language model computed. `lag_s`: lag of the event loop. `queue_age_s`: age of
        the oldest waiting job.
        """
        share = 1 - math.exp(-seconds / MEMORY_S)
        # A stall lengthens the interval in which it is measured. Its lag is weighted by the rest of the interval.
        lag_share = 1 - math.exp(-max(0.0, seconds - lag_s) / MEMORY_S)
        cpu_s = max(0.0, cpu_s - started * START_CPU_S)
        self._sessions += share * (sessions - self._sessions)
        self.busy += share * (cpu_s / seconds / self._cores - self.busy)
        self.model_busy += share * (model_s / seconds - self.model_busy)
        self.lag_s += lag_share * (min(lag_s, MAX_STALL_S) - self.lag_s)
        self.queue_age_s += share * (queue_age_s - self.queue_age_s)

    def has_room(self, sessions: int) -> bool:
        """Whether one more session, as busy as the mean of the others, would not slow them.

        A session for each core always finds room: from fewer, what the next one needs cannot be told.
        """
        return sessions < self._cores or self._excess(sessions) <= 1

    def is_measuring(self, sessions: int) -> bool:
        """Whether no measure exceeds its limit yet, and some sessions are too new to be measured."""
        return sessions - self._sessions > 0.5 and self._measured_excess(1.0, 1.0) <= 1

    def relief_s(self, sessions: int) -> float:
        """Return the seconds after which there may be room: the time in which the excess fades if no load is added."""
        return min(max(MEMORY_S * math.log(max(1.0, self._excess(sessions))), MIN_RELIEF_S), MAX_RELIEF_S)

    def _excess(self, sessions: int) -> float:
        """Return the largest ratio of a measure to its limit, with one more session; above 1 it is exceeded."""
        # The assumed need of a session counts less, the longer sessions were measured.
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
