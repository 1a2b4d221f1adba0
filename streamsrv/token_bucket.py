"""Limits how fast something is used. Pure: the caller passes the time in seconds."""

_ROUNDING = 1e-9
"""Tokens; a smaller lack is a rounding error."""


class TokenBucket:
    """Holds up to `burst` tokens, refilled at `per_second` tokens per second."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._used = 0.0
        self._at_s = 0.0

    def take(self, tokens: float, now_s: float) -> bool:
        """Take the tokens if the bucket holds so many; return whether it did."""
        if self.wait_s(tokens, now_s) > 0:
            return False
        self._used += tokens
        return True

    def spend(self, tokens: float, now_s: float) -> None:
        """Take the tokens even if the bucket holds fewer; `take` fails until the debt is refilled."""
        self._used = self.used(now_s) + tokens

    def give_back(self, tokens: float, now_s: float) -> None:
        """Return tokens that were not used after all."""
        self._used = max(0.0, self.used(now_s) - tokens)

    def wait_s(self, tokens: float, now_s: float) -> float:
        """Return the seconds until `take` would succeed, if nothing else is taken before; 0: now."""
        missing = self.used(now_s) + tokens - self._burst
        return missing / self._per_second if missing > _ROUNDING else 0.0

    def used(self, now_s: float) -> float:
        """Return the number of taken tokens that are not refilled yet."""
        self._used = max(0.0, self._used - (now_s - self._at_s) * self._per_second)
        self._at_s = now_s
        return self._used
