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
        for position in range(max((len(frames) for _, frames in pieces), default=0)):
            active = [number for number, (_, frames) in enumerate(pieces) if position < len(frames)]
            streams = [pieces[number][0] for number in active]
            probabilities = self._run(streams, np.stack([pieces[number][1][position] for number in active]))
            for number, probability in zip(active, probabilities, strict=True):
                heard[number].append(probability)
        return heard

    def _run(self, streams: "list[SileroStream]", frames: NDArray[np.int16]) -> list[float]:
        """Run the model on the next frame of each stream (one row each); return their probabilities."""
        samples = np.concatenate([np.stack([stream.context for stream in streams]), to_float(frames)], axis=1)
        state = np.concatenate([stream.state for stream in streams], axis=1)
        inputs: dict[str, Any] = {"input": samples, "state": state, "sr": self._sample_rate}
        probabilities, state = self._session.run(None, inputs)
        for number, stream in enumerate(streams):
            stream.context = samples[number, -_CONTEXT_SAMPLES:].copy()  # a view would keep the samples of all streams
            stream.state = state[:, number : number + 1].copy()
        return probabilities[:, 0].tolist()


class SileroStream:
    """A `vad.base.VadStream` with the model's recurrent state and the end of the last frame."""

    def __init__(self, vad: SileroVad) -> None:
        self._vad = vad
        self.state: NDArray[np.float32] = np.zeros(_STATE_SHAPE, np.float32)
        self.context: NDArray[np.float32] = np.zeros(_CONTEXT_SAMPLES, np.float32)

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        """Return the probability of speech (0..1) in each row of `frames`, shape (n, 512)."""
        return self._vad.hear([(self, frames)])[0]
