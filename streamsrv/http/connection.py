"""HTTP connections as uvicorn serves them, over h11."""

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEADER_BYTES = 64 * 1024
"""Request line and headers: a page on this machine brings the cookies of all others there."""


class HttpConnection(H11Protocol):
    """A connection that is closed when what cannot be read comes in the middle of a response.

    uvicorn would begin another response there, which fails with a traceback in the log.
    """

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()
