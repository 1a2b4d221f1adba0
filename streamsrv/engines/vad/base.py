"""The voice-activity protocol: how likely is speech in each frame."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

VAD_FRAME_SAMPLES = 512
"""Samples per frame: 32 ms at 16 kHz."""
FRAME_MS = 32


class VadStream(Protocol):
    """The detector's memory of one session's audio."""

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        """Probability of speech (0..1) in each row of `frames`, shape (n, 512), mono 16 kHz, in order of time.

        Blocks for the computation; called on a worker thread, one call at a time for each stream.
        """
        ...


class Vad(Protocol):
    """A loaded voice-activity detector, shared by all sessions."""

    name: str

    def open(self) -> VadStream: ...
