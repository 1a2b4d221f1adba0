"""`POST /v1/calls/audiosocket`: Asterisk's dialplan fetches the UUID of a call, and says who calls whom."""

from typing import Annotated
from urllib.parse import parse_qsl

from msgspec import Meta, Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from streamsrv.access.authentication import identify
from streamsrv.access.refusal import Refusal
from streamsrv.http.request_body import convert, convert_object, read_body, read_object
from streamsrv.protocol.errors import invalid
from streamsrv.service import Service
from streamsrv.transports.telephony.audiosocket_server import AudioSocketServer
from streamsrv.transports.telephony.media_socket import StreamRefused
from streamsrv.transports.telephony.tokens import NoRoomForTokens

MAX_BODY_BYTES = 16 * 1024
MAX_FIELDS = 10

Number = Annotated[str, Meta(max_length=256)]


class Announcement(Struct, forbid_unknown_fields=True):
    """Who calls whom; both may be empty."""

    caller: Number = ""
    called: Number = ""


async def announce(request: Request) -> Response:
    """Return a UUID as plain text, which is what the function CURL() of the dialplan gives."""
    service: Service = request.app.state.service
    calls: AudioSocketServer = request.app.state.audiosocket
    principal = identify(request, service.authentication.for_request)
    if service.settings.audiosocket_port is None:
        raise Refusal(404, "audiosocket_off", "AudioSocket is off; the setting audiosocket_port turns it on.")
    try:
        announcement = await _read(request)
    except ClientDisconnect:
        return Response(status_code=499)  # the client is gone
    try:
        return PlainTextResponse(calls.announce(principal, announcement.caller, announcement.called))
    except StreamRefused as refused:
        raise Refusal(404, "number_not_answered", str(refused), "called") from refused
    except NoRoomForTokens as full:
        raise Refusal(503, "too_many_calls", str(full), retry_after_s=5) from full


async def _read(request: Request) -> Announcement:
    """Read a form, as CURL() sends it, or a JSON object."""
    body = await read_body(request, MAX_BODY_BYTES)
    if request.headers.get("content-type", "").lower().startswith("application/json"):
        return convert_object(read_object(body), Announcement)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise invalid(f"{len(body)} bytes", "body", f"it is no form such as called=%2B492 ({error})") from None
    given = dict(fields)
    if len(given) < len(fields):
        raise invalid(f"{len(fields)} fields", "body", "each field is given once")
    return convert(given, Announcement)
