"""WebRTC's voice-activity detector: much cheaper than Silero, but it takes much noise for speech.

Use it where CPU time is scarce.
"""

from dataclasses import dataclass
from typing import Annotated, Protocol, cast

import numpy as np
import webrtcvad
from numpy.typing import NDArray
from pydantic import Field

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options

_DECISION_SAMPLES = SPEECH_RATE_HZ * 30 // 1000
_SMOOTHING = 0.5
"""Weight of the newest decision in the probability, 0 to 1."""


class _Detector(Protocol):
    def is_speech(self, buf: bytes, sample_rate: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class WebrtcOptions:
    """Options of a catalogue entry with this engine."""

    aggressiveness: Annotated[int, Field(ge=0, le=3)] = 2
    """0 finds all speech, 3 filters out most noise."""


OPTIONS = WebrtcOptions


def load(entry: ModelEntry, context: LoadContext) -> "WebrtcVad":
    """Create the detector. Options: `WebrtcOptions`."""
    return WebrtcVad(entry.name, read_options(WebrtcOptions, entry).aggressiveness)


class WebrtcVad:
    """A `vad.base.Vad` with a separate detector for each stream."""

    def __init__(self, name: str, aggressiveness: int = 2) -> None:
        self.name = name
        self._aggressiveness = aggressiveness

    def open(self) -> "WebrtcStream":
        """Open a stream for one session's audio."""
        return WebrtcStream(cast("_Detector", webrtcvad.Vad(self._aggressiveness)))


class WebrtcStream:
    """A `vad.base.VadStream` that smooths yes-or-no decisions into a probability for each frame."""

    def __init__(self, detector: _Detector) -> None:
        self._detector = detector
        self._pending = np.empty(0, np.int16)
        self._probability = 0.0

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        """Return the likelihood of speech (0..1) in each row of `frames`, shape (n, 512), a decision or two late."""
        return [self._hear(frame) for frame in frames]

    def _hear(self, frame: NDArray[np.int16]) -> float:
        samples = np.concatenate([self._pending, frame])
        while samples.size >= _DECISION_SAMPLES:
            decision = self._detector.is_speech(samples[:_DECISION_SAMPLES].tobytes(), SPEECH_RATE_HZ)
            self._probability += _SMOOTHING * (decision - self._probability)
            samples = samples[_DECISION_SAMPLES:]
        self._pending = samples
        return self._probability
