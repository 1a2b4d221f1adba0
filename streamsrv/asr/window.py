"""Decides which audio of a growing recording to decode, and when. Pure: time is the audio's own."""

from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamsrv.asr.base import SAMPLE_RATE

_PER_MS = SAMPLE_RATE // 1000
_CUT = 10 * _PER_MS


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """Durations in ms of audio. `benchmarks/streaming_wer.py` shows what they do to accuracy and cost."""

    longest: int = 12_000
    """Speech without a pause is cut before the window grows longer than this."""
    freeze: int = 6_000
    """A window this long ends at the next pause of `freeze_pause`; its text is then final."""
    freeze_pause: int = 300
    lead: int = 200
    """Silence kept before speech: voice activity is found a little late."""
    trail: int = 150
    """Silence kept after speech. A pause is thus shortened to `trail + lead`."""
    pause: int = 96
    """Silence after which the words so far are complete."""
    step: int = 500
    """New speech after which a further decode is worth its cost; more in a longer window, see `step_share`."""
    step_share: int = 8
    """A decode also waits for the window to grow by this fraction (1/8), so that its cost stays bounded."""
    least_speech: int = 100
    """Less speech than this in a whole window is a click, not a word: it is not decoded."""

    def within(self, longest: int) -> "WindowLimits":
        """The same for a decoder that takes no more than `longest`."""
        return replace(self, longest=min(self.longest, longest))


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Audio to decode: the whole window, or the head that must leave it."""

    samples: NDArray[np.int16]
    speech: int
    """Samples of speech pushed to the stream up to the end of this audio."""
    complete: bool
    """It ends in a pause: its last word is whole."""
    is_head: bool
    """It was cut from speech without a pause, and its text is final."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of speech, in ms since the first sample pushed to the stream."""

    start_ms: int
    end_ms: int


@dataclass(slots=True)
class _Run:
    """Samples in a row marked as speech: where they begin in the window and in the stream, and how many."""

    begin: int
    position: int
    length: int

    def before(self, cut: int) -> "_Run":
        return replace(self, length=min(self.length, cut - self.begin))

    def after(self, cut: int) -> "_Run":
        """The rest, counted from `cut`, which is the window's new beginning."""
        gone = max(cut - self.begin, 0)
        return _Run(max(self.begin - cut, 0), self.position + gone, self.length - gone)

    def span(self) -> Span:
        return Span(self.position // _PER_MS, (self.position + self.length) // _PER_MS)


class RecognitionWindow:
    """The audio whose text is not final yet, without its long silences.

    Push frames; when a decode is `due`, `take` an excerpt, decode it, `accept` it; when its text is then final, `drop`
    its audio. One excerpt is out at a time; taking another forgets one that was not accepted.
    """

    def __init__(self, limits: WindowLimits | None = None) -> None:
        self._limits = limits or WindowLimits()
        self._audio = array("h")
        self._silence = array("h")  # the newest silence outside the window: the lead of the speech to come
        self._runs: list[_Run] = []
        self._position = 0
        self._speech = 0
        self._pause = 0
        self._taken = (0, False)
        self._accepted: Excerpt | None = None

    def push(self, pcm: NDArray[np.int16], *, speech: bool) -> None:
        """Take mono PCM at 16 kHz, any length."""
        if speech:
            self._push_speech(pcm)
        else:
            self._push_silence(pcm)
        self._position += len(pcm)

    @property
    def length_ms(self) -> int:
        """Audio held, beside at most `lead` of silence."""
        return len(self._audio) // _PER_MS

    @property
    def due(self) -> bool:
        """Whether a decode should begin now, if none is running."""
        if not self._has_words:
            return False
        if self._is_too_long:
            return True
        speech, complete = self._taken
        if self._pause:
            return self._in_pause and not (complete and speech == self._speech)
        step = max(self._limits.step * _PER_MS, len(self._audio) // self._limits.step_share)
        return self._speech - speech >= step

    @property
    def settled(self) -> bool:
        """Whether all speech pushed so far is in the accepted excerpt (or was none): nothing is left to decode."""
        return not self._has_words or (self._accepted is not None and self._accepted.speech == self._speech)

    def would_settle(self, excerpt: Excerpt) -> bool:
        """Whether accepting `excerpt` leaves nothing to decode."""
        return excerpt.speech == self._speech and not excerpt.is_head

    def take(self) -> Excerpt:
        """The whole window; of one that grew too long the head, cut where its later half is quietest."""
        samples = np.array(self._audio, np.int16)
        if self._is_too_long:
            samples = samples[: self._quietest(samples[: self._limits.longest * _PER_MS])]
            self._taken = (self._speech, False)
            return Excerpt(samples, self._speech, complete=False, is_head=True)
        self._taken = (self._speech, self._in_pause)
        return Excerpt(samples, self._speech, complete=self._in_pause, is_head=False)

    def accept(self, excerpt: Excerpt) -> None:
        """Note that the text of `excerpt` is known."""
        self._accepted = excerpt

    @property
    def is_final(self) -> bool:
        """Whether the accepted excerpt's text will not change: a head, or a long window with a pause behind it."""
        excerpt, limits = self._accepted, self._limits
        if excerpt is None or excerpt.is_head:
            return excerpt is not None
        is_long = len(excerpt.samples) >= limits.freeze * _PER_MS
        paused = excerpt.speech == self._speech and self._pause >= limits.freeze_pause * _PER_MS
        return is_long and excerpt.complete and paused

    def drop(self) -> tuple[Span, ...]:
        """Remove the accepted excerpt's audio; return where in the stream its speech was."""
        if self._accepted is None:
            return ()
        count = len(self._accepted.samples)
        dropped = [run.before(count) for run in self._runs if run.begin < count]
        self._runs = [run.after(count) for run in self._runs if run.begin + run.length > count]
        del self._audio[:count]
        self._accepted = None
        self._taken = (self._speech - self._window_speech, False)
        return tuple(run.span() for run in dropped)

    def spans(self) -> tuple[Span, ...]:
        """Where in the stream the speech of the whole window was."""
        return tuple(run.span() for run in self._runs)

    @property
    def _window_speech(self) -> int:
        return sum(run.length for run in self._runs)

    @property
    def _has_words(self) -> bool:
        return self._window_speech >= self._limits.least_speech * _PER_MS

    @property
    def _is_too_long(self) -> bool:
        return self.length_ms > self._limits.longest

    @property
    def _in_pause(self) -> bool:
        return self._pause >= self._limits.pause * _PER_MS

    def _push_speech(self, pcm: NDArray[np.int16]) -> None:
        self._audio.extend(self._silence)
        del self._silence[:]
        if self._pause or not self._runs:
            self._runs.append(_Run(len(self._audio), self._position, 0))
        self._runs[-1].length += len(pcm)
        self._audio.frombytes(pcm.tobytes())
        self._speech += len(pcm)
        self._pause = 0

    def _push_silence(self, pcm: NDArray[np.int16]) -> None:
        room = max(self._limits.trail * _PER_MS - self._pause, 0) if self._runs else 0
        self._audio.frombytes(pcm[:room].tobytes())
        self._silence.frombytes(pcm[room:].tobytes())
        del self._silence[: -self._limits.lead * _PER_MS]
        self._pause += len(pcm)

    def _quietest(self, samples: NDArray[np.int16]) -> int:
        """The middle of the quietest 100 ms of the later half."""
        begin = len(samples) // 2 // _CUT * _CUT
        later = samples[begin : len(samples) // _CUT * _CUT].reshape(-1, _CUT).astype(np.float32)
        energy = np.convolve(np.square(later).sum(axis=1), np.ones(10, np.float32), "valid")
        return begin + (int(energy.argmin()) + 5) * _CUT
