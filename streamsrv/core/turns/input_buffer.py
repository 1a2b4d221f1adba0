"""The input audio buffer: finds turns in voice activity, and commits audio. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from streamsrv.core.effects import (
    DropRecognition,
    Effect,
    FeedRecognition,
    FinishRecognition,
    OpenRecognition,
    send_event,
)
from streamsrv.core.recognition import chosen_model, recognition_options
from streamsrv.core.turns.detector import SpeechStarted, SpeechStopped, TurnDetector, TurnOptions
from streamsrv.core.turns.endpointing import Evidence, pause_limit_ms
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import SemanticVad, ServerVad, Session, TurnDetection

MIN_COMMIT_MS = 100


@dataclass(frozen=True, slots=True)
class CommittedAudio:
    """Audio that left the buffer to become the item `item_id`."""

    item_id: str
    start_ms: int
    """Where the audio begins in the session's audio."""
    duration_ms: int
    recognized: bool
    """Whether the audio has speech, so that a transcript will follow."""
    options: RecognitionOptions
    """How it is recognised."""


class InputBuffer:
    """Follows the session's input audio: detects turns, opens and feeds recognitions, commits.

    `new_id("item")` makes the ids of the items that the audio becomes.
    """

    def __init__(self, session: Session, new_id: Callable[[str], str]) -> None:
        self._new_id = new_id
        self._options = session.audio.input
        self._next_options = self._recognition_options = recognition_options(session)
        self._detector = TurnDetector(_turn_options(self._options.turn_detection))
        self._received_ms = 0
        self._buffer_start_ms = 0
        self._item_id: str | None = None
        self._recognition_start_ms: int | None = None
        self._unannounced: SpeechStarted | None = None
        self._announced = False

    @property
    def speaking(self) -> bool:
        """Whether the user is in the middle of a turn (never, without turn detection)."""
        return self._options.turn_detection is not None and self._detector.speaking

    @property
    def speech(self) -> bool:
        """Whether there was speech in the last frame."""
        return self._detector.speech

    @property
    def beginning(self) -> bool:
        """Whether the last frame may be the first of a turn, or a click."""
        return self._options.turn_detection is not None and self._detector.beginning

    @property
    def recognizing(self) -> bool:
        """Whether the audio in the buffer is being recognised."""
        return self._recognition_start_ms is not None

    @property
    def pausing(self) -> bool:
        """Whether the user is silent in the middle of a turn."""
        return self.speaking and self._detector.pausing

    def holds(self, item_id: str) -> bool:
        """Whether the audio in the buffer will become this item."""
        return item_id == self._item_id

    @property
    def announced(self) -> bool:
        """Whether the client knows the id of the item that the audio in the buffer will become."""
        return self._announced

    @property
    def recognition_options(self) -> RecognitionOptions:
        """How the audio in the buffer is recognised; a change of the session's options is for what is said later."""
        return self._recognition_options

    def configure(self, session: Session) -> None:
        """Change the input options; the audio in the buffer stays, and a recognition that is open keeps its options."""
        options = session.audio.input
        self._next_options = recognition_options(session)
        if not self.recognizing:
            self._recognition_options = self._next_options
        if (options.turn_detection is None) is not (self._options.turn_detection is None):
            self._detector.end_turn()  # with and without turn detection, turns are announced differently
        self._options = options
        self._detector.configure(_turn_options(options.turn_detection))

    def append(self, until_ms: int) -> None:
        """Record that the session's audio is now `until_ms` long."""
        self._received_ms = until_ms

    @property
    def speech_ms(self) -> int:
        """The length of the turn's speech until now."""
        return self._detector.speech_ms

    @property
    def speech_began_ms(self) -> int:
        """Where the turn's first speech begins in the session's audio."""
        return self._detector.first_speech_ms

    @property
    def last_speech_ms(self) -> int:
        """Where the last speech ends in the session's audio."""
        return self._detector.last_speech_ms

    @property
    def pause_ms(self) -> int:
        """The silence since the turn's last speech."""
        return self._detector.pause_ms

    def hear(self, probability: float, until_ms: int) -> tuple[list[Effect], SpeechStarted | CommittedAudio | None]:
        """Take one frame; return its effects, and the turn that began with it or the audio of the turn that ended.

        `announce` tells the client that a turn began; that happens at the latest when the turn ends.
        """
        effects: list[Effect] = []
        change = self._detector.hear(probability, until_ms)
        if self._options.turn_detection is None:
            change = None
            if self._detector.speech and self._recognition_start_ms is None:
                padded_ms = until_ms - TurnOptions().prefix_padding_ms
                effects.append(self._open(max(padded_ms, self._buffer_start_ms)))
        elif isinstance(change, SpeechStarted):
            # A commit or clear may have cut the audio inside a frame, after the last frame heard.
            change = SpeechStarted(max(change.at_ms, self._buffer_start_ms))
            self._unannounced = change
            if self._recognition_start_ms is None:  # else a recognition is open since turn detection was off
                effects.append(self._open(change.at_ms))
        if self._recognition_start_ms is not None:
            effects.append(FeedRecognition(self.assign_item_id(), self._detector.speech))
        if isinstance(change, SpeechStopped):
            effects += self._announce_end(change.at_ms)
            ended, audio = self._end_buffer(until_ms)
            return [*effects, *ended], audio
        return effects, change

    def wait(self, limit_ms: int) -> None:
        """End the turn when the current pause has lasted this long."""
        self._detector.wait(limit_ms)

    def announce(self) -> list[Effect]:
        """Tell the client of the turn that began, unless it has been told.

        It has been told of an earlier turn in the same audio if turn detection was turned off in it, and on again.
        """
        if self._unannounced is None:
            return []
        started_ms, self._unannounced = self._unannounced.at_ms, None
        if self._announced:
            return []
        self._announced = True
        item_id = self.assign_item_id()
        return [send_event("input_audio_buffer.speech_started", audio_start_ms=started_ms, item_id=item_id)]

    def discard(self) -> list[Effect]:
        """Drop speech that turned out not to be a turn; the client is never told about it."""
        self._detector.end_turn()
        dropped = self._drop_recognition()
        self._forget_item()
        return dropped

    def begin_anew(self) -> list[Effect]:
        """Drop speech before the next frame, which may begin a turn with what was heard just before it."""
        self._detector.begin_anew()
        dropped = self._drop_recognition()
        self._forget_item()
        return dropped

    @property
    def threshold(self) -> float:
        """The probability from which a frame counts as speech."""
        return self._detector.threshold

    def commit(self) -> tuple[list[Effect], CommittedAudio]:
        """Commit all audio in the buffer as one item; raises `ProtocolError` if there is less than `MIN_COMMIT_MS`."""
        buffered_ms = self._received_ms - self._buffer_start_ms
        if buffered_ms < MIN_COMMIT_MS:
            raise ProtocolError(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {buffered_ms:.2f}ms of audio.",
            )
        self._detector.end_turn()
        return self._end_buffer(self._received_ms)

    def cut_off(self) -> tuple[list[Effect], CommittedAudio]:
        """End the current turn at the end of its audio."""
        announced = self._announce_end(self._received_ms)
        self._detector.end_turn()
        ended, audio = self._end_buffer(self._received_ms)
        return [*announced, *ended], audio

    def commit_silence(self, from_ms: int) -> tuple[list[Effect], CommittedAudio]:
        """Commit the silence in the buffer since `from_ms` as an item without words; drop the audio before it."""
        self._detector.end_turn()
        self._buffer_start_ms = max(self._buffer_start_ms, from_ms)
        return self._end_buffer(self._received_ms)

    def clear(self) -> list[Effect]:
        """Drop the audio in the buffer."""
        self._buffer_start_ms = self._received_ms
        return self.discard()

    def assign_item_id(self) -> str:
        """Return the id of the item that the audio in the buffer will become, after assigning one if necessary."""
        if self._item_id is None:
            self._item_id = self._new_id("item")
        return self._item_id

    @property
    def item_id(self) -> str | None:
        """The id of the item that the audio in the buffer will become; None: not assigned yet."""
        return self._item_id

    @property
    def heard_from_ms(self) -> int:
        """Where the audio of the buffer's item begins, as given to the recogniser."""
        return self._buffer_start_ms if self._recognition_start_ms is None else self._recognition_start_ms

    @property
    def received_ms(self) -> int:
        return self._received_ms

    def _open(self, from_ms: int) -> OpenRecognition:
        self._recognition_start_ms = from_ms
        self._recognition_options = self._next_options
        model = chosen_model(self._options)
        return OpenRecognition(self.assign_item_id(), from_ms, self._recognition_options, model)

    def _announce_end(self, at_ms: int) -> list[Effect]:
        stopped = send_event("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=self.assign_item_id())
        return [*self.announce(), stopped]

    def _drop_recognition(self) -> list[Effect]:
        is_open, self._recognition_start_ms = self._recognition_start_ms is not None, None
        return [DropRecognition(self.assign_item_id())] if is_open else []

    def _forget_item(self) -> None:
        self._item_id = self._unannounced = None
        self._announced = False

    def _end_buffer(self, until_ms: int) -> tuple[list[Effect], CommittedAudio]:
        recognized, item_id = self._recognition_start_ms is not None, self.assign_item_id()
        duration_ms = until_ms - self.heard_from_ms
        committed = CommittedAudio(item_id, self.heard_from_ms, duration_ms, recognized, self._recognition_options)
        self._buffer_start_ms = until_ms
        self._recognition_start_ms = None
        self._forget_item()
        return [FinishRecognition(item_id)] if recognized else [], committed


def _turn_options(detection: TurnDetection | None) -> TurnOptions:
    match detection:
        case ServerVad():
            return TurnOptions(
                threshold=detection.threshold,
                prefix_padding_ms=detection.prefix_padding_ms,
                silence_ms=detection.silence_duration_ms,
            )
        case SemanticVad():
            return TurnOptions(silence_ms=pause_limit_ms(Evidence(), detection.eagerness))
        case None:
            return TurnOptions()
