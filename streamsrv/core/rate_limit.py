"""How many responses a session may start. Pure: a token bucket on the driver's clock."""

from typing import Any

from streamsrv.protocol.errors import ProtocolError
from streamsrv.token_bucket import TokenBucket

WINDOW_S = 60


class RateLimit:
    """`limit` responses at once, refilled evenly over a minute."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._per_second = limit / WINDOW_S
        self._bucket = TokenBucket(self._per_second, limit)

    def take(self, now_ms: int) -> None:
        """Count one response; raises `ProtocolError` when none is left."""
        now_s = now_ms / 1000
        if not self._bucket.take(1, now_s):
            wait_s = self._bucket.wait_s(1, now_s)
            raise ProtocolError(
                "rate_limit_exceeded",
                f"Rate limit reached: {self._limit} responses a minute. Try again in {wait_s:.1f} s.",
                type="rate_limit_error",
            )

    def take_spare(self, now_ms: int) -> bool:
        """Count one speculative answer; False, and not counted, if less than half of the limit would be left."""
        now_s = now_ms / 1000
        left = self._limit - self._bucket.used(now_s) - 1
        return left >= max(1.0, self._limit / 2) and self._bucket.take(1, now_s)

    def give_back(self, now_ms: int) -> None:
        """Uncount one: it was counted twice."""
        self._bucket.give_back(1, now_ms / 1000)

    def to_wire(self, now_ms: int) -> dict[str, Any]:
        """An entry of `rate_limits.updated`."""
        used = self._bucket.used(now_ms / 1000)
        return {
            "name": "requests",
            "limit": self._limit,
            "remaining": int(self._limit - used),
            "reset_seconds": round(used / self._per_second, 3),
        }
