"""What a session wants done: the effects that `SessionCore.handle` returns, in order."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.core.timers import TimerKey
from streamsrv.engines.asr.base import RecognitionOptions, RecognizedUtterance
from streamsrv.engines.llm.base import ChatOptions, Message, Tool
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.protocol.session_object import AudioFormat, CaptionOptions
from streamsrv.tools.base import ServerAddress


@dataclass(frozen=True, slots=True)
class SendEvent:
    """Send a server event of this type with these fields; the core gives it an `event_id` when it hands it out."""

    type: str
    fields: dict[str, Any]
    event_id: str = ""
    generations: tuple[int, ...] = field(default=(), compare=False)
    """Of `response.done`: the requests of the response, whose cost the event tells."""

    @property
    def event(self) -> dict[str, Any]:
        """The JSON object of the wire."""
        return {"type": self.type, "event_id": self.event_id, **self.fields}


def send_event(event_type: str, **fields: Any) -> SendEvent:
    return SendEvent(event_type, fields)


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Send mono int16 audio at `sample_rate` Hz as `response.output_audio.delta` events with these further fields."""

    event_fields: dict[str, Any]
    pcm: NDArray[np.int16]
    sample_rate: int
    format: AudioFormat


@dataclass(frozen=True, slots=True)
class FinishAudio:
    """No more audio comes for an item: send what resampling holds back."""

    item_id: str


@dataclass(frozen=True, slots=True)
class HoldPlayback:
    """Pause playback; this effect and the next two are only for sessions whose transport plays."""


@dataclass(frozen=True, slots=True)
class ResumePlayback:
    """Continue from the sample at which playback was held."""


@dataclass(frozen=True, slots=True)
class ClearPlayback:
    """Drop the audio that was not played yet."""


@dataclass(frozen=True, slots=True)
class SetFramePacing:
    """Process each frame of input audio at once (`immediate`, the default), or a few together while nobody speaks."""

    immediate: bool


@dataclass(frozen=True, slots=True)
class SuppressNoise:
    """Suppress noise in the session's input audio from now on; `level` of `audio.noise_suppression`, 0: no longer."""

    level: int


@dataclass(frozen=True, slots=True)
class OpenRecognition:
    """Recognise the session's input audio from `from_ms` on, up to the frame before the current one."""

    item_id: str
    from_ms: int
    options: RecognitionOptions
    model: str = ""
    """Name of the recogniser; empty: the default one."""


@dataclass(frozen=True, slots=True)
class FeedRecognition:
    """Give the current frame to the recognition; `speech`: whether it contains voice activity."""

    item_id: str
    speech: bool


@dataclass(frozen=True, slots=True)
class FinishRecognition:
    """The audio of this item is complete: ask for its final transcript."""

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
class JudgeWords:
    """Ask the model that judges words, if there is one, whether a turn ends after them; answered by `WordsJudged`."""

    item_id: str
    text: str
    language: str | None


@dataclass(frozen=True, slots=True)
class ReadWords:
    """Let the model that judges words, if there is one, read these, with which the words of the next pause begin."""

    text: str
    language: str | None


@dataclass(frozen=True, slots=True)
class FollowTurn:
    """Let the end-of-turn model, if it is a streaming one, hear the user's turn from now on; see `TurnScored`.

    The speech begins at `from_ms` of the session's input audio. `agent`: the last words of the agent before it.
    """

    from_ms: int
    agent: str


@dataclass(frozen=True, slots=True)
class LeaveTurn:
    """The turn that the streaming end-of-turn model hears is over."""


@dataclass(frozen=True, slots=True)
class DropRecognition:
    item_id: str


@dataclass(frozen=True, slots=True)
class RecognizeClip:
    """Recognise the recorded audio of an item, in the session's input format."""

    item_id: str
    audio: bytes
    format: AudioFormat
    options: RecognitionOptions
    model: str = ""
    """Name of the recogniser; empty: the default one."""


@dataclass(frozen=True, slots=True)
class PrepareRecognizer:
    """Have the session's recogniser loaded, and keep it until another one is prepared; empty: the default one.

    Answered by `RecognizerPrepared` if it has to be loaded.
    """

    model: str


@dataclass(frozen=True, slots=True)
class EnterRoom:
    """Show what the user of the session says in this caption room from now on; None: in no room."""

    captions: CaptionOptions | None


@dataclass(frozen=True, slots=True)
class ShowCaption:
    """Show the words of an item so far, in place of those shown before.

    Times are ms of the session's audio: `start_ms` where the item begins, `audio_ms` the length of all audio so far.
    """

    item_id: str
    stable: str
    tentative: str
    start_ms: int
    audio_ms: int
    translated_to: str | None = None
    """The language of the words, where they are a translation."""


@dataclass(frozen=True, slots=True)
class SettleCaption:
    """The transcript of an item is final (times as in `ShowCaption`); without text, remove what was shown.

    `utterance` None: there will be no final transcript, and what was shown stays.
    """

    item_id: str
    utterance: RecognizedUtterance | None
    audio_ms: int


@dataclass(frozen=True, slots=True)
class PrepareModel:
    """Let the language model read messages that later requests of this session begin with."""

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
class ListTools:
    """Ask a tool server for its tools; the answer carries `listing_id`."""

    listing_id: str
    server: ServerAddress


@dataclass(frozen=True, slots=True)
class CallTool:
    """Run a tool; its result carries `call_id`. `arguments` is a JSON object."""

    call_id: str
    server: ServerAddress
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class CancelTool:
    """Stop a call; its result is not wanted any more."""

    call_id: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire `TimerFired(key)` after `delay_ms`; replaces a timer of the same key."""

    key: TimerKey
    delay_ms: int


@dataclass(frozen=True, slots=True)
class ClearTimer:
    key: TimerKey


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call; this effect and the next two are only for sessions of calls."""

    reason: str


@dataclass(frozen=True, slots=True)
class TransferCall:
    """Give the call to another telephone (a number, `tel:` or `sip:` URI). The call ends, or `TransferFailed` comes."""

    destination: str


@dataclass(frozen=True, slots=True)
class SoundWaiting:
    """Let the caller hear that the answer is coming (`on`), or stop that sound."""

    on: bool


@dataclass(frozen=True, slots=True)
class RecordTurn:
    """A spoken turn was answered: ms from the end of speech to each stage, by `<stage>_ms`."""

    latencies_ms: dict[str, int]


@dataclass(frozen=True, slots=True)
class RecordSpeculation:
    """A speculative answer was used, or was discarded."""

    tokens: int
    used: bool


@dataclass(frozen=True, slots=True)
class RecordTurnEnd:
    """A spoken turn has ended, `waited_ms` after its last speech."""

    waited_ms: int


@dataclass(frozen=True, slots=True)
class RecordEarlyTurnEnd:
    """The user went on with a turn whose end had been found, after a pause of `pause_ms`."""

    pause_ms: int
    is_answered: bool
    """Whether the answer to the first part had begun."""


@dataclass(frozen=True, slots=True)
class RecordInterruption:
    """The user interrupted a reply that was being made or played."""


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
    | SuppressNoise
    | OpenRecognition
    | FeedRecognition
    | FinishRecognition
    | PredictEndOfTurn
    | JudgeWords
    | ReadWords
    | FollowTurn
    | LeaveTurn
    | DropRecognition
    | RecognizeClip
    | PrepareRecognizer
    | EnterRoom
    | ShowCaption
    | SettleCaption
    | PrepareModel
    | Generate
    | Synthesize
    | StopGeneration
    | ListTools
    | CallTool
    | CancelTool
    | SetTimer
    | ClearTimer
    | HangUp
    | TransferCall
    | SoundWaiting
    | RecordTurn
    | RecordSpeculation
    | RecordTurnEnd
    | RecordEarlyTurnEnd
    | RecordInterruption
    | Close
)
