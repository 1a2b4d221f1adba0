"""Silero VAD (16 kHz ONNX export), run by onnxruntime."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.engines.vad.gated import GatedVad
from streamsrv.errors import Unavailable
from streamsrv.inference.onnx import open_session

_MODEL_FILE = "silero_vad.onnx"
_CONTEXT_SAMPLES = 64
"""Samples of the frame before that the model also gets."""
_STATE_SHAPE = (2, 1, 128)


@dataclass(frozen=True, slots=True)
class SileroOptions:
    """Options of a catalogue entry with this engine."""

    gate: bool = True
    """Keep silence from the model."""


OPTIONS = SileroOptions


def load(entry: ModelEntry, context: LoadContext) -> "GatedVad | SileroVad":
    """Load the model from `silero_vad.onnx`. Options: `SileroOptions`."""
    options = read_options(SileroOptions, entry)
    vad = SileroVad(entry.name, context.files[_MODEL_FILE])
    return GatedVad(vad) if options.gate else vad


class SileroVad:
    """A `vad.gated.BatchingVad` whose streams share one onnxruntime session."""

    def __init__(self, name: str, model: Path) -> None:
        self.name = name
        try:
            self._session = open_session(model)
        except Exception as error:
            raise Unavailable(f"{name} could not be loaded: {error}") from error
        self._sample_rate = np.array(SPEECH_RATE_HZ, np.int64)

    def open(self) -> "SileroStream":
        """Open a stream for one session's audio."""
        return SileroStream(self)

    def hear(self, pieces: "Sequence[tuple[SileroStream, NDArray[np.int16]]]") -> list[list[float]]:
        """Return `VadStream.probabilities` for several streams; a batch costs less than a call for each."""
        heard: list[list[float]] = [[] for _ in pieces]
        by_length = sorted(range(len(pieces)), key=lambda number: -len(pieces[number][1]))
        streams = [pieces[number][0] for number in by_length]
        if not streams:
            return heard
        context = np.stack([stream.context for stream in streams])
        state = np.concatenate([stream.state for stream in streams], axis=1)
        count = len(streams)  # of those that have a frame in this position; they are the first
        for position in range(len(pieces[by_length[0]][1])):
            while len(pieces[by_length[count - 1]][1]) <= position:
                count -= 1
            frames = to_float(np.stack([pieces[number][1][position] for number in by_length[:count]]))
            samples = np.concatenate([context[:count], frames], axis=1)
            inputs: dict[str, Any] = {"input": samples, "state": state[:, :count], "sr": self._sample_rate}
            probabilities, state[:, :count] = self._session.run(None, inputs)
            context[:count] = samples[:, -_CONTEXT_SAMPLES:]
            for number, probability in zip(by_length, probabilities[:, 0].tolist(), strict=False):
                heard[number].append(probability)
        for number, stream in enumerate(streams):  # copies: a view would keep the samples of all streams
            stream.context, stream.state = context[number].copy(), state[:, number : number + 1].copy()
        return heard


class SileroStream:
    """A `vad.base.VadStream` with the model's recurrent state and the end of the last frame."""

    def __init__(self, vad: SileroVad) -> None:
        self._vad = vad
        self.state: NDArray[np.float32] = np.zeros(_STATE_SHAPE, np.float32)
        self.context: NDArray[np.float32] = np.zeros(_CONTEXT_SAMPLES, np.float32)

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        """Return the probability of speech (0..1) in each row of `frames`, shape (n, 512)."""
        return self._vad.hear([(self, frames)])[0]
