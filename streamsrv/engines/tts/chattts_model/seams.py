"""Joins the audio of a vocoder that decodes a growing sequence again and again. Pure.

The newest samples of a decode change when more of the sequence is known: the vocoder has heard nothing of what follows
them. So the end of each decode is held back, and fades into the next decode.
"""

import numpy as np
from numpy.typing import NDArray

_FADE_SAMPLES = 120
"""Samples in which one decode fades into the next: 5 ms at 24 kHz."""


class SeamlessAudio:
    """Takes decodes of the sequence so far, float32 from its first sample; gives each sample once."""

    def __init__(self, held_samples: int) -> None:
        """`held_samples`: how much of each decode is held back until the next one."""
        self._held = max(held_samples, _FADE_SAMPLES)
        self._given = 0
        self._overlap = np.empty(0, np.float32)
        """What an earlier decode has at the position up to which samples were given."""

    def feed(self, decoded: NDArray[np.float32], *, is_last: bool = False) -> NDArray[np.float32]:
        """Return the samples that are new and certain; `is_last`: all the rest."""
        end = decoded.size if is_last else max(self._given, decoded.size - self._held)
        fresh = decoded[self._given : end].copy()
        fade = min(self._overlap.size, fresh.size)
        if fade:
            weight = np.linspace(0, 1, fade + 2, dtype=np.float32)[1:-1]
            fresh[:fade] = self._overlap[:fade] * (1 - weight) + fresh[:fade] * weight
        if end > self._given:
            self._overlap = decoded[end : end + _FADE_SAMPLES].copy()
        self._given = max(self._given, end)
        return fresh
