"""How a session begins, whatever its transport: by a client secret, or by what the request says."""

import secrets
import time
from typing import Any

from msgspec import UNSET, UnsetType, structs
from starlette.requests import HTTPConnection
from starlette.responses import Response

from streamsrv.access.authentication import presented_client_secret
from streamsrv.config import Settings
from streamsrv.http.errors import error_response
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session, transcription_session, update_session
from streamsrv.service import Service


def new_id(prefix: str) -> str:
    """An id such as `item_9c1f0e...`."""
    return f"{prefix}_{secrets.token_hex(10)}"


def new_session(given: dict[str, Any], service: Service) -> Session:
    """A session with the server's defaults and what a client gave; raises `ProtocolError`."""
    match given.get("type", "realtime"):
        case "transcription":
            session = transcription_session(new_id("sess"))
        case "realtime":
            model = given.get("model") or service.engines.chat.name
            instructions = service.settings.instructions
            session = Session(id=new_id("sess"), model=model, instructions=instructions)
        case other:
            message = f"Invalid value {other!r} for 'session.type': accepted are 'realtime', 'transcription'."
            raise ProtocolError("invalid_value", message, "session.type")
    return begin_now(update_session(session, given), service.settings)


def requested_session(connection: HTTPConnection, service: Service, given: dict[str, Any] | None = None) -> Session:
    """The session that a client asks for with its secret, which this uses up, or with its query; `given` goes on top.

    Raises `ProtocolError`: a secret may have been used by somebody else since `refusal` looked at it.
    """
    query, given = connection.query_params, given or {}
    if (secret := presented_client_secret(connection, service.settings)) is not None:
        now = int(time.time())
        session = update_session(service.client_secrets.redeem(secret, now), given)
    elif query.get("intent") == "transcription":
        session = new_session({"type": "transcription", **given}, service)
    else:
        session = new_session({"model": query.get("model"), **given}, service)
    asked: dict[str, Any] = {}
    if events := [name for name in query.get("streamsrv", "").split(",") if name]:
        asked["events"] = events
    if room := query.get("captions"):
        asked["captions"] = {"room": room}
    return update_session(session, {"streamsrv": asked}) if asked else session


def refusal_when_full(service: Service) -> Response | None:
    """The response that turns a client away while there is no room for another session."""
    if service.has_room:
        return None
    service.metrics.refused.inc()
    limit = service.settings.max_sessions
    if service.sessions >= limit:
        message = f"All {limit} sessions of this server are in use."
    else:
        message = f"This server is busy with {service.sessions} sessions: {service.load}."
    headers = {"Retry-After": "5"}
    return error_response(503, message, code="session_limit_reached", type="server_error", headers=headers)


def max_session_ms(session: Session, settings: Settings) -> int:
    """How long the session may last; 0: for ever."""
    is_transcription = session.type == "transcription"
    minutes = settings.max_transcription_minutes if is_transcription else settings.max_session_minutes
    return round(minutes * 60_000)


def begin_now(session: Session, settings: Settings) -> Session:
    """The session with the `expires_at` that it has if it begins now."""
    limit_ms = max_session_ms(session, settings)
    expires_at: int | UnsetType = int(time.time()) + limit_ms // 1000 if limit_ms else UNSET
    return structs.replace(session, expires_at=expires_at)
