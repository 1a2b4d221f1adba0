"""Cuts a recording into utterances at its pauses. Pure: time is counted in frames of voice activity."""

from dataclasses import dataclass

from streamsrv.engines.vad.base import FRAME_MS

SPEECH = 0.5
"""Probability from which a frame counts as speech."""
HYSTERESIS = 0.15
"""How much lower the probability of a frame right after speech may be."""
ONSET_FRAMES = 2
"""Frames of speech that begin an utterance: longer than clicks, shorter than the shortest words."""
PADDING_FRAMES = 10
"""Frames kept before the first speech, so that soft onsets are not clipped."""
PAUSE_FRAMES = 22
"""Frames without speech that end an utterance."""
MAX_FRAMES = 940
"""An utterance without a pause is cut after this many frames, at the least likely speech of its last third."""


@dataclass(frozen=True, slots=True)
class FrameSpan:
    """Frames `start` to `end` (exclusive) of the recording."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CutOptions:
    """How a recording is cut."""

    speech: float = SPEECH
    padding_frames: int = PADDING_FRAMES
    pause_frames: int = PAUSE_FRAMES

    def changed(self, speech: float | None, padding_ms: int | None, pause_ms: int | None) -> "CutOptions":
        """Return the options with those that are not None, in whole frames."""
        return CutOptions(
            self.speech if speech is None else speech,
            self.padding_frames if padding_ms is None else -(-padding_ms // FRAME_MS),
            self.pause_frames if pause_ms is None else max(1, -(-pause_ms // FRAME_MS)),
        )


class UtteranceCutter:
    """Takes the probability of speech of one frame after the other.

    Utterances come in order and do not overlap; together they hold every stretch of speech that is no click.
    """

    def __init__(self, options: CutOptions = CutOptions()) -> None:
        self._options = options
        self._probabilities: list[float] = []
        self._start: int | None = None
        self._speech_end = 0
        self._earliest = 0
        self._run = 0

    def hear(self, probability: float) -> FrameSpan | None:
        """Take the next frame; return the utterance that is complete with it."""
        self._probabilities.append(probability)
        is_speech = probability >= self._options.speech - (HYSTERESIS if self._run else 0)
        self._run = self._run + 1 if is_speech else 0
        if self._start is None:
            self._begin()
            return None
        now = len(self._probabilities)
        if is_speech:
            self._speech_end = now
        if now - self._speech_end >= self._options.pause_frames:
            return self._end_at(now)
        return self._cut() if now - self._start >= MAX_FRAMES else None

    def finish(self) -> FrameSpan | None:
        """The recording is over: return the utterance that was going on."""
        return None if self._start is None else self._end_at(len(self._probabilities))

    def _begin(self) -> None:
        if self._run >= ONSET_FRAMES:
            self._speech_end = len(self._probabilities)
            self._start = max(self._earliest, self._speech_end - self._run - self._options.padding_frames)

    def _end_at(self, end: int) -> FrameSpan:
        assert self._start is not None
        span = FrameSpan(self._start, end)
        self._start, self._earliest, self._run = None, end, 0
        return span

    def _cut(self) -> FrameSpan:
        """End the utterance at its quietest late frame; the rest of it begins the next one."""
        assert self._start is not None
        late = range(self._start + MAX_FRAMES * 2 // 3, self._speech_end)
        span = FrameSpan(self._start, min(late, key=self._probabilities.__getitem__))
        self._start = self._earliest = span.end
        return span
