"""HTTP errors in the OpenAI shape."""

import errno
import logging
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from streamsrv.access.refusal import Refusal
from streamsrv.errors import (
    INSUFFICIENT_QUOTA,
    PROVIDER_UNAUTHORIZED,
    EngineError,
    Overloaded,
    QuotaSpent,
    Rejected,
    Unavailable,
)
from streamsrv.observability.metrics import RefusalReason
from streamsrv.protocol.errors import ProtocolError

logger = logging.getLogger(__name__)

REFUSED = "streamsrv.refused"
"""Key of the scope of a request that was refused; the value is `Refused`."""
MAX_PATH = 256
"""Longest part of a request's path that an error quotes, in characters."""


def error_response(
    status: int,
    message: str,
    *,
    code: str,
    type: str = "invalid_request_error",
    param: str | None = None,
    headers: dict[str, str] | None = None,
    reason: RefusalReason | None = None,
) -> "ErrorResponse":
    """Return a response with an HTTP status and `{"error": {message, type, code, param}}`.

    `reason`: how the log and the metrics name it; None: what follows from status and code.
    """
    body = {"error": {"message": message, "type": type, "code": code, "param": param}}
    response = ErrorResponse(body, status_code=status, headers=headers)
    response.refused = Refused(reason or reason_of(status, code), code, message, status)
    return response


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a request or a WebSocket was refused, for the log and the metrics."""

    reason: RefusalReason
    code: str
    message: str
    status: int


class ErrorResponse(JSONResponse):
    """An error; when it is sent, it notes in the request's scope why the request was refused."""

    refused: Refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[REFUSED] = self.refused
        await super().__call__(scope, receive, send)


def reason_of(status: int, code: str) -> RefusalReason:
    """Return the name of a refusal in the log and the metrics."""
    if code in ("session_limit_reached", "request_limit_reached"):
        return "key_full" if status == HTTPStatus.TOO_MANY_REQUESTS else "full"
    return _REASON_BY_CODE.get(code) or _REASON_BY_STATUS.get(status) or ("unavailable" if status >= 500 else "invalid")


_REASON_BY_CODE: dict[str, RefusalReason] = {
    INSUFFICIENT_QUOTA: "quota",
    "client_secret_expired": "client_secret",
    "client_secret_used": "client_secret",
    "client_secret_lost": "client_secret",
    "forbidden": "host",
    "origin_not_allowed": "origin",
    "viewer_limit_reached": "full",
    "caption_room_limit_reached": "full",
    "too_many_files": "full",
    "media_ports_in_use": "full",
    "server_shutting_down": "stopping",
}
_REASON_BY_STATUS: dict[int, RefusalReason] = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "not_found",
    408: "timeout",
    413: "too_large",
    429: "rate",
    500: "internal",
}


def describe(error: Exception) -> ErrorResponse:
    """Return the response for an error. Errors whose cause the client must not see are logged."""
    match error:
        case Refusal():
            headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
            if error.code == INSUFFICIENT_QUOTA:
                headers["x-should-retry"] = "false"  # stock clients would try again at once
            if error.status == HTTPStatus.UNAUTHORIZED:
                headers["WWW-Authenticate"] = "Bearer"
            code, kind, param = error.code, error.type, error.param
            reason = "load" if error.by_load else None
            return error_response(
                error.status, error.message, code=code, type=kind, param=param, headers=headers, reason=reason
            )
        case ProtocolError():
            status = _STATUS.get(error.code, 400)
            return error_response(status, error.message, code=error.code, type=error.type, param=error.param)
        case QuotaSpent():  # stock clients would try again at once
            headers = {"x-should-retry": "false"}
            return error_response(429, str(error), code=INSUFFICIENT_QUOTA, type=INSUFFICIENT_QUOTA, headers=headers)
        case Rejected():
            return error_response(400, str(error), code=error.code or "rejected", param=error.param)
        case Overloaded():
            return error_response(
                429, str(error), code="rate_limit_exceeded", type="server_error", headers={"Retry-After": "5"}
            )
        case Unavailable(refuses_key=True):
            return error_response(502, str(error), code=PROVIDER_UNAUTHORIZED, type="server_error")
        case EngineError():
            return error_response(503, str(error), code="engine_unavailable", type="server_error")
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            logger.error("no file descriptors left: %s", error)
            message = "The server has too many files and connections open."
            headers = {"Retry-After": "5"}
            return error_response(503, message, code="too_many_files", type="server_error", headers=headers)
        case _:
            logger.error("a request failed", exc_info=error)
            return error_response(500, "Internal error.", code="internal_error", type="server_error")


_STATUS = {"caption_room_not_allowed": 403}
"""HTTP statuses by error code; other `ProtocolError`s have the status 400."""


async def protocol_error(connection: HTTPConnection, error: Exception) -> Response | None:
    """Return the response for an error that a route raised. A WebSocket gets it in place of the upgrade."""
    response = describe(error)
    if isinstance(connection, WebSocket):
        await connection.send_denial_response(response)
        return None
    return response


async def http_exception(request: Request, exception: Exception) -> ErrorResponse:
    """Return Starlette's own errors (unknown path, wrong method) in the same shape."""
    assert isinstance(exception, HTTPException)
    phrase = HTTPStatus(exception.status_code).phrase
    message = f"{phrase}: {request.method} {request.scope['path'][:MAX_PATH]}"
    headers = dict(exception.headers or {})
    return error_response(exception.status_code, message, code=phrase.lower().replace(" ", "_"), headers=headers)
