"""How much a client may send. Pure: wall time comes in as seconds."""


class TokenBucket:
    """`burst` tokens at once, refilled at `per_second`."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._used = 0.0
        self._at_s = 0.0

    def take(self, tokens: float, now_s: float) -> bool:
        """Whether there were so many tokens left; they are taken if so."""
        self._used = max(0.0, self._used - (now_s - self._at_s) * self._per_second)
        self._at_s = now_s
        if self._used + tokens > self._burst:
            return False
        self._used += tokens
        return True
