"""`POST /v1/realtime/client_secrets`: makes a short-lived secret with which a browser opens one session."""

import time
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from streamsrv.access.principal import Principal
from streamsrv.http.request_body import read_json
from streamsrv.protocol.session_object import session_to_wire
from streamsrv.service import Service


class Expiry(Struct, forbid_unknown_fields=True):
    """When a secret expires, in seconds after its creation. Its session does not end with it."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Meta(ge=10, le=7200)] = 600


class ClientSecretRequest(Struct, forbid_unknown_fields=True):
    expires_after: Expiry = field(default_factory=Expiry)
    session: dict[str, Any] = {}


async def client_secrets(request: Request) -> Response:
    """Make a secret; return `{value, expires_at, session}` with the session that it will open."""
    service: Service = request.app.state.service
    try:
        asked = await read_json(request, ClientSecretRequest)
        return JSONResponse(_make(asked, request.state.principal, service), headers={"Cache-Control": "no-store"})
    except ClientDisconnect:
        return Response(status_code=499)  # the client is gone


def _make(asked: ClientSecretRequest, principal: Principal, service: Service) -> dict[str, Any]:
    now_s = int(time.time())
    expires_at_s = now_s + asked.expires_after.seconds
    session = service.opening.new(principal, asked.session)
    key_id = principal.key_id
    value = service.client_secrets.make(session, key_id=key_id, expires_at_s=expires_at_s, now_s=now_s)
    fitted = service.capabilities_of(principal).fit(session)
    return {"value": value, "expires_at": expires_at_s, "session": session_to_wire(fitted)}
