"""Silero VAD (16 kHz ONNX export) on onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import to_float
from streamsrv.errors import Unavailable
from streamsrv.inference.onnx import open_session
from streamsrv.providers.catalogue import ModelEntry
from streamsrv.providers.loading import LoadContext
from streamsrv.vad.base import FRAME_SAMPLES, SAMPLE_RATE

_MODEL_FILE = "silero_vad.onnx"
_CONTEXT_SAMPLES = 64
"""The model sees the end of the frame before, too."""


def load(entry: ModelEntry, context: LoadContext) -> "SileroVad":
    """Load the model from the weight file `silero_vad.onnx`; the entry has no options."""
    return SileroVad(entry.name, context.files[_MODEL_FILE])


class SileroVad:
    """`vad.base.Vad`: one session of onnxruntime, used by all streams at once."""

    def __init__(self, name: str, model: Path) -> None:
        self.name = name
        try:
            self._session = open_session(model)
        except Exception as error:
            raise Unavailable(f"{name} could not be loaded: {error}") from error

    def open(self) -> "SileroStream":
        """Start listening to one session's audio."""
        return SileroStream(self._session)


class SileroStream:
    """`vad.base.VadStream`: the recurrent state, shape (2, 1, 128), and the last 64 samples."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._state = np.zeros((2, 1, 128), np.float32)
        self._input = np.zeros((1, _CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32)
        self._sample_rate = np.array(SAMPLE_RATE, np.int64)

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        """Probability of speech (0..1) in each row of `frames`, shape (n, 512); about 0.1 ms each."""
        return [self._probability(frame) for frame in to_float(frames)]

    def _probability(self, frame: NDArray[np.float32]) -> float:
        self._input[0, :_CONTEXT_SAMPLES] = self._input[0, -_CONTEXT_SAMPLES:]
        self._input[0, _CONTEXT_SAMPLES:] = frame
        inputs: dict[str, Any] = {"input": self._input, "state": self._state, "sr": self._sample_rate}
        probability, self._state = self._session.run(None, inputs)
        return float(probability[0, 0])
