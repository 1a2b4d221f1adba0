"""Detects voice activity by loudness alone, without a model, for use when a detector fails.

It takes every sudden sound for speech, but turns still begin and end.
"""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import level_dbfs
from streamsrv.engines.vad.base import FRAME_MS

MIN_SPEECH_DB = -45.0
"""Level (dBFS) below which a frame is never speech, even over a quiet background."""
MARGIN_DB = 12.0
"""How much louder than the background a frame must be to count as speech, in dB."""
RISE_DB = FRAME_MS / 1000
"""Fastest rise of the background level, in dB per frame: slow, so that it follows a new noise but not a sentence."""
MIN_LEVEL_DB = -96.0
"""Level (dBFS) that digital silence counts as."""


class EnergyStream:
    """A `vad.base.VadStream` that returns 1 for frames louder than the background of its stream, 0 for others."""

    def __init__(self) -> None:
        self._background_db = MIN_SPEECH_DB - MARGIN_DB

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        """Return 1 for each row of `frames`, shape (n, 512), that may be speech, 0 for others."""
        return [self._hear(max(level_dbfs(frame), MIN_LEVEL_DB)) for frame in frames]

    def _hear(self, level_db: float) -> float:
        self._background_db = min(level_db, self._background_db + RISE_DB)
        return 1.0 if level_db >= max(MIN_SPEECH_DB, self._background_db + MARGIN_DB) else 0.0
