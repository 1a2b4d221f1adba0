"""Client secrets: what an application's server gives a browser so that it can open one session without the real key.

Pure: the time is passed in, in whole Unix seconds.
Source: the OpenAI Realtime GA schema (`POST /realtime/client_secrets`).
"""

import base64
import hashlib
import hmac
import zlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session

PREFIX = "ek_"
"""Stock browser clients insist on it."""
MAX_SECRET = 4000
"""Characters of a secret. It travels in one header line, of which servers and proxies take 8 KiB."""
MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Compressed sessions that are too large for a secret and wait here for it; with more, no such secret is made."""
MAX_USED = 100_000
"""Used secrets that have not expired yet; with more, none is taken until some have."""
_SIGNATURE_BYTES = hashlib.sha256().digest_size


class UnusableSecret(ProtocolError):
    """A secret opens no session (any more); `message` says why and what to do."""


class NoRoomForSecrets(ProtocolError):
    """The server can remember no more secrets for now."""

    def __init__(self, message: str) -> None:
        super().__init__("too_many_client_secrets", message, type="server_error")


class _Claims(Struct, array_like=True):
    session_id: str
    expires_at: int
    session: Session | None
    """None: it is kept by the server."""


class ClientSecrets:
    """Makes secrets and takes each once.

    A secret is signed with `key` and carries its session, so it also opens one at another process that has the same
    key, or at this one after a restart. What is known of one process only: which secrets were used, and sessions that
    are too large to be carried.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._used: dict[str, int] = {}  # by session id, as below: when the secret expires
        self._kept: dict[str, tuple[int, bytes]] = {}

    def make(self, session: Session, expires_at: int, now: int) -> str:
        """The secret that opens this session; raises `NoRoomForSecrets` if it is one large session too many."""
        secret = self._sign(_Claims(session.id, expires_at, session))
        if len(secret) <= MAX_SECRET:
            return secret
        self._keep(session, expires_at, now)
        return self._sign(_Claims(session.id, expires_at, None))

    def check(self, secret: str, now: int) -> None:
        """Raises `UnusableSecret` if this secret does not open a session."""
        self._read(secret, now)

    def redeem(self, secret: str, now: int) -> Session:
        """The session of a secret, which is used up by this; raises `UnusableSecret` or `NoRoomForSecrets`."""
        claims = self._read(secret, now)
        if len(self._used) >= MAX_USED:
            _drop(self._used, (name for name, expires_at in self._used.items() if expires_at <= now))
        if len(self._used) >= MAX_USED:
            raise NoRoomForSecrets("Too many client secrets were used at this server. Try again in some minutes.")
        self._used[claims.session_id] = claims.expires_at
        if claims.session is not None:
            return claims.session
        _, packed = self._kept.pop(claims.session_id)
        return msgspec.json.decode(zlib.decompress(packed), type=Session)

    def _read(self, secret: str, now: int) -> _Claims:
        claims = self._verify(secret)
        if claims is None:
            message = "This client secret is not of this server, or the server was restarted since. Ask for a new one."
            raise UnusableSecret("invalid_api_key", message)
        if claims.expires_at <= now:
            message = f"This client secret expired {now - claims.expires_at} seconds ago. Ask for a new one."
            raise UnusableSecret("client_secret_expired", message)
        if claims.session_id in self._used:
            message = "This client secret was used before: it opens one session only. Ask for a new one."
            raise UnusableSecret("client_secret_used", message)
        if claims.session is None and claims.session_id not in self._kept:
            message = "The server was restarted since it made this client secret. Ask for a new one."
            raise UnusableSecret("client_secret_lost", message)
        return claims

    def _keep(self, session: Session, expires_at: int, now: int) -> None:
        _drop(self._kept, (name for name, (expiry, _) in self._kept.items() if expiry <= now))
        packed = zlib.compress(msgspec.json.encode(session))
        if sum(len(held) for _, held in self._kept.values()) + len(packed) > MAX_KEPT_BYTES:
            raise NoRoomForSecrets(
                "Too many client secrets with large sessions wait to be used. Ask for one with a smaller session, and "
                "send the rest with session.update."
            )
        self._kept[session.id] = (expires_at, packed)

    def _sign(self, claims: _Claims) -> str:
        packed = zlib.compress(msgspec.json.encode(claims))
        # Without padding every character may stand in the name of a WebSocket subprotocol.
        text = base64.urlsafe_b64encode(self._signature(packed) + packed).decode().rstrip("=")
        return PREFIX + text

    def _verify(self, secret: str) -> _Claims | None:
        """What a secret says, or None if we never said it: nothing is unpacked before its signature is verified."""
        text = secret.removeprefix(PREFIX)
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return None
        signature, packed = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(packed)):
            return None
        try:
            return msgspec.json.decode(zlib.decompress(packed), type=_Claims)
        except msgspec.DecodeError:  # of an earlier release, whose sessions had other fields
            return None

    def _signature(self, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed, "sha256")


def _drop(held: dict[str, int] | dict[str, tuple[int, bytes]], names: Iterable[str]) -> None:
    for name in list(names):
        del held[name]
