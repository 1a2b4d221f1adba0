"""Middleware of all HTTP requests: bounds unread bodies, closes after early answers, ends requests at shutdown."""

import asyncio
import contextlib
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamsrv.http.errors import error_response

LINGER_S = 5.0
"""Seconds for which a client may continue to send a body after an early answer, and before one through a proxy. Closing
at once would reset the connection, and many clients would not see the answer."""
LINGER_BYTES = 32 * 1024 * 1024
"""Bytes of the body that a client may send after an early answer."""


class Exchanges:
    """The active HTTP requests of a server. At most `max_unread()` of them may have an incomplete body."""

    def __init__(self, max_unread: Callable[[], int]) -> None:
        self._max_unread = max_unread
        self.unread: set[_Exchange] = set()
        self.going_on: set[_Exchange] = set()

    @property
    def max_unread(self) -> int:
        return self._max_unread()

    def end_unread(self) -> int:
        """End the requests with an incomplete body at shutdown; return their number."""
        return _end(self.unread)

    def end_all(self) -> int:
        """End all requests at shutdown; return their number."""
        return _end(self.going_on)


def _end(exchanges: "set[_Exchange]") -> int:
    for exchange in list(exchanges):
        exchange.end()
    return len(exchanges)


class TrackExchanges:
    """ASGI middleware that keeps `Exchanges` up to date.

    A request that the shutdown ends gets a 503; if its response has begun, the connection is closed. After an early
    answer, the connection is closed once `LINGER_S` or `LINGER_BYTES` are over.
    """

    def __init__(self, app: ASGIApp, exchanges: Exchanges) -> None:
        self._app = app
        self._exchanges = exchanges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._exchanges)
        app = _too_many_bodies if len(self._exchanges.unread) > self._exchanges.max_unread else self._app
        try:
            await app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            if not exchange.is_ended:
                raise
            exchange.task.uncancel()
            if not exchange.has_started:
                await _shutting_down(scope, exchange.receive, exchange.send)
        finally:
            exchange.forget()


_too_many_bodies = error_response(
    503,
    "This server is receiving its maximum of request bodies.",
    code="request_limit_reached",
    type="server_error",
    headers={"Retry-After": "2"},
)
_shutting_down = error_response(
    503,
    "The server is shutting down.",
    code="server_shutting_down",
    type="server_error",
    headers={"Retry-After": "5"},
)


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, exchanges: Exchanges) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.has_started = False
        """Whether the response has begun."""
        self.is_ended = False
        """Whether the shutdown ended the request."""
        self._receive = receive
        self._send = send
        self._exchanges = exchanges
        exchanges.going_on.add(self)
        headers = Headers(scope=scope)
        self._answers_early = "x-forwarded-for" not in headers or "expect" in headers
        """Whether the client gets an answer that is sent before it has sent its body. Behind a proxy it may not: Caddy
        passes the answer on and resets the connection. A client that waits for `100 Continue` sends no body."""
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            exchanges.unread.add(self)

    @property
    def is_read(self) -> bool:
        return self not in self._exchanges.unread

    def end(self) -> None:
        if not self.is_ended:
            self.is_ended = True
            self.task.cancel()

    def forget(self) -> None:
        self._exchanges.unread.discard(self)
        self._exchanges.going_on.discard(self)

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        if not message.get("more_body"):
            self._exchanges.unread.discard(self)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self.is_read and not self._answers_early and not self.is_ended:
                await self._linger()
            self.has_started = True
            if not self.is_read:
                MutableHeaders(scope=message)["Connection"] = "close"
        elif not message.get("more_body") and not self.is_read and not self.is_ended:
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": message["type"], "body": b""}
        await self._send(message)

    async def _linger(self) -> None:
        """Read and discard the rest of the body, within the bounds."""
        dropped = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while not self.is_read and dropped < LINGER_BYTES:
                    dropped += len((await self.receive()).get("body", b""))
