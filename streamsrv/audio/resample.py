"""Converts the sample rate of mono PCM streams."""

import math
from functools import cache

import av
import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE


class StreamResampler:
    """Converts one stream of mono int16 PCM from `from_rate` to `to_rate` Hz, chunk by chunk.

    `_Polyphase` converts between the rates of the wire and of most models, which are small multiples of 8 kHz, and
    libswresample (part of PyAV) converts the others. Both hold back a few ms of audio at most, because every turn waits
    for it; soxr holds back much more. Neither adds dither, so the same audio always gives the same result.
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
        """Convert `pcm` (any length) and return the samples that are ready; with `last` also those that were held back.

        The output of a whole stream is as long as its input, to within one sample. After `last` the resampler can
        convert another stream. If the rates are equal, returns `pcm` itself.
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
"""Largest `up` or `down` that `_Polyphase` converts."""
_BLOCK = 4
"""A block of `_BLOCK * down` input samples becomes one of `_BLOCK * up` output samples."""
_ZERO_CROSSINGS = 20
"""Zero crossings of the filter's impulse response on each side: more make it steeper and slower."""
_KAISER_BETA = 7.0
"""Shape of the Kaiser window of the filter: larger values attenuate aliases more."""


class _Polyphase:
    """Resamples by `up / down`, by multiplying each block of input with a matrix.

    It is faster than libswresample, which counts because it runs for every frame of every microphone. It computes in
    double precision, so that the result does not depend on how the stream is cut.
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
        self._due = 0  # length of output still to come for the input so far, in units of 1 / `down` samples

    def process(self, pcm: NDArray[np.int16], last: bool) -> NDArray[np.int16]:
        ending = [np.zeros(self._before + self._step)] if last else []
        samples = np.concatenate([self._waiting, pcm, *ending], dtype=np.float64)
        blocks = max(0, (len(samples) - self._window) // self._step + 1)
        taken = blocks * self._step
        windows = np.ndarray((blocks, self._window), np.float64, samples, 0, (8 * self._step, 8))
        converted = (np.ascontiguousarray(windows) @ self._matrix).reshape(-1)  # costs less, with the copy
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
    """Return the filter matrix: the weight of each input sample (row) in each output sample (column) of a block.

    The rows include the input samples before and after the block that the filter reaches.
    """
    factor = max(up, down)
    reach = _ZERO_CROSSINGS * factor  # in samples at `up` times the input rate
    before = -(-reach // up)
    inputs = np.arange(-before, _BLOCK * down + before) * up
    outputs = np.arange(_BLOCK * up) * down
    distance = outputs[None, :] - inputs[:, None]
    cutoff = 0.95 / factor
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0, 1 - (distance / reach) ** 2))) / np.i0(_KAISER_BETA)
    return np.where(np.abs(distance) <= reach, up * cutoff * np.sinc(cutoff * distance) * window, 0.0)
