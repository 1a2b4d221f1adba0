"""The protocol class of HTTP connections: uvicorn's over h11, with fixes."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEADER_BYTES = 64 * 1024
"""Longest request line and headers. Pages on localhost send the cookies of all servers on that host."""
HEADER_S = 30.0
"""How many seconds a client may take to send the headers of a request."""


class HttpConnection(H11Protocol):
    """A connection that closes when invalid data arrives during a response, and when a request does not come.

    uvicorn would start a second response to invalid data, which fails with a traceback in the log. And it waits without
    end for the first request of a connection, and for headers that have begun: each such connection, also one whose
    client has vanished, would keep its file descriptor.
    """

    _no_request: asyncio.TimerHandle | None = None
    """Closes the connection unless the headers of a request arrive before."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.our_state is h11.IDLE:
            self._expect_request()
        else:
            self._expect_nothing()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._expect_nothing()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _expect_request(self) -> None:
        """Start the timer, unless it runs: a byte now and then gives a client no more time."""
        if self._no_request is None and not self.transport.is_closing():
            self._no_request = self.loop.call_later(HEADER_S, self.transport.close)

    def _expect_nothing(self) -> None:
        if self._no_request is not None:
            self._no_request.cancel()
            self._no_request = None
