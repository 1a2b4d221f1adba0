"""Brings all voices to one loudness: each voice gets a constant gain, which is measured from its own speech."""

import asyncio
from itertools import pairwise

import numpy as np
from av.audio.frame import AudioFrame
from av.error import BlockingIOError, EOFError
from av.filter import Graph
from numpy.typing import NDArray

from streamsrv.audio.pcm import from_float, to_float

TARGET_LUFS = -20.0
"""Loudness of every voice, by EBU R 128."""
FIRST_S = 0.6
"""Seconds of speech from which the first gain of a voice is estimated; R 128 needs 0.4 s."""
ENOUGH_S = 10.0
"""Seconds of speech after which the gain of a voice stays as it is."""
_MAX_DB = 34.0
"""Largest change of level."""
_KNEE = 10 ** (-6 / 20)
"""From here on peaks are compressed, sample by sample, so that none is clipped."""


def loudness_lufs(pcm: NDArray[np.int16], sample_rate: int) -> float | None:
    """Return the integrated loudness of mono audio, by FFmpeg's `ebur128`; None: it is silent or shorter than 0.4 s.

    It is computation: about a millisecond for a second of audio.
    """
    graph = Graph()
    filters = [
        graph.add_abuffer(sample_rate=sample_rate, format="s16", layout="mono"),
        graph.add("ebur128", "metadata=1:framelog=quiet"),
        graph.add("abuffersink"),
    ]
    for source, target in pairwise(filters):
        source.link_to(target)
    graph.configure()
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(pcm).reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = sample_rate
    graph.push(frame)
    graph.push(None)
    measured = -70.0
    while (found := _pull(graph)) is not None:
        measured = float(found.metadata.get("lavfi.r128.I", measured))
    return measured if measured > -70 else None  # the gate of R 128


def _pull(graph: Graph) -> AudioFrame | None:
    try:
        frame = graph.pull()
    except (BlockingIOError, EOFError):
        return None
    assert isinstance(frame, AudioFrame)
    return frame


class VoiceLevel:
    """The gain of one voice, as a factor. It changes between segments only, and not after `ENOUGH_S` of speech."""

    def __init__(self, sample_rate: int) -> None:
        self.gain: float | None = None
        """None: not known yet."""
        self._rate = sample_rate
        self._heard: list[NDArray[np.int16]] = []
        self._samples = 0

    @property
    def is_settled(self) -> bool:
        """Whether more speech does not change it."""
        return self._samples >= ENOUGH_S * self._rate

    async def first(self, pcm: NDArray[np.int16]) -> float:
        """Return the gain for a segment that begins with this audio, where none is known."""
        if self.gain is None:
            return await asyncio.to_thread(self._gain, pcm)
        return self.gain

    async def learn(self, pcm: NDArray[np.int16]) -> None:
        """Take the speech of a whole segment, before any gain."""
        if self.is_settled or not pcm.size:
            return
        self._heard.append(pcm)
        self._samples += pcm.size
        heard = np.concatenate(self._heard)
        if self.is_settled:
            self._heard.clear()
        self.gain = await asyncio.to_thread(self._gain, heard)

    def _gain(self, pcm: NDArray[np.int16]) -> float:
        if 0 < pcm.size < FIRST_S * self._rate:
            pcm = np.tile(pcm, -(-int(FIRST_S * self._rate) // pcm.size))
        measured = loudness_lufs(pcm, self._rate) if pcm.size else None
        if measured is None:
            return 1.0
        return 10 ** (min(max(TARGET_LUFS - measured, -_MAX_DB), _MAX_DB) / 20)


def amplified(pcm: NDArray[np.int16], gain: float) -> NDArray[np.int16]:
    """Return the audio times `gain`. Peaks above -6 dBFS are compressed, so that the result does not clip."""
    samples = to_float(pcm) * np.float32(gain)
    over = np.abs(samples) > _KNEE
    if over.any():
        loud = samples[over]
        room = 1 - _KNEE
        samples[over] = np.sign(loud) * (_KNEE + room * np.tanh((np.abs(loud) - _KNEE) / room))
    return from_float(samples)
