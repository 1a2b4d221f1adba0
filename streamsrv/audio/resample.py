"""Streaming sample-rate conversion of mono PCM."""

import math
from functools import cache

import av
import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE


class StreamResampler:
    """Converts one stream of mono int16 PCM from `from_rate` to `to_rate` Hz, chunk by chunk.

    The rates of the wire and of most models are small multiples of 8 kHz: `_Polyphase` converts between those, and
    libswresample (as it comes with PyAV) the rest. Both hold back 1 to 3 ms, which every turn waits for; soxr's filter
    holds back 10 ms from 24 to 16 kHz, and up to 114 ms in blocks. Neither dithers: the same audio always gives the
    same result.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        common = math.gcd(from_rate, to_rate)
        up, down = to_rate // common, from_rate // common
        self._converter: _Polyphase | _Swresample | None = None
        if max(up, down) > _MAX_FACTOR:
            self._converter = _Swresample(from_rate, to_rate)
        elif up != down:
            self._converter = _Polyphase(up, down)

    def process(self, pcm: NDArray[np.int16], last: bool = False) -> NDArray[np.int16]:
        """Return what is ready after `pcm` (any length); with `last` also all that was held back.

        The output of a whole stream is as long as its input, to within one sample. After `last` the resampler is ready
        for another stream. Equal rates give `pcm` itself.
        """
        return pcm if self._converter is None else self._converter.process(pcm, last)


class _Swresample:
    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._from_rate = from_rate
        self._to_rate = to_rate
        self._resampler = self._new_resampler()

    def process(self, pcm: NDArray[np.int16], last: bool) -> NDArray[np.int16]:
        frames: list[av.AudioFrame] = []
        if pcm.size:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm)[None], format="s16", layout="mono")
            frame.sample_rate = self._from_rate
            frames += self._resampler.resample(frame)
        if last:
            frames += self._resampler.resample(None)
            self._resampler = self._new_resampler()
        return np.concatenate([np.zeros(0, np.int16), *(frame.to_ndarray()[0] for frame in frames)])

    def _new_resampler(self) -> av.AudioResampler:
        return av.AudioResampler(format="s16", layout="mono", rate=self._to_rate)


_MAX_FACTOR = 3
_BLOCK = 4
"""Blocks of 4 times `down` samples become 4 times `up`: 0.5 ms at the rates of the wire."""
_ZERO_CROSSINGS = 20
"""Of the filter, to each side: 1.25 ms from 24 to 16 kHz, where 7 kHz loses 0.3 dB and 8.5 kHz 77 dB."""
_KAISER_BETA = 7.0


class _Polyphase:
    """Resamples by `up / down`: a block of input times a matrix is a block of output.

    A session's microphone needs this 31 times a second: it takes 10 us for 32 ms from 24 to 16 kHz, libswresample 22,
    a quarter of what an idle session cost. In double precision, so that rounding does not depend on how the stream was
    cut.
    """

    def __init__(self, up: int, down: int) -> None:
        self._up, self._down = up, down
        self._matrix = _matrix(up, down)
        self._step = _BLOCK * down
        self._window = len(self._matrix)
        self._before = (self._window - self._step) // 2
        self._start()

    def _start(self) -> None:
        self._waiting = np.zeros(self._before)
        self._due = 0  # samples of input, in units of 1 / down samples of output, that no output stands for yet

    def process(self, pcm: NDArray[np.int16], last: bool) -> NDArray[np.int16]:
        ending = [np.zeros(self._before + self._step)] if last else []
        samples = np.concatenate([self._waiting, pcm, *ending], dtype=np.float64)
        blocks = max(0, (len(samples) - self._window) // self._step + 1)
        taken = blocks * self._step
        windows = np.ndarray((blocks, self._window), np.float64, samples, 0, (8 * self._step, 8))
        converted = (windows @ self._matrix).reshape(-1)
        np.rint(converted, out=converted)
        converted.clip(-FULL_SCALE, FULL_SCALE - 1, out=converted)
        self._due += len(pcm) * self._up
        if last:
            converted = converted[: round(self._due / self._down)]
            self._start()
        else:
            self._due -= len(converted) * self._down
            self._waiting = samples[taken:].copy()
        return converted.astype(np.int16)


@cache
def _matrix(up: int, down: int) -> NDArray[np.float64]:
    """What each sample of a block of output takes from each sample of input, from those before to those after it."""
    factor = max(up, down)
    reach = _ZERO_CROSSINGS * factor  # in samples at `up` times the rate of the input
    before = -(-reach // up)
    inputs = np.arange(-before, _BLOCK * down + before) * up
    outputs = np.arange(_BLOCK * up) * down
    distance = outputs[None, :] - inputs[:, None]
    cutoff = 0.95 / factor
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0, 1 - (distance / reach) ** 2))) / np.i0(_KAISER_BETA)
    return np.where(np.abs(distance) <= reach, up * cutoff * np.sinc(cutoff * distance) * window, 0.0)
