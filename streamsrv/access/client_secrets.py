"""Client secrets: an application's server gives one to a browser, which opens one session with it, without the API key.

Pure: the caller passes the time in whole Unix seconds.
Source: the OpenAI Realtime GA schema (`POST /realtime/client_secrets`).
"""

import base64
import hashlib
import hmac
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from streamsrv.access.refusal import Refusal
from streamsrv.protocol.session_object import Session
from streamsrv.protocol.tools import McpTool

PREFIX = "ek_"
"""Prefix of every client secret; stock browser clients refuse others."""
MAX_SECRET_CHARS = 4000
"""Characters of the longest secret: it must fit in one header line of the length that servers and proxies accept."""
MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Bytes of compressed sessions that the server keeps because they do not fit in their secret."""
MAX_USED = 100_000
"""Used secrets to remember until they expire; while there are so many, no further secret is accepted."""
_SIGNATURE_BYTES = hashlib.sha256().digest_size


class UnusableSecret(Refusal):
    """A secret does not open a session, or no longer; `message` says why and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(401, code, message)


class NoRoomForSecrets(Refusal):
    """The server cannot remember more secrets for now."""

    def __init__(self, message: str) -> None:
        super().__init__(503, "too_many_client_secrets", message, retry_after_s=60)


class _Claims(Struct, array_like=True):
    session_id: str
    expires_at_s: int
    key_id: str
    caption_rooms: list[str]
    session: Session | None
    """The session of the secret; None: the server keeps it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client secret of this server allows.

    `key_id`: the fingerprint of the API key that made it. `caption_rooms`: the rooms in which its session may speak.
    """

    session_id: str
    key_id: str
    caption_rooms: frozenset[str]
    expires_at_s: int
    carried: Session | None = field(repr=False)
    """The session that the secret carries; None: the server keeps it."""


class ClientSecrets:
    """Makes client secrets and accepts each one once.

    A secret is signed with `key` and carries its session, so it also works at another process with the same key, and
    after a restart. Only this process knows which secrets were used, and the sessions that are too large for a secret.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._used: dict[str, int] = {}  # Unix seconds of expiry by session id
        self._kept: dict[str, tuple[int, bytes]] = {}  # expiry and compressed session by session id

    def make(self, session: Session, *, key_id: str, expires_at_s: int, now_s: int) -> str:
        """Make a secret that opens this session; raises `NoRoomForSecrets` if the server cannot keep a large session.

        The session may speak only in the caption room that it names here.
        """
        rooms = [session.captions.room] if session.captions is not None else []
        claims = _Claims(session.id, expires_at_s, key_id, rooms, session)
        secret = self._sign(claims)
        tells_secrets = any(isinstance(tool, McpTool) and tool.has_secrets for tool in session.tools)
        if len(secret) <= MAX_SECRET_CHARS and not tells_secrets:  # who has the secret can read what it carries
            return secret
        self._keep(session, expires_at_s, now_s)
        return self._sign(msgspec.structs.replace(claims, session=None))

    def identify(self, secret: str) -> Grant | None:
        """Return the grant of a secret of this server, even a used or expired one; None for any other text."""
        claims = self._verify(secret)
        if claims is None:
            return None
        rooms = frozenset(claims.caption_rooms)
        return Grant(claims.session_id, claims.key_id, rooms, claims.expires_at_s, claims.session)

    def check(self, secret: str, now_s: int) -> Grant:
        """Return the grant of a secret without using it up; raises `UnusableSecret` if it does not open a session."""
        grant = self.identify(secret)
        if grant is None:
            message = "This server did not make this client secret, or was restarted since. Ask for a new one."
            raise UnusableSecret("invalid_api_key", message)
        self._check_unused(grant, now_s)
        return grant

    def peek(self, grant: Grant, now_s: int) -> Session:
        """Return the session that a grant opens, without using the secret up; raises `UnusableSecret`."""
        self._check_unused(grant, now_s)
        if grant.carried is not None:
            return grant.carried
        _, packed = self._kept[grant.session_id]
        return msgspec.json.decode(zlib.decompress(packed), type=Session)

    def redeem(self, grant: Grant, now_s: int) -> None:
        """Use the secret up; raises `UnusableSecret` or `NoRoomForSecrets`."""
        self._check_unused(grant, now_s)
        if len(self._used) >= MAX_USED:
            _drop(self._used, (name for name, expires_at_s in self._used.items() if expires_at_s <= now_s))
        if len(self._used) >= MAX_USED:
            raise NoRoomForSecrets("Too many client secrets were used on this server. Try again in a few minutes.")
        self._used[grant.session_id] = grant.expires_at_s
        self._kept.pop(grant.session_id, None)

    def _check_unused(self, grant: Grant, now_s: int) -> None:
        if grant.expires_at_s <= now_s:
            message = f"This client secret expired {now_s - grant.expires_at_s} seconds ago. Ask for a new one."
            raise UnusableSecret("client_secret_expired", message)
        if grant.session_id in self._used:
            message = "This client secret was used before, and a secret opens one session only. Ask for a new one."
            raise UnusableSecret("client_secret_used", message)
        if grant.carried is None and grant.session_id not in self._kept:
            message = "The server was restarted since it made this client secret. Ask for a new one."
            raise UnusableSecret("client_secret_lost", message)

    def _keep(self, session: Session, expires_at_s: int, now_s: int) -> None:
        _drop(self._kept, (name for name, (kept_until_s, _) in self._kept.items() if kept_until_s <= now_s))
        packed = zlib.compress(msgspec.json.encode(session))
        if sum(len(held) for _, held in self._kept.values()) + len(packed) > MAX_KEPT_BYTES:
            raise NoRoomForSecrets(
                "Too many client secrets with large sessions are unused. Ask for one with a smaller session, and send "
                "the rest with session.update."
            )
        self._kept[session.id] = (expires_at_s, packed)

    def _sign(self, claims: _Claims) -> str:
        packed = zlib.compress(msgspec.json.encode(claims))
        # Without padding, all characters are allowed in the name of a WebSocket subprotocol.
        text = base64.urlsafe_b64encode(self._signature(packed) + packed).decode().rstrip("=")
        return PREFIX + text

    def _verify(self, secret: str) -> _Claims | None:
        """Check the signature, then unpack the claims; None if this server did not sign the secret."""
        if len(secret) > MAX_SECRET_CHARS:
            return None
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
        except msgspec.DecodeError:  # made by another release, whose sessions have other fields
            return None

    def _signature(self, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed, "sha256")


def _drop(held: dict[str, int] | dict[str, tuple[int, bytes]], names: Iterable[str]) -> None:
    for name in list(names):
        del held[name]
