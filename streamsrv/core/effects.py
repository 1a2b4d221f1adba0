"""What a session wants done: the effects that `SessionCore.handle` returns, in order."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.core.timers import TimerKey
from streamsrv.engines.asr.base import RecognitionOptions, RecognizedUtterance
from streamsrv.engines.llm.base import ChatOptions, Message, Tool
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.protocol.session_object import AudioFormat, CaptionOptions


@dataclass(frozen=True, slots=True)
class SendEvent:
    """Send a server event of this type with these fields; the core gives it an `event_id` when it hands it out."""

    type: str
    fields: dict[str, Any]
    event_id: str = ""

    @property
    def event(self) -> dict[str, Any]:
        """The JSON object of the wire."""
        return {"type": self.type, "event_id": self.event_id, **self.fields}


def send_event(event_type: str, **fields: Any) -> SendEvent:
    return SendEvent(event_type, fields)


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Send audio as `response.output_audio.delta` events with the fields of `place`; mono int16 at `sample_rate` Hz."""

    place: dict[str, Any]
    pcm: NDArray[np.int16]
    sample_rate: int
    format: AudioFormat


@dataclass(frozen=True, slots=True)
class FinishAudio:
    """No more audio comes for an item: send what resampling holds back."""

    item_id: str


@dataclass(frozen=True, slots=True)
class HoldPlayback:
    """Silence the speaker and keep the place; only for sessions whose transport holds playback, as the next two."""


@dataclass(frozen=True, slots=True)
class ResumePlayback:
    """Go on from the sample at which playback was held."""


@dataclass(frozen=True, slots=True)
class ClearPlayback:
    """Drop what was not played."""


@dataclass(frozen=True, slots=True)
class SetFramePacing:
    """Hear each frame of input audio at once (`immediate`, as at first), or gather a few: nobody speaks or listens."""

    immediate: bool


@dataclass(frozen=True, slots=True)
class OpenRecognition:
    """Recognise the session's input audio from `from_ms` on, up to the frame before the current one."""

    item_id: str
    from_ms: int
    options: RecognitionOptions


@dataclass(frozen=True, slots=True)
class FeedRecognition:
    """Give the current frame to the recognition; `speech` tells whether voice activity was found in it."""

    item_id: str
    speech: bool


@dataclass(frozen=True, slots=True)
class FinishRecognition:
    """No more audio for this item: its final transcript is wanted."""

    item_id: str


@dataclass(frozen=True, slots=True)
class PredictEndOfTurn:
    """Ask the end-of-turn model, if there is one, whether the user is done; answered by `EndOfTurnPredicted`.

    It hears the session's input audio from `from_ms` on. `pause` numbers the pauses of a session.
    """

    item_id: str
    from_ms: int
    pause: int


@dataclass(frozen=True, slots=True)
class DropRecognition:
    item_id: str


@dataclass(frozen=True, slots=True)
class RecognizeClip:
    """Recognise audio that came whole with an item, in the session's input format."""

    item_id: str
    audio: bytes
    format: AudioFormat
    options: RecognitionOptions


@dataclass(frozen=True, slots=True)
class EnterRoom:
    """What the session says is shown in this caption room from now on; None: in none."""

    captions: CaptionOptions | None


@dataclass(frozen=True, slots=True)
class ShowCaption:
    """Show what was said in an item so far, in place of what was shown of it.

    Times are ms of the session's audio: `start_ms` where the item's begins, `audio_ms` the length of all of it so far.
    """

    item_id: str
    stable: str
    tentative: str
    start_ms: int
    audio_ms: int


@dataclass(frozen=True, slots=True)
class SettleCaption:
    """The words of an item are final (times as in `ShowCaption`); without text there are none after all.

    None: they will never be known, and what was shown stands.
    """

    item_id: str
    utterance: RecognizedUtterance | None
    audio_ms: int


@dataclass(frozen=True, slots=True)
class PrepareModel:
    """Let the language model read what all requests of this session begin with."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Generate:
    """Ask the language model; answers carry `generation`."""

    generation: int
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    options: ChatOptions


@dataclass(frozen=True, slots=True)
class Synthesize:
    """Speak one segment of speakable text; one at a time for each generation."""

    generation: int
    text: str
    options: SpeechOptions


@dataclass(frozen=True, slots=True)
class StopGeneration:
    """Cancel the language model and the synthesiser of a generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire `TimerFired(key)` after `delay_ms`; replaces a timer of the same key."""

    key: TimerKey
    delay_ms: int


@dataclass(frozen=True, slots=True)
class ClearTimer:
    key: TimerKey


@dataclass(frozen=True, slots=True)
class RecordTurn:
    """A spoken turn was answered: ms from the end of speech to each stage, by `<stage>_ms`."""

    latencies_ms: dict[str, int]


@dataclass(frozen=True, slots=True)
class RecordSpeculation:
    """An answer begun before the turn ended was used, or was in vain."""

    tokens: int
    used: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Send what is queued, then end the session with this WebSocket close code and reason."""

    code: int
    reason: str


Effect = (
    SendEvent
    | SendAudio
    | FinishAudio
    | HoldPlayback
    | ResumePlayback
    | ClearPlayback
    | SetFramePacing
    | OpenRecognition
    | FeedRecognition
    | FinishRecognition
    | PredictEndOfTurn
    | DropRecognition
    | RecognizeClip
    | EnterRoom
    | ShowCaption
    | SettleCaption
    | PrepareModel
    | Generate
    | Synthesize
    | StopGeneration
    | SetTimer
    | ClearTimer
    | RecordTurn
    | RecordSpeculation
    | Close
)
