"""`/v1/realtime/calls/{call_id}/...`: accepts, rejects, refers and ends calls, and `/v1/streamsrv/calls` lists them.

Source: the OpenAI API reference of Realtime calls.
"""

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from streamsrv.access.authentication import identify
from streamsrv.access.refusal import Refusal
from streamsrv.errors import Rejected, Unavailable
from streamsrv.http.request_body import MAX_JSON_BYTES, convert_object, read_body, read_json, read_object
from streamsrv.protocol.errors import MAX_QUOTED, ProtocolError
from streamsrv.service import Service
from streamsrv.transports.live_calls import LiveCall, LiveCalls
from streamsrv.transports.telephony.application.ringing_calls import RingingCall, RingingCalls

DECLINE = 603
"""SIP's status for a callee who does not want to take the call."""
MAX_TARGET = 512
"""Characters of the URI of a transfer."""
_TARGET = re.compile(
    r"tel:\+?[0-9A-Da-d*#().-]+(;[!#-+\--;=?-~]+)?"  # printable ASCII that cannot end the header of a REFER
    r"|sips?:([!#-+\--;=?A-~]+@)?[!#-+\--;=?A-~]+",
    re.IGNORECASE,
)


class RejectRequest(Struct, forbid_unknown_fields=True):
    status_code: Annotated[int, Meta(ge=400, le=699)] = DECLINE


class ReferRequest(Struct, forbid_unknown_fields=True):
    target_uri: Annotated[str, Meta(max_length=MAX_TARGET)]


Handler = Callable[[Request, LiveCall, RingingCall | None], Awaitable[None]]


def _of_call(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Make a route of what is done with the call that the path names; the answer is empty, as published.

    An API key may control any call, a client secret only the call that it opened.
    """

    @wraps(handler)
    async def route(request: Request) -> Response:
        service: Service = request.app.state.service
        live: LiveCalls = request.app.state.live_calls
        ringing: RingingCalls = request.app.state.ringing_calls
        principal = identify(request, service.authentication.for_call)
        call = live.find(request.path_params["call_id"], principal)
        try:
            await handler(request, call, ringing.find(call.id))
        except ClientDisconnect:
            return Response(status_code=499)  # the client is gone
        return JSONResponse({})

    return route


@_of_call
async def accept(request: Request, call: LiveCall, ringing: RingingCall | None) -> None:
    """Answer a call that rings; the body is a session object. A bad one is refused, and the call rings on."""
    fields = read_object(await read_body(request, MAX_JSON_BYTES))
    _check_rings(call, ringing).accept(fields)


@_of_call
async def reject(request: Request, call: LiveCall, ringing: RingingCall | None) -> None:
    """Refuse a call that rings; `status_code`: SIP's."""
    body = await read_body(request, MAX_JSON_BYTES)
    asked = convert_object(read_object(body), RejectRequest) if body.strip() else RejectRequest()
    _check_rings(call, ringing).reject(asked.status_code)


@_of_call
async def refer(request: Request, call: LiveCall, ringing: RingingCall | None) -> None:
    """Give a call to another telephone, before or after it is answered."""
    asked = await read_json(request, ReferRequest)
    if not _TARGET.fullmatch(asked.target_uri):
        message = (
            f"Invalid value {asked.target_uri[:MAX_QUOTED]!r} for 'target_uri': accepted are tel: URIs with a number, "
            "and sip: and sips: URIs, such as 'tel:+14155550123' and 'sip:agent@example.com'."
        )
        raise ProtocolError("invalid_value", message, "target_uri")
    try:
        await (ringing or call).refer(asked.target_uri)
    except Rejected as error:
        raise Refusal(400, "transfer_rejected", f"The call goes on: {error}", "target_uri") from error
    except Unavailable as error:
        raise Refusal(502, "transfer_failed", f"The call goes on: {error}") from error


@_of_call
async def hang_up(request: Request, call: LiveCall, ringing: RingingCall | None) -> None:
    """End a call, also one that rings."""
    if ringing is not None and not ringing.is_decided:
        ringing.hang_up()
    else:
        call.hang_up("The call was hung up.")


async def calls(request: Request) -> Response:
    """Return the calls that ring or are active, the oldest first."""
    live: LiveCalls = request.app.state.live_calls
    found = sorted(live, key=lambda call: call.summary.began_at)
    return JSONResponse(
        {"object": "list", "data": [_describe(call) for call in found]}, headers={"Cache-Control": "no-store"}
    )


def _describe(call: LiveCall) -> dict[str, Any]:
    summary = call.summary
    return {
        "id": call.id,
        "object": "realtime.call",
        "provider": summary.provider,
        "direction": summary.direction,
        "state": summary.state,
        "agent": summary.agent,
        "caller": summary.caller,
        "created_at": int(summary.began_at),
    }


def _check_rings(call: LiveCall, ringing: RingingCall | None) -> RingingCall:
    """Return the call as one that rings; raises `Refusal`."""
    if ringing is None:
        message = f"The call '{call.id}' does not ring here: it was answered or rejected, or is made by this server."
        raise Refusal(409, "call_not_ringing", message, "call_id")
    return ringing
