"""`POST /v1/realtime/calls`: opens WebRTC calls from an SDP offer. `call_control.py` has what is done with calls."""

from typing import Any, cast

from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from streamsrv.access.authentication import client_address, identify
from streamsrv.access.refusal import Refusal
from streamsrv.errors import EngineError
from streamsrv.http.errors import describe
from streamsrv.http.request_body import read_body, read_form
from streamsrv.protocol.errors import ProtocolError, unknown_parameter
from streamsrv.protocol.json_values import UnreadableJson, read_json
from streamsrv.service import Service
from streamsrv.transports.webrtc.calls import Calls, webrtc_is_installed

MAX_SDP_BYTES = 128 * 1024
"""Longest SDP offer that is accepted; browsers send far shorter ones."""
MAX_FORM_BYTES = 2 * 1024 * 1024
"""Longest form of an offer and a session object."""


async def create(request: Request) -> Response:
    """Open a call: the body is an SDP offer, or a form with `sdp` and `session`; the answer comes as SDP."""
    service: Service = request.app.state.service
    calls: Calls = request.app.state.calls
    try:
        principal = identify(request, service.authentication.for_session)
        _check_installed()
        service.admission.check_session(principal)  # refuse early; the session takes its place after the body is read
        sdp, given = await _read(request)
        session = service.opening.requested(principal, request.query_params, given)
        call = await calls.open(sdp, session, principal, client_address(request))
    except ClientDisconnect:
        return Response(status_code=499)  # the client is gone
    except EngineError as error:
        return describe(error)
    location = f"{request.scope.get('root_path', '')}/v1/realtime/calls/{call.id}"
    return Response(call.sdp, 201, {"Location": location}, media_type="application/sdp")


def _check_installed() -> None:
    if not webrtc_is_installed():
        needed = "the package aiortc (pip install 'streamsrv[webrtc]') and FFmpeg with libopus"
        raise Refusal(501, "webrtc_unavailable", f"WebRTC is not available on this server: it needs {needed}.")


async def _read(request: Request) -> tuple[str, dict[str, Any]]:
    """Return the offer and the fields of the session. Raises `ProtocolError`."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    match content_type:
        case "application/sdp":
            return _text(await read_body(request, MAX_SDP_BYTES), "sdp"), {}
        case "multipart/form-data":
            return await _read_form(request)
        case _:
            message = f"Content type '{content_type}' is not accepted: send application/sdp or multipart/form-data."
            raise Refusal(415, "unsupported_media_type", message)


async def _read_form(request: Request) -> tuple[str, dict[str, Any]]:
    form = await read_form(request, MAX_FORM_BYTES, max_files=2)
    try:
        parts = {name: await value.read() if isinstance(value, UploadFile) else value for name, value in form.items()}
    finally:
        await form.close()
    for name in parts:
        if name not in ("sdp", "session"):
            raise unknown_parameter(name, "", ("sdp", "session"))
    if "sdp" not in parts:
        raise ProtocolError("missing_required_parameter", "Missing required parameter: 'sdp'.", "sdp")
    sdp = _text(parts["sdp"], "sdp")
    if len(sdp) > MAX_SDP_BYTES:
        raise Refusal(413, "request_too_large", f"'sdp' is longer than {MAX_SDP_BYTES} bytes.", "sdp")
    return sdp, _session_fields(parts.get("session") or "{}")


def _session_fields(text: str | bytes) -> dict[str, Any]:
    try:
        value = read_json(text)
    except UnreadableJson as error:
        raise ProtocolError("invalid_json", f"'session' cannot be read: {error}.", "session") from None
    if not isinstance(value, dict):
        raise ProtocolError("invalid_value", "'session' is not a JSON object.", "session")
    return cast("dict[str, Any]", value)


def _text(body: str | bytes, param: str) -> str:
    try:
        return body if isinstance(body, str) else body.decode()
    except UnicodeDecodeError:
        raise ProtocolError("invalid_value", f"'{param}' is not UTF-8.", param) from None
