"""Voice activity by loudness alone, with no model and no package that could fail: what is left when a detector fails.

It takes every sudden sound for speech. What it has over nothing: turns still begin and end.
"""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import level_dbfs
from streamsrv.engines.vad.base import FRAME_MS

MIN_SPEECH_DB = -45.0
"""dB below full scale; quieter frames are no speech however quiet the rest is."""
MARGIN_DB = 12.0
"""How much louder than the background speech is."""
RISE_DB = FRAME_MS / 1000
"""How much louder the background may become in a frame (1 dB a second): it follows a new noise, not a sentence."""
SILENCE_DB = -96.0
"""Digital silence counts as this."""


class EnergyStream:
    """`vad.base.VadStream`: 1 for frames that stand out from the background of this stream, 0 for the others."""

    def __init__(self) -> None:
        self._background_db = MIN_SPEECH_DB - MARGIN_DB

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        """Whether there may be speech (0 or 1) in each row of `frames`, shape (n, 512)."""
        return [self._hear(max(level_dbfs(frame), SILENCE_DB)) for frame in frames]

    def _hear(self, level_db: float) -> float:
        self._background_db = min(level_db, self._background_db + RISE_DB)
        return 1.0 if level_db >= max(MIN_SPEECH_DB, self._background_db + MARGIN_DB) else 0.0
