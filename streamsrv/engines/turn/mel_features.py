"""Computes log-mel features as Whisper's encoder takes them. Pure numpy.

Front end: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022): 80 mel bands of 25 ms
windows each 10 ms. Mel scale: Slaney, "Auditory Toolbox" (1998), linear below 1 kHz and logarithmic above.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ

BANDS = 80
WINDOW = 400
"""Samples in the window of one frame."""
HOP = 160
"""Samples between the centres of two frames."""

_FLOOR = 1e-10
_RANGE = 8.0
"""Decades of power below the loudest value that are kept."""
_BREAK_HZ, _BREAK_MEL = 1000.0, 15.0
_MELS_PER_NEPER = 27 / np.log(6.4)
"""Mel per natural logarithm of frequency, above `_BREAK_HZ`; below it the mel scale is linear."""


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the features of mono audio at 16 kHz, shape (80, n // 160), most of them in -1..1.

    First scales the audio to zero mean and unit variance, as the models that use these features expect.
    """
    normal = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    # Frames are centred on multiples of the hop. The frame centred on the end is left out.
    padded = np.pad(normal.astype(np.float64), WINDOW // 2, mode="reflect")
    frames = sliding_window_view(padded, WINDOW)[::HOP][: len(samples) // HOP]
    power = np.square(np.abs(np.fft.rfft(frames * _HANN)))
    decades = np.log10(np.maximum(power @ _MEL_BANDS, _FLOOR)).T
    scaled = np.maximum(decades, decades.max() - _RANGE) / 4 + 1
    return scaled.astype(np.float32)


def _mel_bands() -> NDArray[np.float64]:
    """Return the weight of each frequency bin in each band, shape (201, 80): overlapping triangles of equal area."""
    bins = np.linspace(0, SPEECH_RATE_HZ / 2, WINDOW // 2 + 1)[:, None]
    edges = _hertz(np.linspace(0, _mel(SPEECH_RATE_HZ / 2), BANDS + 2))
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    return np.maximum(triangles, 0) * 2 / (high - low)


def _mel(hertz: float) -> float:
    """Convert a frequency above `_BREAK_HZ` to mel."""
    return _BREAK_MEL + np.log(hertz / _BREAK_HZ) * _MELS_PER_NEPER


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = mel * (_BREAK_HZ / _BREAK_MEL)
    return np.where(mel < _BREAK_MEL, linear, _BREAK_HZ * np.exp((mel - _BREAK_MEL) / _MELS_PER_NEPER))


_HANN = np.hanning(WINDOW + 1)[:-1]
_MEL_BANDS = _mel_bands()
