"""`POST /v1/calls`: begins a telephone call, where the operator allows it."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.errors import EngineError
from streamsrv.http.errors import describe
from streamsrv.http.request_body import read_json
from streamsrv.phone_settings import MAX_NUMBER_CHARS
from streamsrv.service import Service
from streamsrv.transports.telephony.outbound import OutboundCalls

Number = Annotated[str, Meta(min_length=1, max_length=MAX_NUMBER_CHARS)]


class CallRequest(Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Whom to call, and who talks to them. `from_`, `provider`: the first, or only one, where it is left out."""

    to: Number
    agent: Annotated[str, Meta(min_length=1, max_length=256)]
    from_: Annotated[str, Meta(max_length=MAX_NUMBER_CHARS)] = ""
    provider: Annotated[str, Meta(max_length=64)] = ""


async def begin(request: Request) -> Response:
    """Begin a call and return at once; it is answered, or not, later."""
    service: Service = request.app.state.service
    calls: OutboundCalls = request.app.state.outbound_calls
    principal = request.state.principal
    asked = await read_json(request, CallRequest)
    service.check_quota(principal)
    service.admission.check_session(principal)  # the session takes its place when the callee answers
    try:
        call = await calls.begin(asked.to, asked.from_, asked.agent, asked.provider, principal)
    except EngineError as error:
        return describe(error)
    answer = {
        "id": call.id,
        "object": "streamsrv.outbound_call",
        "provider": call.provider,
        "provider_call_id": call.call_id,
        "to": call.to,
        "from": call.from_,
        "agent": call.agent.name,
        "status": "queued",
    }
    return JSONResponse(answer, 201)
