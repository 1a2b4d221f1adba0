"""How much of something may be used. Pure: wall time comes in as seconds."""

_ROUNDING = 1e-9
"""Tokens; less than this is missing only because of rounding."""


class TokenBucket:
    """`burst` tokens at once, refilled at `per_second`."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._used = 0.0
        self._at_s = 0.0

    def take(self, tokens: float, now_s: float) -> bool:
        """Take so many tokens if they are there; return whether they were."""
        if self.wait_s(tokens, now_s) > 0:
            return False
        self._used += tokens
        return True

    def spend(self, tokens: float, now_s: float) -> None:
        """Take so many tokens whether they are there or not; a debt is refilled before anything can be taken."""
        self._used = self.used(now_s) + tokens

    def give_back(self, tokens: float, now_s: float) -> None:
        """Return tokens that were not used after all."""
        self._used = max(0.0, self.used(now_s) - tokens)

    def wait_s(self, tokens: float, now_s: float) -> float:
        """Seconds until so many tokens are there, if none are taken meanwhile; 0: they are there now."""
        missing = self.used(now_s) + tokens - self._burst
        return missing / self._per_second if missing > _ROUNDING else 0.0

    def used(self, now_s: float) -> float:
        """Tokens that are not refilled yet."""
        self._used = max(0.0, self._used - (now_s - self._at_s) * self._per_second)
        self._at_s = now_s
        return self._used
