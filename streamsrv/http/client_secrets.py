"""`POST /v1/realtime/client_secrets`: a short-lived secret with which a browser opens one session."""

import time
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from streamsrv.access.opening import new_session
from streamsrv.http.errors import describe
from streamsrv.http.request_body import read_json
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import session_to_wire
from streamsrv.service import Service


class Expiry(Struct):
    """Seconds after the secret was made. A session that it opened lives on."""

    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[int, Meta(ge=10, le=7200)] = 600


class ClientSecretRequest(Struct):
    expires_after: Expiry = field(default_factory=Expiry)
    session: dict[str, Any] = {}


async def client_secrets(request: Request) -> Response:
    """Make a secret: `{value, expires_at, session}`, the session as it will be opened."""
    service: Service = request.app.state.service
    try:
        asked = await read_json(request, ClientSecretRequest)
        return JSONResponse(_make(asked, service), headers={"Cache-Control": "no-store"})
    except ClientDisconnect:
        return Response(status_code=499)  # nobody reads it
    except ProtocolError as error:
        return describe(error)


def _make(asked: ClientSecretRequest, service: Service) -> dict[str, Any]:
    now = int(time.time())
    expires_at = now + asked.expires_after.seconds
    session = new_session(asked.session, service)
    value = service.client_secrets.make(session, expires_at, now)
    return {"value": value, "expires_at": expires_at, "session": session_to_wire(session)}
