"""Decodes whole windows of speech with a model that does not stream, on sherpa-onnx."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions
from streamsrv.engines.asr.tokens import read_tokens, read_words, token_logprobs
from streamsrv.engines.asr.windows.incremental import Hypothesis
from streamsrv.text.words import join_words

_MIN_SAMPLES = SPEECH_RATE_HZ // 10
"""Shortest audio that is decoded: with less, there is no frame for the encoder."""


class SherpaDecoder:
    """A `WindowDecoder` over a `sherpa_onnx.OfflineRecognizer`, which is thread-safe."""

    max_window_ms = 28_000
    stops = False

    def __init__(self, native: Any, abilities: Abilities, token_ms: float) -> None:
        self.abilities = abilities
        self._native = native
        self._token_ms = token_ms

    def decode(
        self, samples: NDArray[np.float32], options: RecognitionOptions, is_abandoned: Callable[[], bool]
    ) -> Hypothesis:
        """Recognise mono audio at 16 kHz in -1..1. The native call cannot be stopped."""
        if is_abandoned():
            return Hypothesis("")
        if len(samples) < _MIN_SAMPLES:
            samples = np.pad(samples, (0, _MIN_SAMPLES - len(samples)))
        stream = self._native.create_stream("/".join(options.keywords) if options.keywords else None)
        stream.accept_waveform(SPEECH_RATE_HZ, samples)
        self._native.decode_stream(stream)
        known = self.abilities.languages
        language = options.language or (next(iter(known)) if len(known) == 1 else None)
        tokens = read_tokens(stream.result.tokens, stream.result.timestamps, stream.result.ys_log_probs)
        end_ms = len(samples) * 1000 // SPEECH_RATE_HZ
        words = read_words(tokens, lambda ms: min(round(ms), end_ms), self._token_ms)
        logprobs = token_logprobs(tokens) if options.logprobs else ()
        return Hypothesis(join_words([word.text for word in words]), language, words=words, logprobs=logprobs)
