"""Streaming sample-rate conversion of mono PCM."""

import numpy as np
import soxr
from numpy.typing import NDArray

from streamsrv.audio.pcm import from_float, to_float


class StreamResampler:
    """Converts one stream of mono int16 PCM from `from_rate` to `to_rate` Hz, chunk by chunk.

    Uses soxr's time-domain converter (`vr=True`, here with a constant rate): its delay is constant and small, while the
    frequency-domain one hands out whole blocks. Measured with 20 ms chunks: 30 ms against 114 ms at worst for
    8 -> 16 kHz, 25 against 73 for 24 -> 8 kHz, 10 against 37 for 24 -> 16 kHz, at the same 86 dB of signal to noise.
    Works in float32, because soxr dithers int16 at random: the same audio must always give the same result.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._soxr = (
            None if from_rate == to_rate else soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", vr=True)
        )

    def process(self, pcm: NDArray[np.int16], last: bool = False) -> NDArray[np.int16]:
        """Return what is ready after `pcm` (any length); with `last` also all that was held back.

        The output of a whole stream is as long as its input, to within one sample. After `last` the resampler is ready
        for another stream. Equal rates give `pcm` itself.
        """
        if self._soxr is None:
            return pcm
        converted = from_float(self._soxr.resample_chunk(to_float(pcm), last=last))
        if last:
            self._soxr.clear()
        return converted
