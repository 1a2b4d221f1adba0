"""Mono PCM as numpy arrays: int16 on the wire and between stages, float32 inside models."""

import math

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32_768
"""The int16 magnitude of 0 dBFS."""


def to_float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """int16 to float32 in -1..1."""
    return pcm.astype(np.float32) * np.float32(1 / FULL_SCALE)


def from_float(samples: NDArray[np.float32], gain: float = 1.0) -> NDArray[np.int16]:
    """float32 in -1..1, times `gain`, to int16; what exceeds full scale is clipped, never wrapped."""
    scaled = np.rint(samples * np.float32(gain * FULL_SCALE))
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def level_dbfs(pcm: NDArray[np.int16]) -> float:
    """Root-mean-square level in dB of full scale: 0 for a full square wave, -inf for digital silence or nothing."""
    if pcm.size == 0:
        return float("-inf")
    samples = pcm.astype(np.float64)
    power = float(np.dot(samples, samples)) / pcm.size
    return 10 * math.log10(power) - 20 * math.log10(FULL_SCALE) if power > 0 else float("-inf")
