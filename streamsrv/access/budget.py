"""Limits the language model answers of each API key. Uses no clock: the caller passes the time in seconds."""

from streamsrv.access.principal import Principal
from streamsrv.errors import Overloaded
from streamsrv.token_bucket import TokenBucket


class Budget:
    """Allows each key, with its client secrets, `per_minute` answers, refilled over a minute; None: no limit."""

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._buckets: dict[str, TokenBucket] = {}  # at most one for each API key

    def limit(self, per_minute: int | None) -> None:
        """Change the limit; each key begins with a full allowance."""
        if per_minute != self._per_minute:
            self._per_minute = per_minute
            self._buckets.clear()

    @property
    def is_limited(self) -> bool:
        return self._per_minute is not None

    def charge(self, principal: Principal, now_s: float) -> None:
        """Count one answer; raises `Overloaded` if none is left."""
        if self._per_minute is None:
            return
        if principal.key_id not in self._buckets:
            self._buckets[principal.key_id] = TokenBucket(self._per_minute / 60, self._per_minute)
        if not self._buckets[principal.key_id].take(1, now_s):
            raise Overloaded(
                f"Rate limit of this API key reached: {self._per_minute} responses a minute in all its sessions and "
                f"requests together. Try again in {60 / self._per_minute:.1f} s."
            )
