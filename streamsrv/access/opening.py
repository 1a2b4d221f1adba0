"""The session that a client asks for, whatever its transport: by a client secret, or by what the request says."""

import time
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, UnsetType, structs

from streamsrv.access.client_secrets import ClientSecrets
from streamsrv.access.principal import Principal
from streamsrv.config import Settings
from streamsrv.core.capabilities import Capabilities
from streamsrv.ids import new_id
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session, transcription_session
from streamsrv.protocol.session_update import update_session


class Opening:
    """Makes the sessions of one server. `default_model` is the model of sessions that name none."""

    def __init__(
        self, settings: Settings, client_secrets: ClientSecrets, default_model: str, capabilities: Capabilities
    ) -> None:
        self._capabilities = capabilities
        self._settings = settings
        self._client_secrets = client_secrets
        self._default_model = default_model

    def new(self, given: dict[str, Any]) -> Session:
        """A session with the server's defaults and what a client gave; raises `ProtocolError`."""
        match given.get("type", "realtime"):
            case "transcription":
                session = transcription_session(new_id("sess"))
            case "realtime":
                model = given.get("model") or self._default_model
                session = Session(id=new_id("sess"), model=model, instructions=self._settings.instructions)
            case other:
                message = f"Invalid value {other!r} for 'session.type': accepted are 'realtime', 'transcription'."
                raise ProtocolError("invalid_value", message, "session.type")
        return begin_now(self._capabilities.fit(update_session(session, given)), self._settings)

    def requested(self, principal: Principal, query: Mapping[str, str], given: dict[str, Any] | None = None) -> Session:
        """The session that a client asks for with its secret or with its query; `given` goes on top.

        A secret stays unused until `redeem`. Raises `ProtocolError`.
        """
        given = given or {}
        if principal.grant is not None:
            session = self._client_secrets.peek(principal.grant, int(time.time()))
            session = update_session(session, given, caption_rooms=principal.caption_rooms)
            session = self._capabilities.fit(session)
        elif query.get("intent") == "transcription":
            session = self.new({"type": "transcription", **given})
        else:
            session = self.new({"model": query.get("model"), **given})
        asked: dict[str, Any] = {}
        if events := [name for name in query.get("streamsrv", "").split(",") if name]:
            asked["events"] = events
        if room := query.get("captions"):
            asked["captions"] = {"room": room}
        if not asked:
            return session
        return update_session(session, {"streamsrv": asked}, caption_rooms=principal.caption_rooms)

    def redeem(self, principal: Principal) -> None:
        """Use up the secret of a client, if it came with one: the last step before its session begins.

        Raises `UnusableSecret`: another client may have used it since it was looked at.
        """
        if principal.grant is not None:
            self._client_secrets.redeem(principal.grant, int(time.time()))


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
