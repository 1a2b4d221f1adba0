"""The principal that a request or a session acts for. Pure."""

from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256

from streamsrv.access.client_secrets import Grant


def key_id(key: str) -> str:
    """Return a short fingerprint that names an API key in logs and limits without revealing the key."""
    return f"key_{sha256(key.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What an API key may use, together with its client secrets; None: no limit of its own. Costs are in USD."""

    sessions: int | None = None
    """At once, as `requests`."""
    requests: int | None = None
    responses_per_minute: int | None = None
    cost_per_session: Decimal | None = None
    cost_per_day: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """The client that was authenticated.

    `key_id`: the fingerprint of the API key, or of the key that made the client secret; limits per key use it.
    `grant`: what the client secret allows; None for a client with an API key, or that needs no key. `limits`: those of
    the key.
    """

    key_id: str
    grant: Grant | None = None
    limits: KeyLimits = field(default=KeyLimits(), compare=False)

    @property
    def secret_id(self) -> str | None:
        """The name of the client secret, which is also the id of the session it opens; None without a secret."""
        return self.grant.session_id if self.grant is not None else None

    @property
    def caption_rooms(self) -> frozenset[str] | None:
        """The caption rooms in which the client may speak; None: all rooms."""
        return self.grant.caption_rooms if self.grant is not None else None

    def may_reach(self, opener: "Principal") -> bool:
        """Whether the client may control a call of `opener`: with an API key any call, with a secret only its own."""
        return self.secret_id is None or self.secret_id == opener.secret_id

    def __str__(self) -> str:
        return self.key_id if self.grant is None else f"{self.key_id}, client secret {self.secret_id}"


LOOPBACK = Principal("loopback")
"""The principal of all clients of a server without keys: they are on the same machine and are trusted."""
PUBLIC = Principal("public")
"""The principal of readers of public captions, who may do nothing else."""
