"""The protocol of voice-activity detectors: the probability of speech in each frame."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

VAD_FRAME_SAMPLES = 512
"""Samples in one frame, at 16 kHz."""
FRAME_MS = 32
"""Length of one frame."""


class VadStream(Protocol):
    """Detects voice activity in one stream of audio, whose state it keeps."""

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        """Return the probability of speech (0..1) in each row of `frames`: shape (n, 512), mono 16 kHz, in order.

        Blocks for the computation. Called on a worker thread, with one call at a time for each stream.
        """
        ...


class Vad(Protocol):
    """A loaded voice-activity detector, shared by all sessions."""

    name: str

    def open(self) -> VadStream: ...
