"""Decides which audio of a growing recording to decode, and when. Pure: time is the audio's own."""

from array import array
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ

_PER_MS = SPEECH_RATE_HZ // 1000
_TEN_MS = 10 * _PER_MS


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """What `benchmarks/streaming_wer.py` found to cost no accuracy; all durations are of audio."""

    longest_ms: int = 12_000
    """Speech without a pause is cut when the window grows longer than this."""
    freeze_ms: int = 6_000
    """A window this long ends at a pause: its text is final and its audio is dropped."""
    freeze_pause_ms: int = 300
    """The pause that it takes."""
    lead_ms: int = 200
    """Silence kept before speech, for voice activity is found a little late."""
    trail_ms: int = 150
    """Silence kept after speech. Longer pauses are thus shortened to `trail_ms + lead_ms`."""
    pause_ms: int = 64
    """Silence after which the words so far are complete and are decoded without waiting for the end of the turn."""
    step_ms: int = 500
    """New speech that is worth a decode while speech goes on."""
    step_share: float = 1 / 8
    """Or this share of the window if that is more, so that the cost per second of speech stays bounded."""
    least_speech_ms: int = 100
    """A window with less speech is a click, not a word, and is not decoded."""
    repetition_pause_ms: int = 150
    """Pauses this long part what a speaker says again and again, where the text of the whole window is a loop."""
    min_part_ms: int = 1_000
    """A part between such pauses is at least this long: the cost of a decode is fixed for some models."""

    def within(self, longest_ms: int) -> "WindowLimits":
        """The same for a decoder that takes at most `longest_ms`."""
        return replace(self, longest_ms=min(self.longest_ms, longest_ms))


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Audio to decode: mono, 16 kHz."""

    samples: NDArray[np.int16]
    speech: int
    """Samples of speech in the stream when it was taken."""
    complete: bool
    """It ends in a pause, so that its last word is whole."""
    is_head: bool
    """It is not the whole window but the head of one that grew too long, and its text is final."""
    pauses: tuple[int, ...] = ()
    """Samples, in order, at which it can be cut into parts that are decoded alone."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of speech, in ms since the first sample pushed to the stream."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _Run:
    """Speech without a gap: samples `begin` to `end` of the window; `position` is where it begins in the stream."""

    begin: int
    end: int
    position: int

    def span(self) -> Span:
        return Span(self.position // _PER_MS, (self.position + self.end - self.begin) // _PER_MS)

    def split(self, cut: int) -> tuple["_Run", "_Run"]:
        """What lies before sample `cut`, and the rest counted from there; either may be empty."""
        at = min(max(cut, self.begin), self.end)
        return replace(self, end=at), _Run(at - cut, self.end - cut, self.position + at - self.begin)


class RecognitionWindow:
    """The audio whose text is not final yet, without its long silences.

    Push frames; when a decode is `due`, `take` an excerpt, decode and `accept` it; if its text `is_final` then, `drop`
    its audio. One excerpt is out at a time; an excerpt that was taken and not accepted is forgotten.
    """

    def __init__(self, limits: WindowLimits | None = None) -> None:
        self._limits = limits or WindowLimits()
        self._audio = array("h")
        self._silence = array("h")  # the newest silence outside the window: the lead of the speech to come
        self._runs: list[_Run] = []
        # Counts of samples since the stream began:
        self._position = 0
        self._speech = 0
        self._dropped_speech = 0
        self._pause = 0  # ... since the last speech
        self._taken_speech = 0
        self._taken_complete = False
        self._accepted: Excerpt | None = None

    def push(self, pcm: NDArray[np.int16], *, speech: bool) -> None:
        """Take mono PCM at 16 kHz, any length."""
        if speech and len(pcm):
            self._push_speech(pcm)
        else:
            self._push_silence(pcm)
        self._position += len(pcm)

    @property
    def length_ms(self) -> int:
        """Audio in the window."""
        return len(self._audio) // _PER_MS

    @property
    def due(self) -> bool:
        """Whether a decode should begin now, if none is running."""
        if not self._has_words:
            return False
        if self._is_too_long:
            return True
        new = self._speech - self._taken_speech
        if self._pause:
            return self._in_pause and not (self._taken_complete and new == 0)
        return new >= max(self._limits.step_ms * _PER_MS, len(self._audio) * self._limits.step_share)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to decode: all words pushed so far are in the accepted excerpt."""
        return not self._has_words or (self._accepted is not None and self.would_settle(self._accepted))

    def would_settle(self, excerpt: Excerpt) -> bool:
        """Whether accepting `excerpt` leaves nothing to decode."""
        return excerpt.speech == self._speech and not excerpt.is_head

    def take(self) -> Excerpt:
        """The whole window; of one that grew too long the head, cut where its later half is quietest."""
        samples = np.array(self._audio[: self._limits.longest_ms * _PER_MS], np.int16)
        is_head = self._is_too_long
        if is_head:
            samples = samples[: _quietest(samples)]
        self._taken_speech, self._taken_complete = self._speech, self._in_pause and not is_head
        return Excerpt(samples, self._speech, self._taken_complete, is_head, self._pauses(len(samples)))

    def accept(self, excerpt: Excerpt) -> None:
        """Note that the text of `excerpt` is known."""
        self._accepted = excerpt

    @property
    def is_final(self) -> bool:
        """Whether the accepted excerpt's text cannot change: a head, or a long window with a pause behind it."""
        excerpt, limits = self._accepted, self._limits
        if excerpt is None or excerpt.is_head:
            return excerpt is not None
        is_long = len(excerpt.samples) >= limits.freeze_ms * _PER_MS
        pause_follows = excerpt.speech == self._speech and self._pause >= limits.freeze_pause_ms * _PER_MS
        return is_long and excerpt.complete and pause_follows

    def drop(self) -> tuple[Span, ...]:
        """Remove the accepted excerpt's audio; return where in the stream its speech was."""
        if self._accepted is None:
            return ()
        count = len(self._accepted.samples)
        halves = [run.split(count) for run in self._runs]
        dropped = [before for before, _ in halves if before.begin < before.end]
        self._runs = [after for _, after in halves if after.begin < after.end]
        del self._audio[:count]
        self._accepted = None
        self._dropped_speech += sum(run.end - run.begin for run in dropped)
        self._taken_speech, self._taken_complete = self._dropped_speech, False
        return tuple(run.span() for run in dropped)

    def spans(self) -> tuple[Span, ...]:
        """Where in the stream the speech of the window was."""
        return tuple(run.span() for run in self._runs)

    def _pauses(self, length: int) -> tuple[int, ...]:
        """Where the first `length` samples of the window can be cut: in the middle of pauses."""
        min_part = self._limits.min_part_ms * _PER_MS
        cuts: list[int] = []
        for before, after in pairwise(self._runs):
            middle = (before.end + after.begin) // 2
            is_pause = after.begin - before.end >= self._limits.repetition_pause_ms * _PER_MS
            if is_pause and middle - (cuts[-1] if cuts else 0) >= min_part and length - middle >= min_part:
                cuts.append(middle)
        return tuple(cuts)

    @property
    def _has_words(self) -> bool:
        return self._speech - self._dropped_speech >= self._limits.least_speech_ms * _PER_MS

    @property
    def _is_too_long(self) -> bool:
        return len(self._audio) > self._limits.longest_ms * _PER_MS

    @property
    def _in_pause(self) -> bool:
        return self._pause >= self._limits.pause_ms * _PER_MS

    def _push_speech(self, pcm: NDArray[np.int16]) -> None:
        self._audio.extend(self._silence)
        del self._silence[:]
        run = _Run(len(self._audio), len(self._audio), self._position)
        if self._runs and not self._pause:
            run = self._runs.pop()
        self._runs.append(replace(run, end=run.end + len(pcm)))
        self._audio.frombytes(pcm.tobytes())
        self._speech += len(pcm)
        self._pause = 0

    def _push_silence(self, pcm: NDArray[np.int16]) -> None:
        trail = max(self._limits.trail_ms * _PER_MS - self._pause, 0) if self._runs else 0
        self._audio.frombytes(pcm[:trail].tobytes())
        self._silence.frombytes(pcm[trail:].tobytes())
        del self._silence[: -self._limits.lead_ms * _PER_MS]
        self._pause += len(pcm)


def _quietest(samples: NDArray[np.int16]) -> int:
    """The middle of the quietest 100 ms in the later half of `samples`."""
    begin = len(samples) // 2
    later = samples[begin : len(samples) - (len(samples) - begin) % _TEN_MS].astype(np.float32)
    energy = np.square(later.reshape(-1, _TEN_MS)).sum(axis=1)
    return begin + (int(np.convolve(energy, np.ones(10), "valid").argmin()) + 5) * _TEN_MS
