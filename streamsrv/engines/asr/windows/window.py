"""Decides which audio of a growing recording to decode, and when. Pure: it measures time in samples."""

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
    """The limits of a window, in ms of audio. The defaults cost no accuracy in `benchmarks/recognizers.py`."""

    max_ms: int = 12_000
    """Longest window; speech without a pause is cut when the window gets longer."""
    freeze_ms: int = 6_000
    """Shortest window that ends at a pause: its text is then final and its audio is dropped."""
    freeze_pause_ms: int = 300
    """Shortest pause that ends a window of `freeze_ms`."""
    lead_ms: int = 200
    """Silence kept before speech, because voice activity is found a little late."""
    trail_ms: int = 150
    """Silence kept after speech. Longer pauses are shortened to `trail_ms + lead_ms`."""
    pause_ms: int = 64
    """Silence after which the words so far are complete, and are decoded without waiting for the end of the turn."""
    step_ms: int = 500
    """New speech after which a window is decoded again while speech goes on."""
    step_share: float = 1 / 8
    """The least new speech as a share of the window, if more than `step_ms`: bounds the cost per second of speech."""
    min_speech_ms: int = 100
    """Least speech of a window that is decoded; less is a click, not a word."""
    repetition_pause_ms: int = 150
    """Shortest pause at which a window is split if its text is a loop, because a speaker may repeat the same words."""
    min_part_ms: int = 1_000
    """Shortest part of a split window, because each decode has a fixed cost with some models."""

    def within(self, max_ms: int) -> "WindowLimits":
        """Return the limits for a decoder that takes at most `max_ms`."""
        return replace(self, max_ms=min(self.max_ms, max_ms))


@dataclass(frozen=True, slots=True)
class Span:
    """A span of speech, in ms since the first sample pushed to the stream."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _Run:
    """Speech without a gap: samples `begin` to `end` of the window, which start at `position` in the stream."""

    begin: int
    end: int
    position: int

    def span(self) -> Span:
        return Span(self.position // _PER_MS, (self.position + self.end - self.begin) // _PER_MS)

    def split(self, cut: int) -> tuple["_Run", "_Run"]:
        """Return the run before sample `cut`, and the run after it, counted from there. Either may be empty."""
        at = min(max(cut, self.begin), self.end)
        return replace(self, end=at), _Run(at - cut, self.end - cut, self.position + at - self.begin)

    def distance(self, sample: float) -> float:
        """Return how many samples of the window lie between `sample` and the run."""
        return max(self.begin - sample, sample - self.end, 0)


@dataclass(frozen=True, slots=True)
class WindowSnapshot:
    """The audio of a window at one moment, to be decoded: mono, 16 kHz."""

    samples: NDArray[np.int16]
    speech_samples: int
    """Samples of speech in the stream at that moment."""
    ends_in_pause: bool
    """Whether it ends in a pause, so that its last word is whole."""
    is_head: bool
    """Whether it is only the head of a window that got too long. The text of a head is final."""
    pauses: tuple[int, ...] = ()
    """Samples, in order, at which it can be split into parts that are decoded separately."""
    runs: tuple[_Run, ...] = ()
    """The speech in it, in order."""

    def in_stream(self, start_ms: float, end_ms: float) -> Span:
        """Convert the times of a word in the window to times in the stream, which has silences that the window lacks.

        A word that begins or ends in a pause begins with the speech after it, or ends with the speech before it.
        """
        start, end = start_ms * _PER_MS, end_ms * _PER_MS
        begin = next((max(start, run.begin) for run in self.runs if run.end > start), start)
        finish = next((min(end, run.end) for run in reversed(self.runs) if run.begin < end), end)
        if begin >= finish:  # no voice activity was found in the word
            begin, finish = start, end
        return Span(self._position_ms(begin), self._position_ms(finish))

    def _position_ms(self, sample: float) -> int:
        """Return when a sample of the window was in the stream; in a pause it is counted from the nearer speech."""
        run = min(self.runs, key=lambda run: run.distance(sample))
        return max(round((run.position + sample - run.begin) / _PER_MS), 0)


class RecognitionWindow:
    """Holds the audio whose text is not final yet, without its long silences.

    Push frames. When a decode is `due`, `take` a snapshot, decode it and `accept` it. If its text `is_final` then,
    `drop` its audio. Only one snapshot is used at a time; one that is not accepted has no effect.
    """

    def __init__(self, limits: WindowLimits | None = None) -> None:
        self._limits = limits or WindowLimits()
        self._audio = array("h")
        self._silence = array("h")  # the newest silence after the window, which becomes the lead of the next speech
        self._runs: list[_Run] = []
        # Counted in samples since the stream began, except `_pause`:
        self._position = 0
        self._speech = 0
        self._dropped_speech = 0
        self._pause = 0  # since the last speech
        self._taken_speech = 0
        self._taken_complete = False
        self._accepted: WindowSnapshot | None = None

    def push(self, pcm: NDArray[np.int16], *, speech: bool) -> None:
        """Take mono PCM at 16 kHz, any length."""
        if speech and len(pcm):
            self._push_speech(pcm)
        else:
            self._push_silence(pcm)
        self._position += len(pcm)

    @property
    def length_ms(self) -> int:
        """The length of the audio in the window."""
        return len(self._audio) // _PER_MS

    @property
    def due(self) -> bool:
        """Whether a decode should begin now, if none runs."""
        if not self._has_words:
            return False
        if self._is_too_long:
            return True
        new = self._speech - self._taken_speech
        if self._pause:
            return self.in_pause and not (self._taken_complete and new == 0)
        return new >= max(self._limits.step_ms * _PER_MS, len(self._audio) * self._limits.step_share)

    @property
    def in_pause(self) -> bool:
        """Whether the last word is over."""
        return self._pause >= self._limits.pause_ms * _PER_MS

    @property
    def settled(self) -> bool:
        """Whether nothing is left to decode: the accepted snapshot has all words so far."""
        return not self._has_words or (self._accepted is not None and self.would_settle(self._accepted))

    def would_settle(self, snapshot: WindowSnapshot) -> bool:
        """Whether nothing would be left to decode after accepting `snapshot`."""
        return snapshot.speech_samples == self._speech and not snapshot.is_head

    def take(self) -> WindowSnapshot:
        """Return a snapshot of the window, or of its head if it is too long, cut where its later half is quietest."""
        samples = np.array(self._audio[: self._limits.max_ms * _PER_MS], np.int16)
        is_head = self._is_too_long
        if is_head:
            samples = samples[: _quietest(samples)]
        self._taken_speech, self._taken_complete = self._speech, self.in_pause and not is_head
        pauses, runs = self._pauses(len(samples)), tuple(self._runs)
        return WindowSnapshot(samples, self._speech, self._taken_complete, is_head, pauses, runs)

    def accept(self, snapshot: WindowSnapshot) -> None:
        """Record that the text of `snapshot` is known."""
        self._accepted = snapshot

    @property
    def is_final(self) -> bool:
        """Whether the accepted snapshot's text cannot change: it is a head, or a long window that a pause follows."""
        snapshot, limits = self._accepted, self._limits
        if snapshot is None or snapshot.is_head:
            return snapshot is not None
        is_long = len(snapshot.samples) >= limits.freeze_ms * _PER_MS
        pause_follows = snapshot.speech_samples == self._speech and self._pause >= limits.freeze_pause_ms * _PER_MS
        return is_long and snapshot.ends_in_pause and pause_follows

    def drop(self) -> tuple[Span, ...]:
        """Remove the accepted snapshot's audio; return the spans of its speech in the stream."""
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
        """Return the spans of the window's speech in the stream."""
        return tuple(run.span() for run in self._runs)

    def _pauses(self, length: int) -> tuple[int, ...]:
        """Return the samples at which the first `length` samples of the window can be split: the middles of pauses."""
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
        return self._speech - self._dropped_speech >= self._limits.min_speech_ms * _PER_MS

    @property
    def _is_too_long(self) -> bool:
        return len(self._audio) > self._limits.max_ms * _PER_MS

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
    """Return the middle sample of the quietest 100 ms in the later half of `samples`."""
    begin = len(samples) // 2
    later = samples[begin : len(samples) - (len(samples) - begin) % _TEN_MS].astype(np.float32)
    energy = np.square(later.reshape(-1, _TEN_MS)).sum(axis=1)
    return begin + (int(np.convolve(energy, np.ones(10), "valid").argmin()) + 5) * _TEN_MS
