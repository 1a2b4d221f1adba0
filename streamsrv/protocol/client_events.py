"""Client events: what each holds, and how a text frame becomes one.

Source: the OpenAI Realtime GA schema (`RealtimeClientEvent`).
"""

from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streamsrv.protocol.errors import ProtocolError, from_validation
from streamsrv.protocol.items import Item, ItemReference
from streamsrv.protocol.session_object import FunctionTool, MaxOutputTokens, Modality, ToolChoice

MAX_AUDIO_BYTES = 15 * 1024 * 1024 * 3 // 4
"""Decoded bytes in one `input_audio_buffer.append`: 15 MiB of base64."""

MAX_VALUES = 100_000
"""Values, roughly, in one event: each is an object in memory, and to make them takes time that all sessions share."""
FEW_BYTES = 65_536
"""A frame up to this length is not counted: its values are few enough."""

MAX_ID = 512
"""Characters in an id of the client's."""

EventId = Annotated[str, Meta(max_length=MAX_ID)] | None


class SessionUpdate(Struct, tag="session.update"):
    session: dict[str, Any]
    event_id: EventId = None


class AudioAppend(Struct, tag="input_audio_buffer.append"):
    """`audio` is decoded from base64 by the JSON decoder itself."""

    audio: bytes
    event_id: EventId = None


class AudioCommit(Struct, tag="input_audio_buffer.commit"):
    event_id: EventId = None


class AudioClear(Struct, tag="input_audio_buffer.clear"):
    event_id: EventId = None


class OutputAudioClear(Struct, tag="output_audio_buffer.clear"):
    event_id: EventId = None


class ItemCreate(Struct, tag="conversation.item.create"):
    item: Item
    previous_item_id: str | None = None
    event_id: EventId = None


class ItemRetrieve(Struct, tag="conversation.item.retrieve"):
    item_id: str
    event_id: EventId = None


class ItemTruncate(Struct, tag="conversation.item.truncate"):
    item_id: str
    content_index: int
    audio_end_ms: Annotated[int, Meta(ge=0)]
    event_id: EventId = None


class ItemDelete(Struct, tag="conversation.item.delete"):
    item_id: str
    event_id: EventId = None


class ResponseOptions(Struct):
    """What one response does differently from its session; what is unset is the session's."""

    instructions: str | UnsetType | None = UNSET
    output_modalities: Annotated[list[Modality], Meta(min_length=1)] | UnsetType = UNSET
    audio: dict[str, Any] | UnsetType = UNSET
    tools: list[FunctionTool] | UnsetType = UNSET
    tool_choice: ToolChoice | UnsetType = UNSET
    max_output_tokens: MaxOutputTokens | UnsetType = UNSET
    conversation: Literal["auto", "none"] | None = "auto"
    metadata: (
        Annotated[dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)]
        | None
    ) = None
    input: Annotated[list[Item | ItemReference], Meta(max_length=1000)] | None = None
    parallel_tool_calls: bool | UnsetType = UNSET


class ResponseCreate(Struct, tag="response.create"):
    response: ResponseOptions | None = None
    event_id: EventId = None


class ResponseCancel(Struct, tag="response.cancel"):
    response_id: str | None = None
    event_id: EventId = None


class PlaybackReport(Struct, tag="streamsrv.playback.report"):
    """Extension: `audio_ms` of an item's audio were played; `ended`: no more of it will be."""

    item_id: str
    audio_ms: Annotated[int, Meta(ge=0)]
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

_decoder = msgspec.json.Decoder(ClientEvent)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoder raises: ValidationError is a DecodeError; a string is not UTF-8; arrays are nested too deep."""


class MalformedEvent(Exception):
    """A frame that is no client event: the error to answer with, and the client's id of the event if it had one."""

    def __init__(self, error: ProtocolError, event_id: str | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.event_id = event_id


def decode_client_event(frame: str | bytes) -> ClientEvent:
    """Decode one text frame; raises `MalformedEvent`."""
    if len(frame) > FEW_BYTES and (values := _count_values(frame)) > MAX_VALUES:
        text = f"The event has about {values} values; at most {MAX_VALUES} are accepted."
        raise MalformedEvent(ProtocolError("invalid_event", text), None)
    try:
        event = _decoder.decode(frame)
    except _UNREADABLE as error:
        raise _explain(frame, error) from None
    if isinstance(event, AudioAppend) and len(event.audio) > MAX_AUDIO_BYTES:
        text = f"Invalid value: 'audio' holds {len(event.audio)} bytes; at most {MAX_AUDIO_BYTES} are accepted."
        raise MalformedEvent(ProtocolError("invalid_value", text, "audio"), event.event_id)
    return event


def _count_values(frame: str | bytes) -> int:
    """At least as many values as the JSON text has, without decoding it: marks inside strings count, too."""
    if isinstance(frame, str):
        return 1 + sum(frame.count(mark) for mark in ",[{")
    return 1 + sum(frame.count(mark) for mark in b",[{")


def _explain(frame: str | bytes, error: Exception) -> MalformedEvent:
    try:
        value = msgspec.json.decode(frame)
    except _UNREADABLE:
        return MalformedEvent(ProtocolError("invalid_event", f"The event is not valid JSON: {error}."), None)
    if not isinstance(value, dict):
        return MalformedEvent(ProtocolError("invalid_event", "The event is not a JSON object."), None)
    fields = cast("dict[str, Any]", value)
    event_id = fields.get("event_id")
    if not isinstance(event_id, str) or len(event_id) > MAX_ID:
        event_id = None  # what we send back is bounded
    if isinstance(fields.get("audio"), str):
        fields["audio"] = "<audio>"  # never quoted in a message
    if not isinstance(error, msgspec.ValidationError):
        return MalformedEvent(ProtocolError("invalid_event", str(error)), event_id)
    return MalformedEvent(from_validation(error, fields, ClientEvent), event_id)
