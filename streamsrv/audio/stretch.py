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
    graph = Graph()
    filters = [graph.add_abuffer(sample_rate=sample_rate, format="s16", layout="mono")]
    while tempo < _SLOWEST:
        filters.append(graph.add("atempo", str(_SLOWEST)))
        tempo /= _SLOWEST
    filters += [graph.add("atempo", str(tempo)), graph.add("abuffersink")]
    for source, target in pairwise(filters):
        source.link_to(target)
    graph.configure()
    frame = AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = sample_rate
    graph.push(frame)
    graph.push(None)
    pieces: list[NDArray[np.int16]] = []
    while (piece := _pull(graph)) is not None:
        pieces.append(piece)
    return np.concatenate(pieces) if pieces else pcm


def _pull(graph: Graph) -> NDArray[np.int16] | None:
    try:
        frame = graph.pull()
    except (BlockingIOError, EOFError):
        return None
    assert isinstance(frame, AudioFrame)
    return frame.to_ndarray().ravel().astype(np.int16, copy=False)
