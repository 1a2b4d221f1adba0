"""Hibari's model, which also tells how long each phoneme is."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.tts.base import SpokenWord
from streamsrv.engines.tts.hibari_voice.phonemes import PhonemeWord, joined, phoneme_words, word_times

# The package has no types.
_tts: Any = import_module("hibari.tts")
_normalize: Any = import_module("hibari.g2p.normalize").normalize
_SPECTRUM = ["lh", "theta", "ln", "lr", "phi", "f0"]
_DURATIONS = "/Cast_32_output_0"
"""The tensor in the model's graph with the frames of each phoneme."""
_GRAPH, _OUTPUT, _NAME = 7, 12, 1
"""Numbers of fields in ONNX's `ModelProto`, `GraphProto` and `ValueInfoProto`."""


class HibariModel:
    """One voice. Worker threads may use it at once: onnxruntime's sessions are thread-safe, and the loaded text
    analysis keeps no state.
    """

    def __init__(self, voice: str) -> None:
        model = Path(_tts.voice_path(voice)).read_bytes()
        self._hibari: Any = _tts.Hibari(voice=voice, model=with_output(model, _DURATIONS))
        self._hibari.g2p.oov("hibari")  # loads the text analysis, which would else load in several threads at once

    def sentences(self, text: str) -> list[str]:
        """Return the sentences of a text."""
        return self._hibari.split_sentences(text)

    def words(self, sentence: str) -> list[PhonemeWord]:
        """Return the words of a sentence with their phonemes."""
        g2p = self._hibari.g2p
        tokens = g2p.phonemize_tokens(g2p.tokenize(_normalize(sentence)))
        return phoneme_words((token.text, token.phonemes or g2p.unk, bool(token.whitespace)) for token in tokens)

    def speak(
        self, words: Sequence[PhonemeWord], speed: float, seed: int
    ) -> tuple[NDArray[np.float32], list[SpokenWord]]:
        """Return mono audio at 24 kHz and the times of the words. `seed`: of the breath noise."""
        ids = self._hibari.ids(joined(words))
        inputs = {"ids": np.asarray([ids], np.int64), "speed": np.asarray([speed], np.float32)}
        *spectrum, durations = self._hibari.sess.run([*_SPECTRUM, _DURATIONS], inputs)
        samples: NDArray[np.float32] = _tts.dsp.synth(*(part[0] for part in spectrum), np.random.default_rng(seed))
        frames = durations.reshape(-1).tolist()
        frame_ms = 1000 * len(samples) / _tts.SAMPLE_RATE / sum(frames)
        return samples, word_times(words, frames, frame_ms, self._hibari.vocab)


def with_output(model: bytes, tensor: str) -> bytes:
    """Return an ONNX model that also gives an inner tensor.

    Protocol buffers join what is appended to a message with what it holds: here one more output of the graph.
    """
    return model + _field(_GRAPH, _field(_OUTPUT, _field(_NAME, tensor.encode())))


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128, "a longer field has a longer length"
    return bytes([number << 3 | 2, len(content)]) + content
