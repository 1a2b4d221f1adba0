"""When to ask the accurate recogniser of a two-speed one, and with which audio. Pure: it knows no clock."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ

_PER_MS = SPEECH_RATE_HZ // 1000
PAUSE_MS = 128
"""Silence after which speech may be complete: longer than the fast one waits, so as to hear a last word to its end."""
MIN_SPEECH_MS = 100
"""Less is a click, not worth a decode."""
MAX_MS = 20_000
"""Held audio after which catching up would take too long."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Audio as it was pushed."""

    pcm: NDArray[np.int16]
    speech: bool


class HeldSpeech:
    """Speech that the accurate recogniser was not given yet, with the silence around it; it waits for a pause."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self.speech_ms = 0.0
        self.pause_ms = 0.0
        """Silence since the last speech, given away or not."""
        self.length_ms = 0.0

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
        """Whether it holds words that a pause has followed."""
        return self.speech_ms >= MIN_SPEECH_MS and self.pause_ms >= PAUSE_MS

    def take(self) -> list[Frame]:
        """Give all of it away."""
        frames, self._frames = self._frames, []
        self.speech_ms = self.length_ms = 0
        return frames


class Pace:
    """How long the accurate recogniser takes from question to answer, with what it waits for a thread."""

    FIXED_MS = 4000
    """A decode has a fixed cost, about that of so much more audio."""
    MAX_MS = 12_000
    """Of longer speech the beginning was decoded at an earlier pause."""
    _WEIGHT = 0.25  # of the newest measurement
    _FORGOTTEN = 0.1  # at each refusal: a slow spell must not last because nothing is measured any more

    def __init__(self) -> None:
        self._per_ms = 0.0

    def measured(self, speech_ms: float, took_ms: float) -> None:
        """Take a measurement."""
        newest = took_ms / self._cost(speech_ms)
        self._per_ms += (newest - self._per_ms) * (self._WEIGHT if self._per_ms else 1)

    def refused(self) -> None:
        """It was not asked, for it was expected to take too long."""
        self._per_ms *= 1 - self._FORGOTTEN

    def expected_ms(self, speech_ms: float) -> float:
        """The time to expect for so much speech; 0 as long as nothing is known."""
        return self._per_ms * self._cost(speech_ms)

    def _cost(self, speech_ms: float) -> float:
        return min(speech_ms, self.MAX_MS) + self.FIXED_MS
