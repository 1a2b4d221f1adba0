"""Defines the session object: its fields, defaults and ranges. `session_update` changes it.

The structs mirror the wire exactly, so that one definition validates, holds and prints the session. They refuse unknown
fields, so that no setting is silently ignored.
Source: the OpenAI Realtime GA schema (`RealtimeSessionCreateRequest`, `RealtimeTranscriptionSessionCreateRequest`).
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field, structs

from streamsrv.protocol.tools import FunctionTool as FunctionTool
from streamsrv.protocol.tools import NamedFunction as NamedFunction
from streamsrv.protocol.tools import ToolChoice, Tools, without_secrets

MAX_INSTRUCTIONS = 200_000
"""Characters in a system prompt."""
MAX_NAME = 256
"""Characters in the name of a model, a voice or a workflow."""
Name = Annotated[str, Meta(max_length=MAX_NAME)]
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
"""Notes of a client on one of its objects, with OpenAI's limits."""
MaxOutputTokens = Annotated[int, Meta(ge=1, le=4096)] | Literal["inf"]
Modality = Literal["text", "audio"]


class Pcm(Struct, frozen=True, forbid_unknown_fields=True, tag="audio/pcm"):
    """16-bit little-endian mono PCM. Strict clients reject a session object with any other rate."""

    rate: Literal[24000] = 24000


class Pcmu(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="audio/pcmu"):
    """G.711 mu-law. Clients may send its rate, but it is not sent to them, because strict clients reject it."""

    rate: Literal[8000] = 8000


class Pcma(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="audio/pcma"):
    """G.711 A-law, as `Pcmu`."""

    rate: Literal[8000] = 8000


class Opus(Struct, frozen=True, forbid_unknown_fields=True, tag="audio/opus"):
    """Extension: packets of Opus (RFC 6716), one in each event.

    `rate` is the unit in which samples of the output are counted. Input may have any bandwidth and packet length, and
    may be stereo.
    """

    rate: Literal[24000] = 24000


AudioFormat = Pcm | Pcmu | Pcma | Opus


class ServerVad(Struct, frozen=True, forbid_unknown_fields=True, tag="server_vad"):
    """Ends a turn after `silence_duration_ms` without speech."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=5000)] = 300
    silence_duration_ms: Annotated[int, Meta(ge=0, le=10000)] = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: Annotated[int, Meta(ge=5000, le=30000)] | None = None


class SemanticVad(Struct, frozen=True, forbid_unknown_fields=True, tag="semantic_vad"):
    """Ends a turn when the speaker seems to be done; with more `eagerness`, sooner."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetection = ServerVad | SemanticVad


MAX_PROMPT = 10_000
"""Characters in the prompt of a transcription."""


class Transcription(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Options of the transcription of the user's speech. `model` and `language` choose the recogniser."""

    model: Name | None = None
    language: Name | None = None
    languages: list[Name] = []
    """Languages that may be spoken, where `language` is not given."""
    prompt: Annotated[str, Meta(max_length=MAX_PROMPT)] | None = None
    keywords: list[str] = []
    """Names and terms that are likely to be said."""
    delay: None = None


class NoiseReduction(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Suppresses noise before speech is looked for; `strength` 0 suppresses none."""

    type: Literal["near_field", "far_field"]
    strength: Annotated[float, Meta(ge=0, le=1)] = 1.0


class AudioInput(Struct, frozen=True, forbid_unknown_fields=True):
    format: AudioFormat = Pcm()
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = ServerVad()


class VoiceId(Struct, frozen=True, forbid_unknown_fields=True):
    id: Name


class AudioOutput(Struct, frozen=True, forbid_unknown_fields=True):
    format: AudioFormat = Pcm()
    voice: Name | VoiceId = "default"
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0


class Audio(Struct, frozen=True, forbid_unknown_fields=True):
    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


class Tracing(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the trace of a session is described to whoever looks at it."""

    workflow_name: Name | None = None
    group_id: Name | None = None
    metadata: dict[str, Any] | None = None


class Reasoning(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much the language model should think. A model without this option refuses the response."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None


class TokenLimits(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`post_instructions`: most tokens of the conversation, not counting instructions and tools."""

    post_instructions: Annotated[int, Meta(ge=1, le=2**31)] | None = None


class RetentionRatio(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="retention_ratio"):
    """Keeps this share of the most that the model can read of a conversation, once the conversation is longer."""

    retention_ratio: Annotated[float, Meta(ge=0, le=1)]
    token_limits: TokenLimits | None = None


Truncation = Literal["auto", "disabled"] | RetentionRatio

ROOM_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""Pattern of the name of a caption room: part of a URL, and easy to read out."""


MAX_REPLACEMENTS = 200
"""Entries of the replacement list of a caption room."""
Title = Annotated[str, Meta(max_length=200)]
SpeakerName = Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f]*$")]
_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"


class CaptionReplacement(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Words that captions show in place of others; `from` is found as whole words."""

    source: Annotated[str, Meta(min_length=1, max_length=80, pattern=_ONE_LINE)] = field(name="from")
    to: Annotated[str, Meta(max_length=200, pattern=_ONE_LINE)]
    match_case: bool = False
    """Whether capital letters must be as they are in `from`."""


class CaptionOptions(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Extension: the caption room that shows the transcripts of this session."""

    room: Annotated[str, Meta(pattern=ROOM_NAME)]
    title: Title = ""
    """Title of the event, for the viewers."""
    speaker: SpeakerName = ""
    """Name of the speaker, for a room with several speakers."""
    translate: Literal["en"] | None = None
    """Recognise the speech of this session in a translation into this language, and not as it was spoken."""
    paused: bool = False
    """Whether the viewers are told that the speaker has paused; the client sends no audio meanwhile."""
    replacements: Annotated[list[CaptionReplacement], Meta(max_length=MAX_REPLACEMENTS)] | UnsetType = UNSET
    """The replacement list of the room, for all of its speakers; UNSET: the room's list stays."""


Extension = Literal[
    "transcription.partial",
    "words.timed",
    "playback.hold",
    "session.expiring",
    "recognizer.loading",
    "voice.failed",
    "turn.resumed",
]
"""Features beyond the protocol that a client can request."""


class RoutingOptions(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Extension: how the language model of each answer is chosen, where the server has several."""

    policy: Literal["balanced", "cheapest", "fastest", "best", "local"] | None = None
    """None: as the operator wants it."""
    local_only: bool = False
    """Whether the words must not leave the server's machine."""
    language: Name | None = None
    """The language of the conversation; None: that of the transcription, or what the words seem to be in."""


class StreamsrvOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Extension: the features that the client requested, its caption room, who may answer it, and in which language."""

    events: Annotated[list[Extension], Meta(max_length=16)] = []
    captions: CaptionOptions | UnsetType | None = UNSET
    routing: RoutingOptions | UnsetType | None = UNSET
    language: Name | UnsetType | None = UNSET
    """The language of the voice; null: that of each sentence."""


LOGPROBS = "item.input_audio_transcription.logprobs"
"""The entry of `include` that asks for the log probabilities of transcripts."""


class Session(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The effective session. The server sets `id`, `object` and `expires_at`.

    `expires_at`: the Unix time in seconds at which the session ends by itself; UNSET: never.
    """

    type: Literal["realtime", "transcription"] = "realtime"
    object: str = "realtime.session"
    id: str
    expires_at: int | UnsetType = UNSET
    model: Name = ""
    output_modalities: Annotated[list[Modality], Meta(min_length=1)] = field(default_factory=lambda: ["audio"])
    instructions: Annotated[str, Meta(max_length=MAX_INSTRUCTIONS)] = ""
    tools: Tools = []
    tool_choice: ToolChoice = "auto"
    max_output_tokens: MaxOutputTokens = "inf"
    truncation: Truncation = "auto"
    tracing: Literal["auto"] | Tracing | None = None
    prompt: None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None
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
        """The caption options of this session; None without a caption room."""
        return (self.streamsrv.captions or None) if isinstance(self.streamsrv, StreamsrvOptions) else None

    @property
    def routing(self) -> RoutingOptions:
        """How the language model of this session is chosen."""
        return (
            (self.streamsrv.routing or RoutingOptions())
            if isinstance(self.streamsrv, StreamsrvOptions)
            else RoutingOptions()
        )

    @property
    def spoken_language(self) -> str | None:
        """The language in which answers are spoken; None: that of each sentence."""
        given = self.streamsrv.language if isinstance(self.streamsrv, StreamsrvOptions) else None
        return given if isinstance(given, str) else None

    def speaking(self, language: str | None) -> "Session":
        """Return the session with answers that are spoken in this language."""
        if not isinstance(self.streamsrv, StreamsrvOptions) or language == self.spoken_language:
            return self
        return structs.replace(self, streamsrv=structs.replace(self.streamsrv, language=language))

    @property
    def translates_to(self) -> str | None:
        """The language into which the speech of this session is translated; None: it is written as it was spoken."""
        return None if self.captions is None else self.captions.translate

    def wants(self, event_name: str) -> bool:
        """Whether the client requested an extension."""
        return isinstance(self.streamsrv, StreamsrvOptions) and event_name in self.streamsrv.events


_TRANSCRIPTION_FIELDS = ("type", "object", "id", "expires_at", "include", "streamsrv")


def transcription_session(session_id: str) -> Session:
    """Make a session that only transcribes, with its defaults."""
    audio = Audio(input=AudioInput(transcription=Transcription()))
    return Session(type="transcription", object="realtime.transcription_session", id=session_id, audio=audio)


def with_transcriber(session: Session, model: str) -> Session:
    """Return the session with another model of its transcription, if it has one; empty: the server's choice."""
    hears = session.audio.input
    if hears.transcription is None:
        return session
    hears = structs.replace(hears, transcription=structs.replace(hears.transcription, model=model or None))
    return structs.replace(session, audio=structs.replace(session.audio, input=hears))


def session_to_wire(session: Session) -> dict[str, Any]:
    """Return the JSON object of a session, as in `session.created` and `session.updated`."""
    wire: dict[str, Any] = msgspec.to_builtins(session)
    wire["tools"] = without_secrets(wire["tools"])
    if session.type == "realtime":
        return wire
    kept = {name: wire[name] for name in _TRANSCRIPTION_FIELDS if name in wire}
    return {**kept, "audio": {"input": wire["audio"]["input"]}}
