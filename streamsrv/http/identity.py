"""Middleware that gives each HTTP request an id and, for endpoints that need a key, a principal."""

import logging
import time
from collections.abc import Callable
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamsrv.access.authentication import identify
from streamsrv.access.principal import Principal
from streamsrv.ids import new_id
from streamsrv.log_context import log_as

logger = logging.getLogger(__name__)

_LOGGED = "/v1/"
"""Requests below this path are logged; pages and health checks are not."""


class Authenticated:
    """ASGI middleware that accepts HTTP requests with an API key; raises `Refusal` for others."""

    def __init__(self, app: ASGIApp, authenticate: Callable[[HTTPConnection], Principal]) -> None:
        self._app = app
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            identify(HTTPConnection(scope), self._authenticate)
        await self._app(scope, receive, send)


class RequestIds:
    """ASGI middleware that gives each HTTP request an id, for its log lines and the header `x-request-id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, started_s, status = new_id("req"), time.monotonic(), 0
        HTTPConnection(scope).state.request_ids = (request_id,)
        log_as(request_id)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", []), (b"x-request-id", request_id.encode())]}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            if scope["path"].startswith(_LOGGED):
                ms = 1000 * (time.monotonic() - started_s)
                path = quote(scope["path"])  # quote it: a line break would start a new log line
                logger.info("%s %s: %s after %.0f ms", scope["method"], path, status or "no answer", ms)
