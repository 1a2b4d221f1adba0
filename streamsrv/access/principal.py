"""Who a request or a session acts for. Pure."""

from dataclasses import dataclass
from hashlib import sha256

from streamsrv.access.client_secrets import Grant


def key_id(key: str) -> str:
    """A short fingerprint that names an API key in logs and limits without giving it away."""
    return f"key_{sha256(key.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who came in, from authentication on.

    `key_id`: the fingerprint of the API key, or of the key that made the client secret. Limits per key count by it.
    `grant`: what the client secret allows; None for a client that came with an API key or needs none.
    """

    key_id: str
    grant: Grant | None = None

    @property
    def secret_id(self) -> str | None:
        """Names the client secret; it is also the id of the session that the secret opens."""
        return self.grant.session_id if self.grant is not None else None

    @property
    def caption_rooms(self) -> frozenset[str] | None:
        """The caption rooms it may speak in; None: all."""
        return self.grant.caption_rooms if self.grant is not None else None

    def may_reach(self, opener: "Principal") -> bool:
        """Whether it may control a call that `opener` opened: with an API key any call, with a secret its own."""
        return self.secret_id is None or self.secret_id == opener.secret_id

    def __str__(self) -> str:
        return self.key_id if self.grant is None else f"{self.key_id}, client secret {self.secret_id}"


LOOPBACK = Principal("loopback")
"""Clients of a server without keys: they are on the same machine, and are trusted."""
PUBLIC = Principal("public")
"""Readers of captions that are public. It may read and do nothing else."""
