"""The input audio buffer: from voice activity to turns and committed audio. Pure."""

from dataclasses import dataclass

from streamsrv.core.effects import DropRecognition, FeedRecognition, FinishRecognition, OpenRecognition
from streamsrv.core.outbox import Outbox
from streamsrv.core.turns.detector import SpeechStarted, SpeechStopped, TurnDetector, TurnOptions
from streamsrv.core.turns.endpointing import Evidence, pause_limit_ms
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import AudioInput, SemanticVad, ServerVad, TurnDetection

MIN_COMMIT_MS = 100


@dataclass(frozen=True, slots=True)
class CommittedAudio:
    """Audio that left the buffer to become the item `item_id`."""

    item_id: str
    start_ms: int
    """In the session's audio."""
    duration_ms: int
    recognized: bool
    """Whether speech was found in it, so that a transcript will follow."""


class Listener:
    """Follows the session's input audio: detects turns, opens and feeds recognitions, commits."""

    def __init__(self, options: AudioInput, outbox: Outbox) -> None:
        self._outbox = outbox
        self._options = options
        self._turns = TurnDetector(_turn_options(options.turn_detection))
        self._received_ms = 0
        self._buffer_start_ms = 0
        self._item_id: str | None = None
        self._recognition_start_ms: int | None = None
        self._unannounced: SpeechStarted | None = None
        self._announced = False

    @property
    def speaking(self) -> bool:
        """Whether the user is in the middle of a turn (never, without turn detection)."""
        return self._options.turn_detection is not None and self._turns.speaking

    @property
    def speech(self) -> bool:
        """Whether there was speech in the last frame."""
        return self._turns.speech

    @property
    def beginning(self) -> bool:
        """Whether the last frame may be the first of a turn, or a click."""
        return self._options.turn_detection is not None and self._turns.beginning

    @property
    def recognizing(self) -> bool:
        """Whether what is in the buffer is being recognised."""
        return self._recognition_start_ms is not None

    @property
    def pausing(self) -> bool:
        """Whether the user is silent in the middle of a turn."""
        return self.speaking and self._turns.pausing

    def is_hearing(self, item_id: str) -> bool:
        """Whether the audio in the buffer will become this item."""
        return item_id == self._item_id

    @property
    def announced(self) -> bool:
        """Whether the client knows the id of the item that the audio in the buffer will become."""
        return self._announced

    def configure(self, options: AudioInput) -> None:
        """The session's input options changed; what is in the buffer stays."""
        if (options.turn_detection is None) is not (self._options.turn_detection is None):
            self._turns.end_turn()  # its beginning was announced, or not, by other rules
        self._options = options
        self._turns.configure(_turn_options(options.turn_detection))

    def append(self, until_ms: int) -> None:
        """The session's audio is now `until_ms` long."""
        self._received_ms = until_ms

    @property
    def speech_ms(self) -> int:
        """How long the speech of the turn lasted until now."""
        return self._turns.speech_ms

    @property
    def pause_ms(self) -> int:
        """How long the user has been silent since."""
        return self._turns.pause_ms

    def hear(self, probability: float, until_ms: int) -> CommittedAudio | SpeechStarted | None:
        """Take one frame; return a turn that began with it, or the audio of one that ended.

        A turn that began is a secret until `announce`; it ends announced.
        """
        change = self._turns.hear(probability, until_ms)
        if self._options.turn_detection is None:
            change = None
            if self._turns.speech and self._recognition_start_ms is None:
                padded_ms = until_ms - TurnOptions().prefix_padding_ms
                self._open(max(padded_ms, self._buffer_start_ms))
        elif isinstance(change, SpeechStarted):
            # What was committed or cleared may have ended within a frame, after the last one that was heard.
            change = SpeechStarted(max(change.at_ms, self._buffer_start_ms))
            self._unannounced = change
            if self._recognition_start_ms is None:  # else it hears the buffer since turn detection was off
                self._open(change.at_ms)
        if self._recognition_start_ms is not None:
            self._outbox.emit(FeedRecognition(self.item_id, self._turns.speech))
        if isinstance(change, SpeechStopped):
            self.announce()
            self._outbox.send("input_audio_buffer.speech_stopped", audio_end_ms=change.at_ms, item_id=self.item_id)
            return self._end_buffer(until_ms)
        return change

    def wait(self, limit_ms: int) -> None:
        """End the turn when the pause that is going on has lasted this long."""
        self._turns.wait(limit_ms)

    def announce(self) -> None:
        """Tell the client of the turn that began, unless it knows."""
        if self._unannounced is not None:
            started_ms, self._unannounced = self._unannounced.at_ms, None
            self._announced = True
            self._outbox.send("input_audio_buffer.speech_started", audio_start_ms=started_ms, item_id=self.item_id)

    def discard(self) -> None:
        """What began was no turn: forget it. The client never learns of it."""
        self._turns.end_turn()
        self._drop_recognition()
        self._forget_item()

    def commit(self) -> CommittedAudio:
        """Take everything in the buffer as one item; raises `ProtocolError` when there is less than 100 ms."""
        buffered_ms = self._received_ms - self._buffer_start_ms
        if buffered_ms < MIN_COMMIT_MS:
            raise ProtocolError(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
                f"but buffer only has {buffered_ms:.2f}ms of audio.",
            )
        self._turns.end_turn()
        return self._end_buffer(self._received_ms)

    def cut_off(self) -> CommittedAudio:
        """End the turn that is going on where its audio ends."""
        self.announce()
        self._outbox.send("input_audio_buffer.speech_stopped", audio_end_ms=self._received_ms, item_id=self.item_id)
        self._turns.end_turn()
        return self._end_buffer(self._received_ms)

    def silence(self, from_ms: int) -> CommittedAudio:
        """Take the silence in the buffer since `from_ms` as an item without words; what came before it is dropped."""
        self._turns.end_turn()
        self._buffer_start_ms = max(self._buffer_start_ms, from_ms)
        return self._end_buffer(self._received_ms)

    def clear(self) -> None:
        """Forget the buffer."""
        self._turns.end_turn()
        self._drop_recognition()
        self._buffer_start_ms = self._received_ms
        self._forget_item()

    def _drop_recognition(self) -> None:
        if self._recognition_start_ms is not None:
            self._outbox.emit(DropRecognition(self.item_id))
        self._recognition_start_ms = None

    def _forget_item(self) -> None:
        self._item_id = self._unannounced = None
        self._announced = False

    @property
    def item_id(self) -> str:
        """The id of the item that the audio in the buffer will become."""
        if self._item_id is None:
            self._item_id = self._outbox.new_id("item")
        return self._item_id

    @property
    def heard_from_ms(self) -> int:
        """Where the audio of the item in the buffer begins, as the recogniser hears it."""
        return self._buffer_start_ms if self._recognition_start_ms is None else self._recognition_start_ms

    @property
    def received_ms(self) -> int:
        return self._received_ms

    def _open(self, from_ms: int) -> None:
        self._recognition_start_ms = from_ms
        self._outbox.emit(OpenRecognition(self.item_id, from_ms, recognition_options(self._options)))

    def _end_buffer(self, until_ms: int) -> CommittedAudio:
        recognized = self._recognition_start_ms is not None
        committed = CommittedAudio(self.item_id, self.heard_from_ms, until_ms - self.heard_from_ms, recognized)
        if recognized:
            self._outbox.emit(FinishRecognition(self.item_id))
        self._buffer_start_ms = until_ms
        self._recognition_start_ms = None
        self._forget_item()
        return committed


def recognition_options(options: AudioInput) -> RecognitionOptions:
    """What the client said about its speech."""
    transcription = options.transcription
    if transcription is None:
        return RecognitionOptions()
    return RecognitionOptions(language=transcription.language, prompt=transcription.prompt or "")


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
