"""The protocol class of HTTP connections: uvicorn's over h11, with a fix."""

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEADER_BYTES = 64 * 1024
"""Longest request line and headers. Pages on localhost send the cookies of all servers on that host."""


class HttpConnection(H11Protocol):
    """A connection that closes when invalid data arrives during a response.

    uvicorn would start a second response, which fails with a traceback in the log.
    """

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()
