"""G.711 companding (ITU-T Rec. G.711), the 8 kHz coding of telephone audio: mu-law (PCMU) and A-law (PCMA).

Both laws map 16-bit PCM to 8 bits by table. The tables equal those of Sun's widely used reference code, which takes
the magnitude of negative samples as their two's complement after reduction to 14 (mu-law) or 13 (A-law) bits.
"""

import numpy as np
from numpy.typing import NDArray

_MU_BIAS = 33
_MU_CLIP = 8191 - _MU_BIAS  # the last segment ends at 8191
_MANTISSA_BITS = 4


def encode_mulaw(pcm: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Compress int16 samples to mu-law bytes, one each."""
    return _MULAW_OF_PCM[pcm.view(np.uint16)]


def decode_mulaw(data: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Expand mu-law bytes to int16 samples (-32124..32124)."""
    return _PCM_OF_MULAW[data]


def encode_alaw(pcm: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Compress int16 samples to A-law bytes, one each."""
    return _ALAW_OF_PCM[pcm.view(np.uint16)]


def decode_alaw(data: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Expand A-law bytes to int16 samples (-32256..32256)."""
    return _PCM_OF_ALAW[data]


def _all_samples() -> NDArray[np.int32]:
    """Every int16 value, at the index of its unsigned bit pattern."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _segment(magnitude: NDArray[np.int32], first_end: int) -> NDArray[np.int32]:
    """Number of the logarithmic segment (0..7): segment n ends below `first_end` * 2**n."""
    ends = first_end << np.arange(7)
    return np.searchsorted(ends, magnitude, side="right").astype(np.int32)


def _mulaw_of_pcm() -> NDArray[np.uint8]:
    samples = _all_samples() >> 2
    magnitude = np.minimum(np.abs(samples), _MU_CLIP) + _MU_BIAS
    segment = _segment(magnitude, 64)
    code = (segment << _MANTISSA_BITS) | ((magnitude >> (segment + 1)) & 0x0F)
    return (code ^ np.where(samples < 0, 0x7F, 0xFF)).astype(np.uint8)


def _alaw_of_pcm() -> NDArray[np.uint8]:
    samples = _all_samples() >> 3
    magnitude = np.where(samples < 0, -samples - 1, samples)
    segment = _segment(magnitude, 32)
    code = (segment << _MANTISSA_BITS) | ((magnitude >> np.maximum(segment, 1)) & 0x0F)
    return (code ^ np.where(samples < 0, 0x55, 0xD5)).astype(np.uint8)


def _pcm_of_mulaw() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32)
    magnitude = ((((code & 0x0F) << 1) + _MU_BIAS) << ((code >> _MANTISSA_BITS) & 7)) - _MU_BIAS
    return (np.where(code & 0x80, -magnitude, magnitude) << 2).astype(np.int16)


def _pcm_of_alaw() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code >> _MANTISSA_BITS) & 7
    step = ((code & 0x0F) << 1) + 1  # the middle of the quantisation interval
    magnitude = np.where(segment == 0, step, (step + 32) << np.maximum(segment - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) << 3).astype(np.int16)


_MULAW_OF_PCM = _mulaw_of_pcm()
_ALAW_OF_PCM = _alaw_of_pcm()
_PCM_OF_MULAW = _pcm_of_mulaw()
_PCM_OF_ALAW = _pcm_of_alaw()
