"""The simulated recogniser of a session, in virtual time. Takes the place of `streamsrv.runtime.hearing`."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from streamsrv.core.effects import DropRecognition, FeedRecognition, FinishRecognition, OpenRecognition, RecognizeClip
from streamsrv.core.inputs import Failure, Input, RecognitionFailed, TranscriptReceived
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.errors import Overloaded
from streamsrv.protocol.audio_formats import duration_ms
from streamsrv.protocol.session_object import Opus
from streamsrv.testing.faults import Fault, fault_of
from streamsrv.testing.scenario import RecognizerTraits
from streamsrv.testing.simulated_user import MicrophoneFrame
from streamsrv.testing.virtual_time import VirtualTime

RECENT_FRAMES = 6000 // FRAME_MS
"""Recent frames that are kept for the pre-roll of a recognition."""

SIMULATED_LANGUAGE = "en"
"""The language that everybody speaks."""

Give = Callable[[Input], None]


class UnexpectedEffect(Exception):
    """The core returned an effect that is wrong at this point, such as feeding a recognition that it never opened."""


class SimulatedRecognition:
    """Gives partial transcripts at intervals and in pauses, then a final one, unless its fault strikes."""

    def __init__(self, item_id: str, traits: RecognizerTraits, fault: Fault, time: VirtualTime, give: Give) -> None:
        self._item_id = item_id
        self._traits = traits
        self._fault = fault
        self._time = time
        self._give = give
        self._given = 0
        self._reported = 0
        self._pauses = 0  # changes between speech and no speech; odd in a pause
        self._last_ms = 0
        self._from_ms: int | None = None  # start of its audio in the session's audio
        self.words: list[str] = []
        self.open = True
        """Whether the core still feeds it."""
        self.over = False
        """Whether it gives no more results."""
        if isinstance(fault.error, Overloaded) and fault.after == 0:
            self._fail()
        self._time.after(traits.partial_ms, self._decode)

    def begin(self, frames: Iterable[tuple[int, MicrophoneFrame]], from_ms: int) -> None:
        """Take the earlier frames, given with their end times, that end after `from_ms`."""
        for until_ms, frame in frames:
            if until_ms > from_ms:
                self._take_word(frame, until_ms)

    def feed(self, frame: MicrophoneFrame, until_ms: int, *, speech: bool) -> None:
        """Take a frame. A pause that begins with this frame is decoded at once."""
        self._take_word(frame, until_ms)
        if speech == bool(self._pauses % 2):
            self._pauses += 1
            if not speech:
                pause = self._pauses
                partial = self._partial()
                self._time.after(self._traits.delay_ms, lambda: self._end_pause_decode(partial, pause))

    def finish(self, clip_ms: int = 0) -> None:
        """End the audio, which may be a clip of `clip_ms` that came at once."""
        self.open = False
        late = RecognitionFailed(self._item_id, Failure("unavailable", "The speech recogniser did not answer in time."))
        self._time.after(self._traits.deadline_ms + clip_ms, lambda: self._deliver_failure(late))
        final = Transcript(" ".join(self.words), language=SIMULATED_LANGUAGE, is_final=True)
        self._time.after(self._traits.final_ms, lambda: self._result(final))

    def stop(self) -> None:
        self.over = True

    def _take_word(self, frame: MicrophoneFrame, until_ms: int) -> None:
        """Add the word of a frame, unless the recognition started in the middle of the word."""
        if self._from_ms is None:
            self._from_ms = until_ms - FRAME_MS
        if frame.text and until_ms - frame.word_ms >= self._from_ms:
            self.words.append(frame.text)

    def _decode(self) -> None:
        if not self.open or self.over:
            return
        if len(self.words) > self._reported:
            partial = self._partial()
            self._time.after(self._traits.delay_ms, lambda: self._result(partial))
        self._time.after(self._traits.partial_ms, self._decode)

    def _end_pause_decode(self, partial: Transcript, pause: int) -> None:
        self._result(replace(partial, at_pause=self._pauses == pause))

    def _partial(self) -> Transcript:
        self._reported = len(self.words)
        stable = max(0, len(self.words) - self._traits.tentative_words)
        tentative = self.words[stable:]
        if tentative and self._traits.mishears:
            tentative[-1] = f"un{tentative[-1]}"
        return Transcript(" ".join(self.words[:stable]), " ".join(tentative), language=SIMULATED_LANGUAGE)

    def _result(self, transcript: Transcript) -> None:
        if self._fault.strikes(self._given):
            self._fail()
        elif transcript.is_final or self.open:
            self._last_ms = max(self._last_ms, self._time.now_ms + self._fault.delay_ms(self._given))
            self._given += 1
            self._time.at(self._last_ms, lambda: self._deliver(transcript))

    def _deliver(self, transcript: Transcript) -> None:
        if not self.over:
            self.over = transcript.is_final
            self._give(TranscriptReceived(self._item_id, transcript))

    def _fail(self) -> None:
        if (error := self._fault.error) is not None:
            self._last_ms = max(self._last_ms, self._time.now_ms)
            self._time.at(
                self._last_ms, lambda: self._deliver_failure(RecognitionFailed(self._item_id, Failure.of(error)))
            )

    def _deliver_failure(self, failure: RecognitionFailed) -> None:
        if not self.over:
            self.over = True
            self._give(failure)


class SimulatedRecognizer:
    """Recognises the words in the audio that arrives at the server."""

    def __init__(self, traits: RecognizerTraits, straggling_ms: int, time: VirtualTime, give: Give) -> None:
        self._traits = traits
        self._straggling_ms = straggling_ms
        self._time = time
        self._give = give
        self._recent: deque[tuple[int, MicrophoneFrame]] = deque(maxlen=RECENT_FRAMES)
        self._current = (0, MicrophoneFrame(0.0))
        self.recognitions: dict[str, SimulatedRecognition] = {}
        """All recognitions ever opened, by item id."""

    @property
    def listening(self) -> bool:
        """Whether the core still feeds a recognition."""
        return any(recognition.open for recognition in self.recognitions.values())

    @property
    def working(self) -> bool:
        """Whether a finished recognition has not given its final result yet."""
        return any(not (recognition.open or recognition.over) for recognition in self.recognitions.values())

    def begin_frame(self, frame: MicrophoneFrame, until_ms: int) -> None:
        """Note the frame that the core gets next. It ends at `until_ms` of the session's audio."""
        self._current = (until_ms, frame)

    def end_frame(self) -> None:
        """Keep the frame for pre-roll after the core has handled it."""
        self._recent.append(self._current)

    def open(self, effect: OpenRecognition) -> None:
        self._start(effect.item_id).begin(self._recent, effect.from_ms)

    def feed(self, effect: FeedRecognition) -> None:
        until_ms, frame = self._current
        self._find_open(effect.item_id).feed(frame, until_ms, speech=effect.speech)

    def finish(self, effect: FinishRecognition) -> None:
        self._find_open(effect.item_id).finish()

    def drop(self, effect: DropRecognition) -> None:
        """Drop a recognition, also a finished one whose result is still on the way or has timed out."""
        recognition = self.recognitions.get(effect.item_id)
        if recognition is not None:
            recognition.open = False
            self._time.after(self._straggling_ms, recognition.stop)

    def recognize_clip(self, effect: RecognizeClip) -> None:
        recognition = self._start(effect.item_id)
        recognition.words += self._traits.clip_text.split()
        recognition.finish(clip_ms=_length_ms(effect))

    def _start(self, item_id: str) -> SimulatedRecognition:
        if item_id in self.recognitions:
            raise UnexpectedEffect(f"{item_id} is being recognised already")
        fault = fault_of(self._traits.faults, len(self.recognitions))
        recognition = SimulatedRecognition(item_id, self._traits, fault, self._time, self._give)
        self.recognitions[item_id] = recognition
        return recognition

    def _find_open(self, item_id: str) -> SimulatedRecognition:
        """Return an open recognition. A failed one stays open, because the core continues to feed it."""
        recognition = self.recognitions.get(item_id)
        if recognition is None or not recognition.open:
            raise UnexpectedEffect(f"{item_id} is not being recognised")
        return recognition


def _length_ms(clip: RecognizeClip) -> int:
    return 0 if isinstance(clip.format, Opus) else duration_ms(clip.audio, clip.format)
