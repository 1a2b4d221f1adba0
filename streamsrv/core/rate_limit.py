"""How many responses a session may start. Pure: a token bucket on the driver's clock."""

from typing import Any

from streamsrv.protocol.errors import ProtocolError

WINDOW_MS = 60_000


class RateLimit:
    """`limit` responses at once, refilled evenly over a minute."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0.0
        self._at_ms = 0

    def take(self, now_ms: int) -> None:
        """Count one response; raises `ProtocolError` when none is left."""
        self._refill(now_ms)
        if self._used + 1 > self._limit:
            raise ProtocolError(
                "rate_limit_exceeded",
                f"Rate limit reached: {self._limit} responses a minute. Try again in {self._seconds_to_one():.1f} s.",
                type="rate_limit_error",
            )
        self._used += 1

    def take_spare(self, now_ms: int) -> bool:
        """Count one answer that nobody asked for yet; False, and not counted, where it would leave less than half."""
        self._refill(now_ms)
        left = self._limit - self._used - 1
        if left < max(1.0, self._limit / 2):
            return False
        self._used += 1
        return True

    def give_back(self, now_ms: int) -> None:
        """One that was counted turned out to be the same as another."""
        self._refill(now_ms)
        self._used = max(0.0, self._used - 1)

    def to_wire(self, now_ms: int) -> dict[str, Any]:
        """An entry of `rate_limits.updated`."""
        self._refill(now_ms)
        return {
            "name": "requests",
            "limit": self._limit,
            "remaining": int(self._limit - self._used),
            "reset_seconds": round(self._used * WINDOW_MS / self._limit / 1000, 3),
        }

    def _refill(self, now_ms: int) -> None:
        self._used = max(0.0, self._used - (now_ms - self._at_ms) * self._limit / WINDOW_MS)
        self._at_ms = now_ms

    def _seconds_to_one(self) -> float:
        return (self._used + 1 - self._limit) * WINDOW_MS / self._limit / 1000
