"""Limits the language model answers of each API key. Uses no clock: the caller passes the time in seconds."""

from streamsrv.access.principal import Principal
from streamsrv.errors import Overloaded
from streamsrv.token_bucket import TokenBucket


class Budget:
    """Allows each key, with its client secrets, the answers a minute that its limits state, refilled over a minute."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[int, TokenBucket]] = {}  # at most one for each API key, with its limit

    def charge(self, principal: Principal, now_s: float) -> None:
        """Count one answer; raises `Overloaded` if none is left.

        A key whose limit has changed begins with all of it.
        """
        per_minute = principal.limits.responses_per_minute
        if per_minute is None:
            return
        limit, bucket = self._buckets.get(principal.key_id, (0, None))
        if bucket is None or limit != per_minute:
            bucket = TokenBucket(per_minute / 60, per_minute)
            self._buckets[principal.key_id] = per_minute, bucket
        if not bucket.take(1, now_s):
            raise Overloaded(
                f"Rate limit of this API key reached: {per_minute} responses a minute in all its sessions and "
                f"requests together. Try again in {60 / per_minute:.1f} s."
            )
