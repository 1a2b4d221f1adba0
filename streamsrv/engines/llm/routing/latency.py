"""How long models take until their first token, as measured lately. Pure: the caller tells the time."""

import math
from collections import deque

MAX_SAMPLES = 64
"""Newest measurements that count, of each model."""
MAX_AGE_S = 600.0
"""Seconds after which a measurement no longer counts, so that a model that was slow gets another chance."""
MIN_SAMPLES = 3
"""Measurements that a percentile needs."""


class FirstTokens:
    """Times from requests to first tokens, of all models of a process by name. Times are in seconds."""

    def __init__(self) -> None:
        self._samples: dict[str, deque[tuple[float, float]]] = {}

    def record(self, model: str, seconds: float, now_s: float) -> None:
        """Take note of an answer that began, or did not begin, after so many seconds."""
        self._samples.setdefault(model, deque(maxlen=MAX_SAMPLES)).append((now_s, seconds))

    def p95_s(self, model: str, now_s: float) -> float | None:
        """Return the time within which 95 % of the answers began; None: there were too few lately."""
        lately = sorted(seconds for at_s, seconds in self._samples.get(model, ()) if now_s - at_s <= MAX_AGE_S)
        return lately[math.ceil(0.95 * len(lately)) - 1] if len(lately) >= MIN_SAMPLES else None
