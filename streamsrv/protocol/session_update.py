"""Applies a `session.update`: changes only the given fields, and refuses fields that the server does not support."""

from collections.abc import Collection
from typing import Any, Literal, cast

import msgspec
from msgspec import UNSET

from streamsrv.protocol.beta_names import replacement
from streamsrv.protocol.errors import ProtocolError, check_size, from_validation, unknown_parameter
from streamsrv.protocol.session_object import Name, Session, Tracing
from streamsrv.protocol.tools import with_types

MAX_SESSION_BYTES = 900_000
"""Bytes of a session object as JSON: it must fit in the longest frame that strict clients take."""
MAX_TRACING_BYTES = 65_536
"""Bytes of the metadata of a trace as JSON."""

_CLEARED: dict[str, Any] = {
    "instructions": "",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "truncation": "auto",
}
"""The meaning of `null` for fields that cannot be null."""
_DEFAULTED = frozenset(
    {
        "format", "voice", "speed", "threshold", "prefix_padding_ms", "silence_duration_ms", "create_response",
        "interrupt_response", "idle_timeout_ms", "eagerness", "languages", "keywords", "strength",
        "local_only",
    }
)  # fmt: skip
"""Fields below `audio` and `streamsrv` for which `null` means the default."""
_READ_ONLY = ("id", "object", "expires_at")
_UNSUPPORTED = {
    "prompt": "Stored prompt templates are not supported; send the text as 'session.instructions'.",
    "audio.input.transcription.delay": (
        "No recogniser of this server can be told how long to wait for more audio; accepted is null."
    ),
}
_OF_TRANSCRIPTION = frozenset({"type", "object", "id", "expires_at", "model", "include", "streamsrv", "audio"})
_OF_ANSWERS = ("audio.input.turn_detection.idle_timeout_ms", "streamsrv.language", "streamsrv.routing")
"""Fields below those that only matter to responses."""
_MERGED_OBJECTS = (
    "audio",
    "input",
    "output",
    "transcription",
    "noise_reduction",
    "turn_detection",
    "streamsrv",
    "routing",
)


def update_session(
    session: Session,
    update: dict[str, Any],
    *,
    caption_rooms: Collection[str] | None = None,
    keeps_formats: bool = False,
) -> Session:
    """Return the session after a `session.update`; raises `ProtocolError` if a field is refused.

    `caption_rooms`: the rooms in which the client may speak; None: all rooms. `keeps_formats`: whether the audio
    formats are those of a telephone line; others are accepted, because stock clients always send some, without effect.
    `model`, and `audio.output` of a transcription session are accepted because stock clients always send them, but have
    no effect: the returned session shows its own model and no output.
    """
    _check_names(session, update)
    known = {name: value for name, value in update.items() if name not in (*_READ_ONLY, "model")}
    if "tools" in known:
        known["tools"] = with_types(known["tools"])
    merged = _merge(msgspec.to_builtins(session), known)
    for name, cleared in _CLEARED.items():
        if merged.get(name) is None:
            merged[name] = cleared
    if merged.get("output_modalities") in (["audio", "text"], ["text", "audio"]):
        merged["output_modalities"] = ["audio"]
    updated = _convert(merged, Session, "session")
    if keeps_formats:
        updated = with_formats_of(updated, session)
    if (size := len(msgspec.json.encode(updated))) > MAX_SESSION_BYTES:
        raise ProtocolError(
            "invalid_value", f"The session would be {size} bytes; at most {MAX_SESSION_BYTES} are accepted.", "session"
        )
    if updated.captions is not None and caption_rooms is not None and updated.captions.room not in caption_rooms:
        raise _room_not_allowed(updated.captions.room, caption_rooms)
    return updated


def with_formats_of(session: Session, other: Session) -> Session:
    """Return the session with the audio formats of another one."""
    hears, speaks = other.audio.input.format, other.audio.output.format
    audio = msgspec.structs.replace(
        session.audio,
        input=msgspec.structs.replace(session.audio.input, format=hears),
        output=msgspec.structs.replace(session.audio.output, format=speaks),
    )
    return msgspec.structs.replace(session, audio=audio)


def _room_not_allowed(room: str, allowed: Collection[str]) -> ProtocolError:
    rooms = ", ".join(f"'{name}'" for name in sorted(allowed)) or "none"
    message = (
        f"This session may not speak in the caption room '{room}': its client secret allows {rooms}. "
        "A secret allows the room in the session that it was made with."
    )
    return ProtocolError("caption_room_not_allowed", message, "session.streamsrv.captions.room")


def _check_names(session: Session, update: dict[str, Any]) -> None:
    """Refuse unknown fields, fields that cannot be changed, and features that this server does not support."""
    for name in update:
        if hint := replacement(f"session.{name}"):
            raise unknown_parameter(name, "session", hint=hint)
    if update.get("type", session.type) != session.type:
        raise _refused(update["type"], "session.type", f"this session is of type '{session.type}'")
    if session.type == "transcription":
        _check_transcription_only(update)
    for name in _READ_ONLY:
        held = getattr(session, name)
        if update.get(name) is not None and update[name] != held:
            stays = "" if held is UNSET else f", and it stays {held!r}"
            raise _refused(update[name], f"session.{name}", f"the server sets it{stays}")
    for path, reason in _UNSUPPORTED.items():
        if _given(update, path):
            raise ProtocolError("invalid_value", reason, f"session.{path}")
    _convert(update.get("model"), Name | None, "session.model")
    tracing = _convert(update.get("tracing"), Literal["auto"] | Tracing | None, "session.tracing")
    if isinstance(tracing, Tracing):
        check_size(tracing.metadata, MAX_TRACING_BYTES, "session.tracing.metadata")
    if "tracing" in update and session.tracing not in (None, tracing):
        message = "Cannot update 'session.tracing': once tracing is enabled for a session, it cannot be modified."
        raise ProtocolError("invalid_value", message, "session.tracing")


def _check_transcription_only(update: dict[str, Any]) -> None:
    for name in update:
        if name not in _OF_TRANSCRIPTION:
            hint = "A transcription session gives no responses and does not have this setting."
            raise unknown_parameter(name, "session", hint=hint)
    for path in _OF_ANSWERS:
        if _given(update, path):
            reason = "a transcription session gives no responses; accepted is null"
            raise ProtocolError("invalid_value", f"Invalid value for 'session.{path}': {reason}.", f"session.{path}")


def _refused(value: object, param: str, reason: str) -> ProtocolError:
    return ProtocolError("invalid_value", f"Invalid value {str(value)[:60]!r} for '{param}': {reason}.", param)


def _given(update: dict[str, Any], path: str) -> bool:
    """Whether an update has a value at a path that is neither null nor empty."""
    value: Any = update
    for name in path.split("."):
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    return value not in (None, [], "")


def _convert(value: Any, expected: Any, root: str) -> Any:
    try:
        return msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        raise from_validation(error, value, expected, root) from None


def _merge(current: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """Return `current` with the fields of `update`; merge `_MERGED_OBJECTS`, unless the update has another `type`.

    Noise reduction keeps its strength whatever its type, as OpenAI's schema says.
    """
    merged = dict(current)
    for name, value in update.items():
        held = current.get(name)
        if value is None and name in _DEFAULTED:
            merged.pop(name, None)
            continue
        if name in _MERGED_OBJECTS and isinstance(value, dict):
            given, kept = cast("dict[str, Any]", value), cast("dict[str, Any]", held) if isinstance(held, dict) else {}
            is_same = name == "noise_reduction" or given.get("type", kept.get("type")) == kept.get("type")
            value = _merge(kept if is_same else {}, given)
        merged[name] = value
    return merged
