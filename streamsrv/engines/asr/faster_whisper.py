"""Whisper and Distil-Whisper on CTranslate2 (faster-whisper, MIT), int8, with less padding than Whisper's own.

Models: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022); Gandhi et al.,
"Distil-Whisper" (2023). Any folder made by `ct2-transformers-converter`, or a repository of such files, can be used:

    [[model]]
    name = "whisper-small"
    kind = "recognizer"
    engine = "faster_whisper"
    requires = ["faster_whisper"]
    extra = "whisper"
    options = { folder = "/models/faster-whisper-small" }
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import faster_whisper
import numpy as np
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray
from pydantic import Field

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions
from streamsrv.engines.asr.incremental import Hypothesis, IncrementalRecognizer, ThreadedDecoder
from streamsrv.engines.asr.loops import cut_loop
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.errors import Unavailable

_FRAMES_PER_SECOND = 100
_PADDING_S = 3
"""Silence after the speech. With less, the decoder repeats itself."""
_MIN_S = 10
"""Shortest audio given to the encoder. With less, the decoder repeats itself; Whisper's own window costs much more."""
_MAX_TOKENS = 220
_TOKENS_PER_SECOND = 20
"""Most tokens per second of speech; more are a loop."""
_ENGLISH_TOKENS_PER_SECOND = 10
"""Most tokens per second of English speech; more are a loop."""
_MAX_PROMPT_TOKENS = 100
# Whisper turns noise into "Thank you.", "You" or whole sentences. A text is dropped if both limits (OpenAI's) say so.
_MAX_NO_SPEECH_PROBABILITY = 0.6
"""Probability of no speech above which a text may be noise."""
_MIN_LOG_PROBABILITY = -1.0
"""Mean log probability of the words below which a text may be noise."""


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """Options of a catalogue entry with this engine."""

    folder: str = ""
    """Folder of a CTranslate2 model, for an entry without weights; its files are not verified."""
    language: str = ""
    """ISO 639-1 code of speech if the client gives no language; empty: detect it in every window."""
    beam_size: Annotated[int, Field(ge=1)] = 1
    compute_type: str = "int8"
    device: str = "cpu"
    workers: Annotated[int, Field(ge=1)] = os.cpu_count() or 2
    """Windows decoded at once, each on one thread."""


OPTIONS = WhisperOptions


def load(entry: ModelEntry, context: LoadContext) -> IncrementalRecognizer:
    """Load `config.json`, `tokenizer.json`, a vocabulary and `model.bin` (or its parts). Options: `WhisperOptions`."""
    options = read_options(WhisperOptions, entry)
    if not (context.files or options.folder):
        raise Unavailable(f"{entry.name} has no weights: its option `folder` must name a CTranslate2 model")
    try:
        decoder = WhisperDecoder(open_model(context.files, options), options)
    except Exception as error:
        raise Unavailable(f"{entry.name} could not be loaded: {error}") from error
    return IncrementalRecognizer(ThreadedDecoder(decoder, context.scheduler), entry.name)


def open_model(files: Mapping[str, Path], options: WhisperOptions) -> Any:
    """Open a `faster_whisper.WhisperModel` from these files, or from the folder in the options. Uses no network."""
    folder = Path(options.folder).expanduser() if options.folder else files["config.json"].parent
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():  # else the library would look for it on a model hub
            raise FileNotFoundError(f"no file {folder / name}")
    contents = None
    if parts := sorted(name for name in files if name.startswith("model.bin.part")):
        contents = {name: path.read_bytes() for name, path in files.items() if name not in parts}
        contents["model.bin"] = b"".join(files[name].read_bytes() for name in parts)
    return faster_whisper.WhisperModel(
        str(folder),
        device=options.device,
        compute_type=options.compute_type,
        cpu_threads=1,
        num_workers=options.workers,
        local_files_only=True,
        files=contents,  # type: ignore[arg-type]
    )


_WHISPER_CODES = {"jv": "jw"}
"""Whisper's codes of languages by ISO 639-1 code, where they differ."""
_ISO_CODES = {whisper: iso for iso, whisper in _WHISPER_CODES.items()}


class WhisperDecoder:
    """Decodes windows of speech in the model's languages. Thread-safe, as CTranslate2 is."""

    max_window_ms = 28_000

    def __init__(self, model: Any, options: WhisperOptions) -> None:
        self._model = model
        self._options = options
        self._multilingual: bool = model.model.is_multilingual
        languages = frozenset(_ISO_CODES.get(code, code) for code in cast("list[str]", model.supported_languages))
        self.abilities = Abilities(languages, detects_language=self._multilingual, prompt=True)

    def decode(self, samples: NDArray[np.float32], options: RecognitionOptions) -> Hypothesis:
        """Recognise mono speech at 16 kHz in -1..1, without timestamps; uses the language and the prompt."""
        encoded = self._model.encode(self._features(samples))
        language = self._language(encoded, options)
        tokenizer = Tokenizer(self._model.hf_tokenizer, self._multilingual, task="transcribe", language=language)
        before = tokenizer.encode(f" {options.prompt.strip()}")[:_MAX_PROMPT_TOKENS] if options.prompt else []
        rate = _ENGLISH_TOKENS_PER_SECOND if language == "en" else _TOKENS_PER_SECOND
        limit = min(int(len(samples) / SPEECH_RATE_HZ * rate) + 8, _MAX_TOKENS)
        [result] = self._model.model.generate(
            encoded,
            [self._model.get_prompt(tokenizer, before, without_timestamps=True)],
            beam_size=self._options.beam_size,
            max_length=2 * limit,  # CTranslate2 stops at half of this
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens: list[int] = result.sequences_ids[0]
        kept = cut_loop(tokens, ended=len(tokens) < limit)
        text = tokenizer.decode(kept).strip()
        is_speech = result.no_speech_prob <= _MAX_NO_SPEECH_PROBABILITY or result.scores[0] >= _MIN_LOG_PROBABILITY
        is_text = any(character.isalnum() for character in text)
        heard = text if is_text and is_speech else ""
        return Hypothesis(heard, language=_ISO_CODES.get(language, language), is_cut=kept != tokens)

    def _features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-mel spectrogram, shape (mel bands, even number of frames)."""
        if len(samples) < SPEECH_RATE_HZ // 10:
            samples = np.pad(samples, (0, SPEECH_RATE_HZ // 10 - len(samples)))  # the extractor mirrors the edges
        seconds = min(max(len(samples) / SPEECH_RATE_HZ + _PADDING_S, _MIN_S), 30)
        frames = int(seconds * _FRAMES_PER_SECOND) // 2 * 2
        features: NDArray[np.float32] = self._model.feature_extractor(samples)[:, :frames]
        return np.pad(features, ((0, 0), (0, frames - features.shape[1])))

    def _language(self, encoded: Any, options: RecognitionOptions) -> str:
        """Return the client's language if the model knows it, else the configured one, else the detected one."""
        for language in (options.language, self._options.language):
            if language and language in self.abilities.languages:
                return _WHISPER_CODES.get(language, language)
        if not self._multilingual:
            return "en"
        [[(token, _), *_]] = self._model.model.detect_language(encoded)
        return token.strip("<|>")
