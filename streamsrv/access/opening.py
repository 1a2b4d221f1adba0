"""Builds the session that a client requests, on any transport: from its client secret or from its request."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType, structs

from streamsrv.access.client_secrets import ClientSecrets
from streamsrv.access.principal import Principal
from streamsrv.core.capabilities import Capabilities
from streamsrv.ids import new_id
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session, transcription_session, with_transcriber
from streamsrv.protocol.session_update import update_session
from streamsrv.settings import Settings


@dataclass(frozen=True, slots=True)
class Offer:
    """What new sessions get. `default_model`: for sessions that do not name a model."""

    settings: Settings
    default_model: str
    capabilities: Capabilities


class Opening:
    """Builds the sessions of one server. `offer` returns what new sessions of a principal get now."""

    def __init__(self, offer: Callable[[Principal], Offer], client_secrets: ClientSecrets) -> None:
        self._offer = offer
        self._client_secrets = client_secrets

    def new(self, principal: Principal, given: dict[str, Any], recognizer: str = "") -> Session:
        """Build a session from the server's defaults and the client's fields; raises `ProtocolError`.

        The session is what the client asked for; `Capabilities.fit` tells what is in force. `recognizer`: that of a
        session that only transcribes, where the fields do not name one; empty: the default one.
        """
        offer = self._offer(principal)
        match given.get("type", "realtime"):
            case "transcription":
                session = with_transcriber(transcription_session(new_id("sess")), recognizer)
            case "realtime":
                model = given.get("model") or offer.default_model
                session = Session(id=new_id("sess"), model=model, instructions=offer.settings.instructions)
            case other:
                message = f"Invalid value {other!r} for 'session.type': accepted are 'realtime', 'transcription'."
                raise ProtocolError("invalid_value", message, "session.type")
        session = update_session(session, given)
        offer.capabilities.fit(session)
        return begin_now(session, max_session_ms(session, offer.settings))

    def requested(self, principal: Principal, query: Mapping[str, str], given: dict[str, Any] | None = None) -> Session:
        """Build the session that a client requests with its secret or its query; fields in `given` override it.

        The secret is not used up before `redeem`. Raises `ProtocolError`.
        """
        given = given or {}
        if principal.grant is not None:
            session = self._client_secrets.peek(principal.grant, int(time.time()))
            session = update_session(session, given, caption_rooms=principal.caption_rooms)
            self._offer(principal).capabilities.fit(session)
        elif query.get("intent") == "transcription":
            named = query.get("model", "")  # stock clients send a name that means the default, such as gpt-realtime
            is_known = self._offer(principal).capabilities.lists_recognizer(named)
            session = self.new(principal, {"type": "transcription", **given}, named if is_known else "")
        else:
            session = self.new(principal, {"model": query.get("model"), **given})
        asked: dict[str, Any] = {}
        if events := [name for name in query.get("streamsrv", "").split(",") if name]:
            asked["events"] = events
        if room := query.get("captions"):
            asked["captions"] = {"room": room}
        if not asked:
            return session
        return update_session(session, {"streamsrv": asked}, caption_rooms=principal.caption_rooms)

    def redeem(self, principal: Principal) -> None:
        """Use up the client secret, if the client sent one. Do this last, just before the session begins.

        Raises `UnusableSecret`, because another client may have used the secret in the meantime.
        """
        if principal.grant is not None:
            self._client_secrets.redeem(principal.grant, int(time.time()))


def max_session_ms(session: Session, settings: Settings, max_minutes: float = 0) -> int:
    """Return how long the session may last; 0: no limit. `max_minutes`: its own limit, which may be shorter."""
    is_transcription = session.type == "transcription"
    minutes = settings.max_transcription_minutes if is_transcription else settings.max_session_minutes
    limits = [limit for limit in (minutes, max_minutes) if limit > 0]
    return round(min(limits, default=0) * 60_000)


def begin_now(session: Session, limit_ms: int) -> Session:
    """Return the session with its `expires_at` set as if it begins now and lasts `limit_ms`; 0: for ever."""
    expires_at: int | UnsetType = int(time.time()) + limit_ms // 1000 if limit_ms else UNSET
    return structs.replace(session, expires_at=expires_at)
