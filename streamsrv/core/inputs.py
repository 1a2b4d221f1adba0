"""What can happen to a session: the inputs of `SessionCore.handle`.

Results of an effect name what they belong to (`item_id` or `generation`), so that late results are recognised and
dropped.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamsrv.core.timers import TimerKey
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.llm.base import Delta
from streamsrv.engines.tts.base import SpokenBy, SpokenWord
from streamsrv.engines.turn.base import WordsEnding
from streamsrv.errors import INSUFFICIENT_QUOTA, PROVIDER_UNAUTHORIZED, EngineError, Overloaded, Rejected, Unavailable
from streamsrv.protocol.client_events import ClientEvent
from streamsrv.protocol.errors import ErrorDetails
from streamsrv.tools.base import ToolDescription, ToolFailure

FailureKind = Literal["unavailable", "rejected", "overloaded"]
"""What the caller of a stage can do about its failure; see `streamsrv.errors`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a stage failed; `message` is a sentence for the user, `code` is its name for clients, if it has one."""

    kind: FailureKind
    message: str
    code: str | None = None

    @classmethod
    def of(cls, error: EngineError) -> "Failure":
        match error:
            case Rejected():
                return cls("rejected", str(error), error.code)
            case Overloaded():
                return cls("overloaded", str(error))
            case Unavailable(refuses_key=True):
                return cls("unavailable", str(error), PROVIDER_UNAUTHORIZED)
            case _:
                return cls("unavailable", str(error))

    def to_wire(self) -> dict[str, str]:
        """Return the error of a response that failed because of this."""
        match self.kind, self.code:
            case "rejected", code:
                kind = INSUFFICIENT_QUOTA if code == INSUFFICIENT_QUOTA else "invalid_request_error"
                code = code or "rejected"
            case "overloaded", _:
                kind, code = "server_error", "rate_limit_exceeded"
            case _, code:
                kind, code = "server_error", code or "server_error"
        return {"type": kind, "code": code, "message": self.message}


@dataclass(frozen=True, slots=True)
class EventReceived:
    """A well-formed client event other than appended audio."""

    event: ClientEvent


@dataclass(frozen=True, slots=True)
class EventRefused:
    """A frame from the client that is not a valid event."""

    error: ErrorDetails
    event_id: str | None


@dataclass(frozen=True, slots=True)
class AudioAppended:
    """Audio reached the input buffer; `until_ms` is the length of all audio of this session so far."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class FrameHeard:
    """Voice activity in the 32 ms frame that ends at `until_ms` of the session's input audio."""

    probability: float
    until_ms: int
    level_db: float | None = None
    """Loudness of a frame in which there may be speech, dB below full scale; None: not measured."""


@dataclass(frozen=True, slots=True)
class TranscriptReceived:
    item_id: str
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class RecognitionFailed:
    item_id: str
    failure: Failure


LoadingState = Literal["loading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class RecognizerPrepared:
    """How far the loading of the session's recogniser is; `message` says why it failed."""

    model: str
    state: LoadingState
    message: str = ""


@dataclass(frozen=True, slots=True)
class EndOfTurnPredicted:
    """The end-of-turn model's result for a pause: how done the user sounds (0..1), see `Calibrated.evidence`."""

    item_id: str
    pause: int
    voice: float


@dataclass(frozen=True, slots=True)
class TurnScored:
    """The newest score of a streaming end-of-turn model, for the turn that goes on."""

    until_ms: int
    """How much of the session's input audio it has heard."""
    voice: float
    """How done the user sounds (0..1), see `Calibrated.evidence`."""
    backchannel: float | None = None
    """The probability (0..1) that the speech is a backchannel; None: not judged."""


@dataclass(frozen=True, slots=True)
class WordsJudged:
    """How likely a turn ends after the words `text`."""

    item_id: str
    text: str
    ending: WordsEnding


@dataclass(frozen=True, slots=True)
class ModelOutput:
    generation: int
    delta: Delta


@dataclass(frozen=True, slots=True)
class SpeechOutput:
    """Synthesised audio of the segment being spoken: mono int16 at `sample_rate` Hz."""

    generation: int
    pcm: NDArray[np.int16]
    sample_rate: int
    words: tuple[SpokenWord, ...] = ()
    spoken_by: SpokenBy | None = None


@dataclass(frozen=True, slots=True)
class SegmentSpoken:
    """The segment given to `Synthesize` is complete."""

    generation: int


@dataclass(frozen=True, slots=True)
class GenerationFailed:
    """A stage of a generation failed."""

    generation: int
    failure: Failure
    stage: Literal["chat", "synthesizer"] = "chat"


@dataclass(frozen=True, slots=True)
class ToolsListed:
    """The tools of a server, or the sentence that says why there are none."""

    listing_id: str
    tools: tuple[ToolDescription, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """The result of a call, or why it failed."""

    call_id: str
    output: str
    failed: ToolFailure | None = None


@dataclass(frozen=True, slots=True)
class PlaybackReported:
    """The client played an item up to `audio_ms`."""

    item_id: str
    audio_ms: int


@dataclass(frozen=True, slots=True)
class PlaybackEnded:
    """Playback of an item ended after `audio_ms`: all of it was played, or the rest was dropped."""

    item_id: str
    audio_ms: int


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The caller pressed a key of the telephone: 0-9, *, # or A-D; `at_s` is the Unix time in seconds."""

    digit: str
    at_s: int


@dataclass(frozen=True, slots=True)
class TransferFailed:
    """The call could not be transferred, and goes on; `message` is a sentence for the language model."""

    message: str


@dataclass(frozen=True, slots=True)
class LineDropped:
    """The telephone call has ended: the caller says and hears nothing more."""


@dataclass(frozen=True, slots=True)
class TimerFired:
    key: TimerKey


Input = (
    EventReceived
    | EventRefused
    | AudioAppended
    | FrameHeard
    | TranscriptReceived
    | RecognitionFailed
    | RecognizerPrepared
    | EndOfTurnPredicted
    | TurnScored
    | WordsJudged
    | ModelOutput
    | SpeechOutput
    | SegmentSpoken
    | GenerationFailed
    | ToolsListed
    | ToolReturned
    | PlaybackReported
    | PlaybackEnded
    | DigitPressed
    | TransferFailed
    | LineDropped
    | TimerFired
)
