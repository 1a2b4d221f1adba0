"""Checks keys, client secrets and web origins before the server does anything else for a client."""

import hmac
import time
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from starlette.requests import HTTPConnection

from streamsrv.access.client_secrets import PREFIX, ClientSecrets, Grant, UnusableSecret
from streamsrv.access.principal import LOOPBACK, PUBLIC, KeyLimits, Principal, key_id
from streamsrv.access.refusal import Refusal
from streamsrv.observability.logging import log_as
from streamsrv.settings import Settings
from streamsrv.web_addresses import is_loopback

_DEFAULT_PORTS = {"http": 80, "https": 443}
KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""Prefix of the WebSocket subprotocol in which browsers send the key, because they cannot set headers."""


def offered_subprotocols(connection: HTTPConnection) -> list[str]:
    header = connection.headers.get("sec-websocket-protocol", "")
    return [name.strip() for name in header.split(",") if name.strip()]


def presented_key(connection: HTTPConnection) -> str | None:
    """Return the key of a client: its bearer token, browser subprotocol or `api-key` header, in this order."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for name in offered_subprotocols(connection):
        if name.startswith(KEY_SUBPROTOCOL):
            return name.removeprefix(KEY_SUBPROTOCOL)
    return connection.headers.get("api-key")


def client_address(connection: HTTPConnection) -> str:
    """Return the `host:port` of a client; without a port if a trusted proxy names the client, and not its port."""
    if connection.client is None:
        return "unknown"
    host, port = connection.client
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def identify(connection: HTTPConnection, authenticate: Callable[[HTTPConnection], Principal]) -> Principal:
    """Return the principal of a connection, and store it as `state.principal` and in the log context.

    `authenticate` is a method of `Authentication`. Raises `Refusal`.
    """
    principal = authenticate(connection)
    connection.state.principal = principal
    log_as(**getattr(connection.state, "log_names", {}), principal=str(principal))
    return principal


class Authentication:
    """Finds the principal of a connection. Each method raises `Refusal` if the client may not do what it names.

    A server without keys trusts every client on loopback, but not every page in a browser on this machine. A page must
    come from this server (with a loopback name as `Host`, which also stops DNS rebinding) or from an allowed origin.
    `settings` returns the settings in force.
    """

    def __init__(self, settings: Callable[[], Settings], client_secrets: ClientSecrets) -> None:
        self._read_settings = settings
        self._client_secrets = client_secrets

    @property
    def _settings(self) -> Settings:
        return self._read_settings()

    def for_request(self, connection: HTTPConnection) -> Principal:
        """Authenticate a request that needs an API key."""
        principal = self._of_key(connection)
        self._check_page(connection)
        return principal

    def for_session(self, connection: HTTPConnection) -> Principal:
        """Authenticate a client that opens a session: a client secret is enough, and is not used up yet."""
        secret = self._secret(connection)
        if secret is None:
            return self.for_request(connection)
        grant = self._client_secrets.check(secret, int(time.time()))
        if self._settings.api_keys and not self._is_key_id(grant.key_id):
            message = "The API key that made this client secret is no longer accepted. Ask for a new one."
            raise UnusableSecret("invalid_api_key", message)
        self._check_page(connection)
        return self._principal(grant.key_id, grant)

    def for_call(self, connection: HTTPConnection) -> Principal:
        """Authenticate a client that controls a call: the secret that opened it is enough, even used or expired."""
        secret = self._secret(connection)
        grant = self._client_secrets.identify(secret) if secret is not None and self._settings.api_keys else None
        if grant is None:
            return self.for_request(connection)
        self._check_page(connection)
        return self._principal(grant.key_id, grant)

    def for_caption_reader(self, connection: HTTPConnection) -> Principal:
        """Authenticate a client that reads captions; with `captions_public`, anybody may read them."""
        settings = self._settings
        return PUBLIC if settings.captions_public and settings.api_keys else self.for_request(connection)

    def _of_key(self, connection: HTTPConnection) -> Principal:
        if not self._settings.api_keys:
            return self._principal(LOOPBACK.key_id)
        key = presented_key(connection)
        if key is not None and self._is_known(key):
            return self._principal(key_id(key))
        message = "Incorrect or missing API key."
        if self._secret(connection) is not None:
            message = "A client secret only opens a realtime session; this request needs an API key."
        raise Refusal(401, "invalid_api_key", message)

    def _principal(self, identity: str, grant: Grant | None = None) -> Principal:
        settings = self._settings
        limits = KeyLimits(
            sessions=settings.max_sessions_per_key,
            requests=settings.max_requests_per_key,
            responses_per_minute=settings.responses_per_minute_per_key,
            cost_per_session=settings.max_cost_per_session,
            cost_per_day=settings.max_cost_per_key_per_day,
        )
        return Principal(identity, grant, limits)

    def _secret(self, connection: HTTPConnection) -> str | None:
        """Return the client secret that a client sent, valid or not; None if it sent an API key or nothing."""
        key = presented_key(connection)
        return key if key is not None and key.startswith(PREFIX) and not self._is_known(key) else None

    def _is_known(self, key: str) -> bool:
        given = key.encode()
        known = [hmac.compare_digest(given, held.get_secret_value().encode()) for held in self._settings.api_keys]
        return any(known)

    def _is_key_id(self, identity: str) -> bool:
        """Whether this is the fingerprint of an accepted API key."""
        return identity in (key_id(held.get_secret_value()) for held in self._settings.api_keys)

    def _check_page(self, connection: HTTPConnection) -> None:
        if not self._settings.api_keys:
            self._check_is_local(connection)
        origin = connection.headers.get("origin")
        if origin is not None and not self._origin_allowed(origin, connection):
            host = connection.headers.get("host", "")
            message = (
                f"Pages of the origin '{origin}' may not connect to the host '{host}', unless allowed_origins has it."
            )
            raise Refusal(403, "origin_not_allowed", message)

    def _check_is_local(self, connection: HTTPConnection) -> None:
        host = _split(f"//{connection.headers.get('host', '')}").hostname or ""
        if not is_loopback(host):
            message = f"This server has no API keys, so it serves loopback only, not the host '{host}'."
            raise Refusal(403, "forbidden", message)
        # A proxy on this machine connects from loopback, and may put a loopback name into `Host`.
        forwarded = connection.headers.getlist("x-forwarded-for")
        for client in (address.strip() for line in forwarded for address in line.split(",")):
            if client and not is_loopback(client):
                message = f"This server has no API keys, so it serves loopback only, not '{client}' through a proxy."
                raise Refusal(403, "forbidden", message)

    def _origin_allowed(self, origin: str, connection: HTTPConnection) -> bool:
        allowed = self._settings.allowed_origins
        if origin in allowed or "*" in allowed:
            return True
        if self._settings.api_keys and not allowed:
            return True  # a page must know the key: browsers do not add it by themselves, as they add cookies
        page = _split(origin)
        host = _split(f"{page.scheme}://{connection.headers.get('host', '')}")
        return bool(page.netloc) and _place(page) == _place(host)


def _split(url: str) -> SplitResult:
    """Return the parts of a URL; all are empty if the URL is malformed."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _place(url: SplitResult) -> tuple[str | None, int | None]:
    """Return the host and the port of a URL; the port is the scheme's own if the URL has none."""
    try:
        return url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme)
    except ValueError:  # the port is no number
        return None, None
