"""Decides when the accurate recogniser of a two-speed one decodes, and which audio. Pure: uses no clock."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ

_PER_MS = SPEECH_RATE_HZ // 1000
PAUSE_MS = 128
"""Silence after which speech may be complete: longer than for the fast recogniser, so that the last word is whole."""
MIN_SPEECH_MS = 100
"""Least speech that is decoded; less is a click."""
MAX_MS = 20_000
"""Longest held audio; it would take too long to catch up with more."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One piece of pushed audio."""

    pcm: NDArray[np.int16]
    speech: bool


class HeldSpeech:
    """Holds speech, with the silence around it, until a pause, when the accurate recogniser gets it."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self.speech_ms = 0.0
        """Speech that is held."""
        self.pause_ms = 0.0
        """Silence since the last speech, whether that is still held or not."""
        self.length_ms = 0.0
        """Speech and silence that are held."""

    def push(self, frame: Frame) -> None:
        """Hold the next frame."""
        self._frames.append(frame)
        ms = len(frame.pcm) / _PER_MS
        self.length_ms += ms
        if frame.speech:
            self.speech_ms += ms
            self.pause_ms = 0
        else:
            self.pause_ms += ms

    @property
    def is_complete(self) -> bool:
        """Whether the held audio has words, and a pause has followed them."""
        return self.speech_ms >= MIN_SPEECH_MS and self.pause_ms >= PAUSE_MS

    def take(self) -> list[Frame]:
        """Return all held audio, and hold nothing any more."""
        frames, self._frames = self._frames, []
        self.speech_ms = self.length_ms = 0
        return frames


class Pace:
    """Estimates how long the accurate recogniser takes for a request, including its wait for a thread."""

    FIXED_MS = 4000
    """The fixed cost of a decode, as ms of speech that cost as much."""
    MAX_MS = 12_000
    """Longest speech in one decode; the start of longer speech was decoded at an earlier pause."""
    _NEWEST_WEIGHT = 0.25
    """Weight of the newest measurement in the estimate."""
    _SKIP_DECAY = 0.1
    """Share by which each skip lowers the estimate, so that an old slow measurement does not prevent new ones."""

    def __init__(self) -> None:
        self._per_ms = 0.0

    def measured(self, speech_ms: float, took_ms: float) -> None:
        """Add a measurement."""
        newest = took_ms / self._cost(speech_ms)
        self._per_ms += (newest - self._per_ms) * (self._NEWEST_WEIGHT if self._per_ms else 1)

    def refused(self) -> None:
        """Record that a decode was skipped, because it was expected to take too long."""
        self._per_ms *= 1 - self._SKIP_DECAY

    def expected_ms(self, speech_ms: float) -> float:
        """Return the expected time for so much speech; 0 before the first measurement."""
        return self._per_ms * self._cost(speech_ms)

    def _cost(self, speech_ms: float) -> float:
        return min(speech_ms, self.MAX_MS) + self.FIXED_MS
