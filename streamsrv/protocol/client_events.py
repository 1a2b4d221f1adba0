"""Defines the client events and decodes them from text frames.

Source: the OpenAI Realtime GA schema (`RealtimeClientEvent`).
"""

from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streamsrv.protocol.beta_names import replacement
from streamsrv.protocol.errors import ProtocolError, check_size, from_validation
from streamsrv.protocol.items import Id, Item, ItemReference
from streamsrv.protocol.json_values import UnreadableJson, read_json
from streamsrv.protocol.session_object import (
    MAX_INSTRUCTIONS,
    AudioFormat,
    MaxOutputTokens,
    Metadata,
    Modality,
    Name,
    Reasoning,
    VoiceId,
)
from streamsrv.protocol.tools import ToolChoice, Tools, with_types

MAX_AUDIO_BYTES = 15 * 1024 * 1024 * 3 // 4
"""Decoded bytes of audio in one `input_audio_buffer.append` (OpenAI's limit is for the base64 text)."""
MAX_TOOLS_BYTES = 900_000
"""Bytes of the tools of one response as JSON: as many as a session may have."""
MAX_INPUT_BYTES = 4_000_000
"""Bytes of the `input` of one response as JSON: about as many as a conversation may have."""
MAX_EVENT_ID = 512
"""Characters in the id of a client event: OpenAI's limit."""
Milliseconds = Annotated[int, Meta(ge=0, le=2**53)]

EventId = Annotated[str, Meta(max_length=MAX_EVENT_ID)] | None


class SessionUpdate(Struct, forbid_unknown_fields=True, tag="session.update"):
    session: dict[str, Any]
    event_id: EventId = None


class AudioAppend(Struct, forbid_unknown_fields=True, tag="input_audio_buffer.append"):
    """Audio for the input buffer; the JSON decoder decodes `audio` from base64."""

    audio: bytes
    event_id: EventId = None


class AudioCommit(Struct, forbid_unknown_fields=True, tag="input_audio_buffer.commit"):
    event_id: EventId = None


class AudioClear(Struct, forbid_unknown_fields=True, tag="input_audio_buffer.clear"):
    event_id: EventId = None


class OutputAudioClear(Struct, forbid_unknown_fields=True, tag="output_audio_buffer.clear"):
    event_id: EventId = None


class ItemCreate(Struct, forbid_unknown_fields=True, tag="conversation.item.create"):
    item: Item
    previous_item_id: Id | None = None
    event_id: EventId = None


class ItemRetrieve(Struct, forbid_unknown_fields=True, tag="conversation.item.retrieve"):
    item_id: Id
    event_id: EventId = None


class ItemTruncate(Struct, forbid_unknown_fields=True, tag="conversation.item.truncate"):
    item_id: Id
    content_index: int
    audio_end_ms: Milliseconds
    event_id: EventId = None


class ItemDelete(Struct, forbid_unknown_fields=True, tag="conversation.item.delete"):
    item_id: Id
    event_id: EventId = None


class ResponseAudioOutput(Struct, forbid_unknown_fields=True):
    format: AudioFormat | UnsetType = UNSET
    voice: Name | VoiceId | UnsetType = UNSET
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] | UnsetType = UNSET


class ResponseAudio(Struct, forbid_unknown_fields=True):
    output: ResponseAudioOutput | UnsetType = UNSET


class ResponseOptions(Struct, forbid_unknown_fields=True):
    """The options of one response that differ from its session's; unset fields are the session's."""

    instructions: Annotated[str, Meta(max_length=MAX_INSTRUCTIONS)] | UnsetType | None = UNSET
    output_modalities: Annotated[list[Modality], Meta(min_length=1)] | UnsetType = UNSET
    audio: ResponseAudio | UnsetType = UNSET
    tools: Tools | UnsetType = UNSET
    tool_choice: ToolChoice | UnsetType = UNSET
    max_output_tokens: MaxOutputTokens | UnsetType = UNSET
    conversation: Literal["auto", "none"] | None = "auto"
    metadata: Metadata | None = None
    input: Annotated[list[Item | ItemReference], Meta(max_length=1000)] | None = None
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: Reasoning | UnsetType | None = UNSET
    prompt: None = None


class ResponseCreate(Struct, forbid_unknown_fields=True, tag="response.create"):
    response: ResponseOptions | None = None
    event_id: EventId = None


class ResponseCancel(Struct, forbid_unknown_fields=True, tag="response.cancel"):
    response_id: Id | None = None
    event_id: EventId = None


class PlaybackReport(Struct, forbid_unknown_fields=True, tag="streamsrv.playback.report"):
    """Extension: the client has played `audio_ms` of an item's audio; `ended`: it will not play more of it."""

    item_id: Id
    audio_ms: Milliseconds
    ended: bool = False
    event_id: EventId = None


ClientEvent = (
    SessionUpdate
    | AudioAppend
    | AudioCommit
    | AudioClear
    | OutputAudioClear
    | ItemCreate
    | ItemRetrieve
    | ItemTruncate
    | ItemDelete
    | ResponseCreate
    | ResponseCancel
    | PlaybackReport
)

_appends = msgspec.json.Decoder(AudioAppend)


class MalformedEvent(Exception):
    """A frame is not a valid client event; holds the error to answer with, and the client's id of the event, if any."""

    def __init__(self, error: ProtocolError, event_id: str | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.event_id = event_id


def decode_client_event(frame: str | bytes) -> ClientEvent:
    """Decode one text frame; raises `MalformedEvent`."""
    try:
        event = _appends.decode(frame)  # first, because almost every event is one
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _decode_other(frame)
    if len(event.audio) > MAX_AUDIO_BYTES:
        text = f"Invalid value: 'audio' holds {len(event.audio)} bytes; at most {MAX_AUDIO_BYTES} are accepted."
        raise MalformedEvent(ProtocolError("invalid_value", text, "audio"), event.event_id)
    return event


def _decode_other(frame: str | bytes) -> ClientEvent:
    try:
        value = read_json(frame)
    except UnreadableJson as error:
        refusal = ProtocolError("invalid_event", f"The event cannot be read: {error}.")
        raise MalformedEvent(refusal, _event_id(error.value)) from None
    if not isinstance(value, dict):
        raise MalformedEvent(ProtocolError("invalid_event", "The event is not a JSON object."), None)
    event = _convert(_with_tool_types(cast("dict[str, Any]", value)))
    if isinstance(event, ResponseCreate) and event.response is not None:
        _check_sizes(event.response, event.event_id)
    return event


def _convert(fields: dict[str, Any]) -> ClientEvent:
    try:
        return msgspec.convert(fields, ClientEvent)
    except msgspec.ValidationError as error:
        if (without := _without_nulls(fields)) != fields:
            return _convert(without)
        raise MalformedEvent(_refusal(error, fields), _event_id(fields)) from None


def _with_tool_types(fields: dict[str, Any]) -> dict[str, Any]:
    response = fields.get("response")
    if not isinstance(response, dict) or "tools" not in response:
        return fields
    given = cast("dict[str, Any]", response)
    return {**fields, "response": {**given, "tools": with_types(given["tools"])}}


def _event_id(value: Any) -> str | None:
    """Return the client's id of a refused event, if it is within its bound; it is sent back."""
    event_id = cast("dict[str, Any]", value).get("event_id") if isinstance(value, dict) else None
    return event_id if isinstance(event_id, str) and len(event_id) <= MAX_EVENT_ID else None


_NULLABLE = ("item", "content", "response", "input", "audio", "output")
"""Fields with objects and arrays in which null means "not given", because typed SDKs send it for unset fields."""


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(held) for held in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    given = {name: held for name, held in fields.items() if held is not None}
    return {name: _without_nulls(held) if name in _NULLABLE else held for name, held in given.items()}


def _check_sizes(response: ResponseOptions, event_id: str | None) -> None:
    """Refuse options that are too large in total, though each part is within its bound."""
    try:
        if response.tools is not UNSET:
            check_size(response.tools, MAX_TOOLS_BYTES, "response.tools")
        check_size(response.input, MAX_INPUT_BYTES, "response.input")
    except ProtocolError as error:
        raise MalformedEvent(error, event_id) from None


def _refusal(error: msgspec.ValidationError, fields: dict[str, Any]) -> ProtocolError:
    if isinstance(fields.get("audio"), str):
        fields["audio"] = "<audio>"  # audio is never quoted in a message
    refusal = from_validation(error, fields, ClientEvent)
    if refusal.code == "unknown_parameter" and (hint := replacement(refusal.param or "")):
        return ProtocolError(refusal.code, f"Unknown parameter: '{refusal.param}'. {hint}", refusal.param)
    return refusal
