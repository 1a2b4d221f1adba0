"""Smart Turn v3 (Daily, BSD-2-Clause): predicts the end of a turn from its last seconds of sound, on onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import NoOptions, read_options
from streamsrv.engines.turn.base import MAX_MS
from streamsrv.engines.turn.mel_features import log_mel
from streamsrv.errors import Unavailable
from streamsrv.inference.onnx import open_session

_MODEL_FILE = "smart_turn.onnx"
_INPUT_SAMPLES = MAX_MS * SPEECH_RATE_HZ // 1000


def load(entry: ModelEntry, context: LoadContext) -> "SmartTurn":
    """Load the model from `smart_turn.onnx`; the entry has no options."""
    read_options(NoOptions, entry)
    return SmartTurn(entry.name, context.files[_MODEL_FILE])


class SmartTurn:
    """A `turn.base.TurnModel` with one onnxruntime session, which all threads use at once."""

    def __init__(self, name: str, model: Path) -> None:
        self.name = name
        try:
            self._session: Any = open_session(model)
        except Exception as error:
            raise Unavailable(f"{name} could not be loaded: {error}") from error

    def evidence(self, probability: float) -> float:
        """Return nearly 0 but for probabilities near 1: between .02 and .98 they say next to nothing."""
        return max(0.0, 2 * probability - 1) ** 6

    def probability(self, pcm: NDArray[np.int16]) -> float:
        """Return the probability (0..1) that the speaker is done; shorter audio is padded with silence in front."""
        samples = to_float(pcm[-_INPUT_SAMPLES:])
        padded = np.pad(samples, (_INPUT_SAMPLES - len(samples), 0))
        [[[probability]]] = self._session.run(None, {"input_features": log_mel(padded)[None]})
        return float(probability)
