"""Moonshine speech recognition (Useful Sensors, MIT) on onnxruntime: an encoder, and a merged decoder with a cache.

Model: Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands" (2024).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, TokenLogprob
from streamsrv.engines.asr.windows.incremental import Hypothesis, IncrementalRecognizer, ThreadedDecoder
from streamsrv.engines.asr.windows.loops import without_loop
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.errors import Unavailable
from streamsrv.inference.onnx import open_session

_START, _END = 1, 2
_MIN_SAMPLES = SPEECH_RATE_HZ // 2
"""Shortest audio given to the encoder; shorter audio is padded with silence."""
_TOKENS_PER_SECOND = 6.5
"""Most tokens per second of speech; more are a loop of the decoder. The authors' limit for English."""

_MIN_MEAN_LOGPROB = -1.0
"""Mean log-probability of the tokens below which a text was made up from noise; words of a speaker are more likely."""
_MIN_MEAN_LOGPROB_OF_LOOP = -0.5
"""The same for a text from which a loop was cut: who really repeats words is heard more clearly than babble."""

_CHARACTERS = str.maketrans({"\u2581": " ", "♪": None})
"""Characters of the tokeniser to replace: its sign for a space, and the note, which stands for music."""


@dataclass(frozen=True, slots=True)
class MoonshineOptions:
    """Options of a catalogue entry with this engine."""

    convert: bool = False
    """Convert the models to int8 ONNX first, and keep the result beside them (see `moonshine_conversion`)."""


OPTIONS = MoonshineOptions


def load(entry: ModelEntry, context: LoadContext) -> IncrementalRecognizer:
    """Load `encoder_model.ort`, `decoder_model_merged.ort` and `tokenizer.bin`. Options: `MoonshineOptions`."""
    options = read_options(MoonshineOptions, entry)
    files = context.files
    try:
        if options.convert:
            files = _converted(files, context.report)
        decoder = MoonshineDecoder(
            files["encoder_model.ort"], files["decoder_model_merged.ort"], files["tokenizer.bin"]
        )
    except Exception as error:
        raise Unavailable(f"{entry.name} could not be loaded: {error}") from error
    return IncrementalRecognizer(ThreadedDecoder(decoder, context.scheduler), entry.name)


def _converted(files: Mapping[str, Path], report: Callable[[str], None]) -> Mapping[str, Path]:
    from streamsrv.engines.asr.moonshine_conversion import converted

    return converted(files, report)


@dataclass(frozen=True, slots=True)
class Found:
    """What the decoder found in a window."""

    kept: list[int]
    """The tokens, without a loop."""
    logprobs: list[float]
    """Of all tokens, and of the end of the text if it came."""
    is_cut: bool
    """Whether a loop was cut, or the limit was reached."""
    is_loop: bool = False

    @property
    def is_speech(self) -> bool:
        """Whether the text was said, and not made up from noise."""
        least = _MIN_MEAN_LOGPROB_OF_LOOP if self.is_loop else _MIN_MEAN_LOGPROB
        return bool(self.logprobs) and float(np.mean(self.logprobs)) >= least


class MoonshineDecoder:
    """Decodes windows of English speech. Thread-safe: calls share the sessions, and each has its own cache."""

    max_window_ms = 30_000
    stops = True
    abilities = Abilities(languages=frozenset({"en"}), logprobs=True)

    def __init__(self, encoder: Path, decoder: Path, tokenizer: Path) -> None:
        self._encoder, self._decoder = open_session(encoder), open_session(decoder)
        self._vocabulary = read_vocabulary(tokenizer.read_bytes())
        inputs = {value.name: value.shape for value in self._decoder.get_inputs()}
        self._wants_mask = "encoder_attention_mask" in inputs
        self._empty_cache = {
            name: np.zeros((0, shape[1], 1, shape[3]), np.float32)
            for name, shape in inputs.items()
            if name.startswith("past_key_values")
        }
        # Only the first step returns the cache of the encoder's keys and values, which does not change after that.
        first = [value.name for value in self._decoder.get_outputs()]
        self._outputs = (first, [name for name in first if ".encoder." not in name])

    def decode(
        self, samples: NDArray[np.float32], options: RecognitionOptions, is_abandoned: Callable[[], bool]
    ) -> Hypothesis:
        """Recognise mono English speech at 16 kHz in -1..1; gives the log-probabilities of its tokens if asked."""
        if len(samples) < _MIN_SAMPLES:
            samples = np.pad(samples, (0, _MIN_SAMPLES - len(samples)))
        found = self._search(samples, is_abandoned)
        if not found.is_speech:
            return Hypothesis("", language="en", is_cut=found.is_cut)
        logprobs = tuple(map(self._logprob, found.kept, found.logprobs)) if options.logprobs else ()
        return Hypothesis(self._text(found.kept), language="en", is_cut=found.is_cut, logprobs=logprobs)

    def _search(self, samples: NDArray[np.float32], is_abandoned: Callable[[], bool]) -> "Found":
        """Search greedily, up to the end of the text, a loop, or the limit, while the result is wanted."""
        feed = self._encode(samples)
        limit = int(len(samples) / SPEECH_RATE_HZ * _TOKENS_PER_SECOND) + 2
        tokens: list[int] = []
        logprobs: list[float] = []
        token, outputs = _START, self._outputs[0]
        while len(tokens) < limit and not is_abandoned():
            feed["input_ids"] = np.array([[token]], np.int64)
            logits, *cache = self._decoder.run(outputs, feed)
            likely: NDArray[np.float32] = logits[0, -1]
            token = int(likely.argmax())
            logprobs.append(-float(np.log(np.exp(likely - likely[token]).sum())))
            if token == _END:
                return Found(tokens, logprobs, is_cut=False)
            tokens.append(token)
            if (cut := without_loop(tokens)) is not None:
                return Found(cut, logprobs, is_cut=True, is_loop=True)
            for name, value in zip(outputs[1:], cache, strict=True):
                feed[name.replace("present", "past_key_values")] = value
            feed["use_cache_branch"] = np.array([True])
            outputs = self._outputs[1]
        return Found(tokens, logprobs, is_cut=True)

    def _encode(self, samples: NDArray[np.float32]) -> dict[str, Any]:
        """Run the encoder; return the inputs of the decoder's first step."""
        inputs: dict[str, Any] = {"input_values": samples[None]}
        feed: dict[str, Any] = {"use_cache_branch": np.array([False]), **self._empty_cache}
        if self._wants_mask:
            inputs["attention_mask"] = feed["encoder_attention_mask"] = np.ones((1, len(samples)), np.int64)
        feed["encoder_hidden_states"] = self._encoder.run(None, inputs)[0]
        return feed

    def _logprob(self, token: int, logprob: float) -> TokenLogprob:
        return TokenLogprob(self._vocabulary[token].decode(errors="replace").translate(_CHARACTERS), logprob)

    def _text(self, tokens: Sequence[int]) -> str:
        pieces = b"".join(self._vocabulary[token] for token in tokens if token > _END)
        return pieces.decode(errors="ignore").translate(_CHARACTERS).strip()


def read_vocabulary(data: bytes) -> list[bytes]:
    """Return the tokens of a `tokenizer.bin`: each is a length (one byte, or two from 128 up) and its UTF-8 bytes."""
    tokens: list[bytes] = []
    at = 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128:
            length, at = data[at] * 128 + length - 128, at + 1
        tokens.append(data[at : at + length])
        at += length
    return tokens
