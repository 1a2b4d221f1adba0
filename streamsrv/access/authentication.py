"""Who may connect: keys and web origins, checked before anything else is done for a client."""

import hmac
import time
from urllib.parse import SplitResult, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from streamsrv.access.client_secrets import PREFIX, ClientSecrets, UnusableSecret
from streamsrv.config import Settings, is_loopback
from streamsrv.http.errors import describe, error_response

KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""Prefix of the WebSocket subprotocol in which browsers carry the key: they cannot set headers."""


def offered_subprotocols(connection: HTTPConnection) -> list[str]:
    header = connection.headers.get("sec-websocket-protocol", "")
    return [name.strip() for name in header.split(",") if name.strip()]


def presented_key(connection: HTTPConnection) -> str | None:
    """The key of a client: bearer token, browser subprotocol or `api-key` header, in this order."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for name in offered_subprotocols(connection):
        if name.startswith(KEY_SUBPROTOCOL):
            return name.removeprefix(KEY_SUBPROTOCOL)
    return connection.headers.get("api-key")


def presented_client_secret(connection: HTTPConnection, settings: Settings) -> str | None:
    """The client secret of a client, be it valid or not; None for one that comes with a key of the server or none."""
    key = presented_key(connection)
    return key if key is not None and key.startswith(PREFIX) and not _is_known(key, settings) else None


def refusal(
    connection: HTTPConnection, settings: Settings, client_secrets: ClientSecrets | None = None
) -> Response | None:
    """The response that turns a client away, or None for one that may come in.

    `client_secrets`: where a session is to be opened, for which one of these is as good as a key. It is not used up.
    Without keys whoever reaches loopback is trusted, but not any page that a browser on this machine has open: the
    page must come from this server (its `Host` a loopback name, which also stops DNS rebinding) or be allowed.
    """
    secret = presented_client_secret(connection, settings)
    if secret is not None and client_secrets is not None:
        try:
            client_secrets.check(secret, int(time.time()))
        except UnusableSecret as error:
            return describe(error)
    elif settings.api_keys and not _is_known(presented_key(connection), settings):
        message = "Incorrect or missing API key."
        if secret is not None:
            message = "A client secret opens a realtime session and nothing else; here an API key is needed."
        return error_response(401, message, code="invalid_api_key")
    if not settings.api_keys:
        host = _split(f"//{connection.headers.get('host', '')}").hostname or ""
        if not is_loopback(host):
            return error_response(
                403, f"This server has no key and serves loopback only, not '{host}'.", code="forbidden"
            )
    origin = connection.headers.get("origin")
    if origin is not None and not _origin_allowed(origin, connection, settings):
        return error_response(403, f"Pages of the origin '{origin}' may not connect.", code="origin_not_allowed")
    return None


class Authentication:
    """ASGI middleware that turns HTTP requests away by `refusal`; WebSockets are left to their transport."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        denial = refusal(HTTPConnection(scope), self._settings) if scope["type"] == "http" else None
        await (denial or self._app)(scope, receive, send)


def _is_known(key: str | None, settings: Settings) -> bool:
    given = (key or "").encode()
    known = [hmac.compare_digest(given, secret.get_secret_value().encode()) for secret in settings.api_keys]
    return any(known)


def _origin_allowed(origin: str, connection: HTTPConnection, settings: Settings) -> bool:
    if origin in settings.allowed_origins or "*" in settings.allowed_origins:
        return True
    if settings.api_keys and not settings.allowed_origins:
        return True  # the key is the authority, and it is not ambient as a cookie is
    return _split(origin).netloc == connection.headers.get("host")


def _split(url: str) -> SplitResult:
    """The parts of a URL; all are empty if it is malformed."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")
