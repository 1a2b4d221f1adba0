"""The session object: its fields, defaults, ranges and how `session.update` changes it.

The structs mirror the wire exactly, so that one definition validates, holds and prints the session.
Source: the OpenAI Realtime GA schema (`RealtimeSessionCreateRequest`, `RealtimeTranscriptionSessionCreateRequest`).
"""

from collections.abc import Collection
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from streamsrv.audio import opus
from streamsrv.protocol.errors import ProtocolError, from_validation

MaxOutputTokens = Annotated[int, Meta(ge=1, le=4096)] | Literal["inf"]
Modality = Literal["text", "audio"]


class Pcm(Struct, frozen=True, tag="audio/pcm"):
    """16-bit little-endian mono PCM. Strict clients die of any other rate in a session object."""

    rate: Literal[24000] = 24000


class Pcmu(Struct, frozen=True, tag="audio/pcmu"):
    """G.711 mu-law, 8 kHz."""


class Pcma(Struct, frozen=True, tag="audio/pcma"):
    """G.711 A-law, 8 kHz."""


class Opus(Struct, frozen=True, tag="audio/opus"):
    """Extension: packets of Opus (RFC 6716), one in each event.

    `rate`: at which samples of the output are counted. The input may have any bandwidth, length of packets, and stereo.
    """

    rate: Literal[24000] = 24000


AudioFormat = Pcm | Pcmu | Pcma | Opus


class ServerVad(Struct, frozen=True, tag="server_vad"):
    """Turn ends after `silence_duration_ms` without speech."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=5000)] = 300
    silence_duration_ms: Annotated[int, Meta(ge=0, le=10000)] = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: Annotated[int, Meta(ge=5000, le=30000)] | None = None


class SemanticVad(Struct, frozen=True, tag="semantic_vad"):
    """Turn ends when the speaker seems to be done; `eagerness` says how soon to believe it."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetection = ServerVad | SemanticVad


class Transcription(Struct, frozen=True, omit_defaults=True):
    model: str | None = None
    language: str | None = None
    prompt: str | None = None


class NoiseReduction(Struct, frozen=True):
    type: Literal["near_field", "far_field"]


class AudioInput(Struct, frozen=True):
    format: AudioFormat = Pcm()
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = ServerVad()


class VoiceId(Struct, frozen=True):
    id: str


class AudioOutput(Struct, frozen=True):
    format: AudioFormat = Pcm()
    voice: str | VoiceId = "default"
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0


class Audio(Struct, frozen=True):
    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class FunctionTool(Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    type: Literal["function"] = "function"
    description: str = ""
    parameters: dict[str, Any] = {}


class NamedFunction(Struct, frozen=True, tag="function"):
    name: str


ToolChoice = Literal["auto", "none", "required"] | NamedFunction


class RetentionRatio(Struct, frozen=True, tag="retention_ratio", omit_defaults=True):
    retention_ratio: Annotated[float, Meta(ge=0, le=1)]
    token_limits: dict[str, int] | None = None


class Tracing(Struct, frozen=True, omit_defaults=True):
    """Accepted and echoed, for clients that send it; nothing is traced."""

    workflow_name: str | None = None
    group_id: str | None = None
    metadata: Any = None


class Reasoning(Struct, frozen=True, omit_defaults=True):
    effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


ROOM_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""What a caption room may be called: part of a URL, and easy to read out."""


class CaptionOptions(Struct, frozen=True, omit_defaults=True):
    """Extension: the caption room in which viewers read what this session says."""

    room: Annotated[str, Meta(pattern=ROOM_NAME)]
    title: Annotated[str, Meta(max_length=200)] = ""
    """What the captions are of, for the viewers."""
    speaker: Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f]*$")] = ""
    """Who speaks, where a room has several speakers."""


class StreamsrvOptions(Struct, frozen=True):
    """Extension: event types of ours that the client asked for, and where its captions are shown."""

    events: list[str] = []
    captions: CaptionOptions | UnsetType | None = UNSET


class Session(Struct, frozen=True, kw_only=True):
    """The effective session. `id`, `object` and `expires_at` are the server's.

    `expires_at`: Unix seconds at which it ends by itself; UNSET: never.
    """

    type: Literal["realtime", "transcription"] = "realtime"
    object: str = "realtime.session"
    id: str
    expires_at: int | UnsetType = UNSET
    model: str = ""
    output_modalities: Annotated[list[Modality], Meta(min_length=1)] = field(default_factory=lambda: ["audio"])
    instructions: Annotated[str, Meta(max_length=200_000)] = ""
    tools: Annotated[list[FunctionTool], Meta(max_length=128)] = []
    tool_choice: ToolChoice = "auto"
    max_output_tokens: MaxOutputTokens = "inf"
    truncation: Literal["auto", "disabled"] | RetentionRatio = "auto"
    tracing: Literal["auto"] | Tracing | None = None
    prompt: None = None
    include: list[str] | None = None
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: Reasoning | UnsetType | None = UNSET
    audio: Audio = Audio()
    streamsrv: StreamsrvOptions | UnsetType = UNSET

    @property
    def voice(self) -> str:
        voice = self.audio.output.voice
        return voice.id if isinstance(voice, VoiceId) else voice

    @property
    def captions(self) -> CaptionOptions | None:
        """The caption room of this session, if it has one."""
        return (self.streamsrv.captions or None) if isinstance(self.streamsrv, StreamsrvOptions) else None

    def wants(self, event_name: str) -> bool:
        """Whether the client asked for an extension event."""
        return isinstance(self.streamsrv, StreamsrvOptions) and event_name in self.streamsrv.events


_CLEARED: dict[str, Any] = {
    "instructions": "",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "truncation": "auto",
}
"""What `null` means for the fields that have no null of their own."""

MAX_SESSION_BYTES = 900_000
"""A session object must fit into the frame of 1 MiB that strict clients take."""
_READ_ONLY = ("id", "object", "expires_at", "model")
_INCLUDABLE = ("item.input_audio_transcription.logprobs",)
_TRANSCRIPTION_FIELDS = ("type", "object", "id", "expires_at", "include", "streamsrv")


def transcription_session(session_id: str) -> Session:
    """A session that only transcribes, with the defaults of one."""
    audio = Audio(input=AudioInput(transcription=Transcription()))
    return Session(
        type="transcription",
        object="realtime.transcription_session",
        id=session_id,
        audio=audio,
    )


def update_session(
    session: Session,
    update: dict[str, Any],
    *,
    voice_used: bool = False,
    caption_rooms: Collection[str] | None = None,
) -> Session:
    """The session after a `session.update`: only given fields change, unknown ones are ignored.

    `voice_used`: the voice was heard already and cannot change any more. `caption_rooms`: those that the client may
    speak in; None: all. Raises `ProtocolError` and changes nothing when any field has a wrong type or is out of range.
    """
    if update.get("type", session.type) != session.type:
        raise ProtocolError(
            "invalid_value",
            f"Invalid value {update['type']!r} for 'session.type': this session is of type '{session.type}'.",
            "session.type",
        )
    if update.get("prompt") is not None:
        raise ProtocolError("invalid_value", "Stored prompt templates are not supported.", "session.prompt")
    known = {name: value for name, value in update.items() if name not in _READ_ONLY}
    merged = _merge(msgspec.to_builtins(session), known)
    for name, cleared in _CLEARED.items():
        if merged.get(name) is None:
            merged[name] = cleared
    if merged.get("output_modalities") in (["audio", "text"], ["text", "audio"]):
        merged["output_modalities"] = ["audio"]
    if isinstance(merged.get("include"), list):
        merged["include"] = [name for name in merged["include"] if name in _INCLUDABLE]
    try:
        updated = msgspec.convert(merged, Session)
    except msgspec.ValidationError as error:
        raise from_validation(error, merged, Session, "session") from None
    check_available(updated.audio.input.format, "session.audio.input.format")
    check_available(updated.audio.output.format, "session.audio.output.format")
    if (size := len(msgspec.json.encode(updated))) > MAX_SESSION_BYTES:
        raise ProtocolError(
            "invalid_value", f"The session would be {size} bytes; at most {MAX_SESSION_BYTES}.", "session"
        )
    if voice_used and updated.voice != session.voice:
        raise ProtocolError(
            "cannot_update_voice",
            "Cannot update a conversation's voice if assistant audio is present.",
            "session.audio.output.voice",
        )
    if updated.captions is not None and caption_rooms is not None and updated.captions.room not in caption_rooms:
        raise _room_not_allowed(updated.captions.room, caption_rooms)
    return updated


def _room_not_allowed(room: str, allowed: Collection[str]) -> ProtocolError:
    rooms = ", ".join(f"'{name}'" for name in sorted(allowed)) or "none"
    message = (
        f"This session may not speak in the caption room '{room}': its client secret allows {rooms}. "
        "A secret allows the room in the session that it was made with."
    )
    return ProtocolError("caption_room_not_allowed", message, "session.streamsrv.captions.room")


def check_available(audio_format: AudioFormat, param: str) -> None:
    """Raises `ProtocolError` for a format that this server cannot read or write."""
    if isinstance(audio_format, Opus) and not opus.is_available():
        raise ProtocolError("invalid_value", "'audio/opus' is not available: this server has no libopus.", param)


def session_to_wire(session: Session) -> dict[str, Any]:
    """The JSON object of `session.created` and `session.updated`."""
    wire: dict[str, Any] = msgspec.to_builtins(session)
    if session.type == "realtime":
        return wire
    kept = {name: wire[name] for name in _TRANSCRIPTION_FIELDS if name in wire}
    return {**kept, "audio": {"input": wire["audio"]["input"]}}


_MERGED_OBJECTS = ("audio", "input", "output", "transcription", "turn_detection", "streamsrv")


def _merge(current: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """`current` with the fields of `update`; `_MERGED_OBJECTS` merge too, unless the update is of another `type`."""
    merged = dict(current)
    for name, value in update.items():
        held = current.get(name)
        if name in _MERGED_OBJECTS and isinstance(value, dict) and isinstance(held, dict):
            given, kept = cast("dict[str, Any]", value), cast("dict[str, Any]", held)
            if given.get("type", kept.get("type")) == kept.get("type"):
                value = _merge(kept, given)
        merged[name] = value
    return merged
