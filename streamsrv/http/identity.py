"""Middleware that gives each HTTP request an id and, for endpoints that need a key, a principal."""

from collections.abc import Callable

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamsrv.access.authentication import identify
from streamsrv.access.principal import Principal
from streamsrv.ids import new_id
from streamsrv.observability.logging import log_as


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
        request_id = new_id("req")
        HTTPConnection(scope).state.log_names = {"request": request_id}
        log_as(request=request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), (b"x-request-id", request_id.encode())]}
            await send(message)

        await self._app(scope, receive, send_with_id)
