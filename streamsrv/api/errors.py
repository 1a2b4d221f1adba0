"""HTTP errors in the OpenAI shape."""

from starlette.responses import JSONResponse


def error_response(
    status: int, message: str, *, code: str, type: str = "invalid_request_error", headers: dict[str, str] | None = None
) -> JSONResponse:
    """`{"error": {message, type, code, param}}` with an HTTP status."""
    body = {"error": {"message": message, "type": type, "code": code, "param": None}}
    return JSONResponse(body, status_code=status, headers=headers)
