"""Changes how long speech takes, not how high it sounds. FFmpeg's `atempo` (WSOLA) through PyAV."""

from itertools import pairwise

import numpy as np
from av.audio.frame import AudioFrame
from av.error import BlockingIOError, EOFError
from av.filter import Graph
from numpy.typing import NDArray

_SLOWEST = 0.5  # of one filter


def stretch(pcm: NDArray[np.int16], sample_rate: int, tempo: float) -> NDArray[np.int16]:
    """Mono int16 audio at `tempo` times its pace: shorter above 1, longer below. It is computation, some ms a second.

    `tempo`: up to 100. What is too short to be stretched (some ms) comes back as it is.
    """
    stretcher = Stretcher(sample_rate, tempo)
    stretched = np.concatenate([stretcher.feed(pcm), stretcher.finish()])
    return stretched if stretched.size else pcm


class Stretcher:
    """Stretches audio that comes in pieces, as `stretch` does; some ms are held back. At 1 nothing changes."""

    def __init__(self, sample_rate: int, tempo: float) -> None:
        self._sample_rate = sample_rate
        self._graph = _graph(sample_rate, tempo) if tempo != 1 else None

    def feed(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take mono int16 audio of any length; return what is ready, maybe nothing."""
        if self._graph is None or not pcm.size:
            return pcm
        frame = AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._sample_rate
        self._graph.push(frame)
        return _pull_all(self._graph)

    def finish(self) -> NDArray[np.int16]:
        """End the audio; return the rest."""
        if self._graph is None:
            return np.empty(0, np.int16)
        self._graph.push(None)
        return _pull_all(self._graph)


def _graph(sample_rate: int, tempo: float) -> Graph:
    graph = Graph()
    filters = [graph.add_abuffer(sample_rate=sample_rate, format="s16", layout="mono")]
    while tempo < _SLOWEST:
        filters.append(graph.add("atempo", str(_SLOWEST)))
        tempo /= _SLOWEST
    filters += [graph.add("atempo", str(tempo)), graph.add("abuffersink")]
    for source, target in pairwise(filters):
        source.link_to(target)
    graph.configure()
    return graph


def _pull_all(graph: Graph) -> NDArray[np.int16]:
    pieces: list[NDArray[np.int16]] = [np.empty(0, np.int16)]
    while (piece := _pull(graph)) is not None:
        pieces.append(piece)
    return np.concatenate(pieces)


def _pull(graph: Graph) -> NDArray[np.int16] | None:
    try:
        frame = graph.pull()
    except (BlockingIOError, EOFError):
        return None
    assert isinstance(frame, AudioFrame)
    return frame.to_ndarray().ravel().astype(np.int16, copy=False)
