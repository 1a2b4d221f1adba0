"""The error for a client that is turned away. Plain data: `http/` turns it into a response."""

from streamsrv.errors import INSUFFICIENT_QUOTA
from streamsrv.protocol.errors import ProtocolError


class Refusal(ProtocolError):
    """A request or session is not admitted.

    `status` is the HTTP status. `retry_after_s` is when to try again; None if trying again is useless. `by_load`:
    because the server is busy, though it has places left.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        *,
        retry_after_s: int | None = None,
        by_load: bool = False,
    ) -> None:
        match status:
            case _ if code == INSUFFICIENT_QUOTA:
                kind = code
            case 429:
                kind = "rate_limit_error"
            case _ if status >= 500:
                kind = "server_error"
            case _:
                kind = "invalid_request_error"
        super().__init__(code, message, param, kind)
        self.status = status
        self.retry_after_s = retry_after_s
        self.by_load = by_load
