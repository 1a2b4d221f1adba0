"""Opens a Whisper model on a CPU or a GPU. The only module that imports CTranslate2 and faster-whisper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import ctranslate2
import numpy as np
import tokenizers
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Task
from streamsrv.engines.asr.whisper.languages import spoken_languages, to_whisper
from streamsrv.engines.asr.whisper.model_files import ModelFacts, ModelFiles
from streamsrv.engines.loading import Report

Device = Literal["auto", "cpu", "cuda"]

_ct2 = cast("Any", ctranslate2)
_PREFERRED_TYPES = {"cuda": ("float16", "bfloat16", "int8_float32", "float32"), "cpu": ("int8", "float32")}
"""By device, the types of numbers that are tried in order where the entry says `auto`."""
_TEST_FRAMES = 100
_CHECKED_TOKENS = ("<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>", "<|notimestamps|>")


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model, loaded. Its methods are thread-safe."""

    whisper: Any
    """`ctranslate2.models.Whisper`"""
    extractor: Any
    """`faster_whisper.feature_extractor.FeatureExtractor`"""
    tokens: tokenizers.Tokenizer
    facts: ModelFacts
    languages: frozenset[str]
    """Those that it has tokens for; only English in an English-only model."""
    device: str

    def features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-mel spectrogram of mono audio at 16 kHz, shape (mel bands, frames of 10 ms)."""
        if len(samples) < SPEECH_RATE_HZ // 10:
            samples = np.pad(samples, (0, SPEECH_RATE_HZ // 10 - len(samples)))  # the extractor mirrors the edges
        return self.extractor(samples)

    def encode(self, features: NDArray[np.float32]) -> Any:
        """Run the encoder on a batch of spectrograms of the same length."""
        storage = _ct2.StorageView.from_array(np.ascontiguousarray(features))
        return self.whisper.encode(storage)

    def tokenizer(self, language: str, task: Task) -> Tokenizer:
        """Return a tokenizer whose start of the text names the language (our code) and the task."""
        return Tokenizer(self.tokens, self.whisper.is_multilingual, task=task, language=to_whisper(language))


def open_model(files: ModelFiles, device: Device, compute_type: str, workers: int, report: Report) -> OpenedModel:
    """Load a model. Uses no network.

    With `auto`, the GPU is used if one works. Raises `ValueError` for a device or type that this machine lacks.
    """
    if device != "auto":
        return _open(files, device, compute_type, workers)
    if _has_gpu():
        try:
            return _open(files, "cuda", compute_type, workers)
        except Exception as error:
            report(f"The GPU cannot be used, so the CPU is: {error}")
    return _open(files, "cpu", compute_type, workers)


def _open(files: ModelFiles, device: str, compute_type: str, workers: int) -> OpenedModel:
    kind = choose_type(device, compute_type)
    whisper = _ct2.models.Whisper(
        str(files.folder),
        device=device,
        compute_type=kind,
        intra_threads=1,
        inter_threads=1 if device == "cuda" else workers,
        files=files.contents,
    )
    try:
        tokens = tokenizers.Tokenizer.from_buffer(files.read("tokenizer.json"))
    except Exception as error:
        raise ValueError(f"{files.folder / 'tokenizer.json'} is not a tokenizer: {error}") from error
    _check_tokens(tokens, files)
    languages = spoken_languages(tokens.get_vocab()) if whisper.is_multilingual else frozenset({"en"})
    extractor = FeatureExtractor(feature_size=files.facts.mel_bands)
    opened = OpenedModel(whisper, extractor, tokens, files.facts, languages, device)
    if device == "cuda":  # libraries of CUDA are loaded only now, and may be missing
        opened.encode(np.zeros((1, files.facts.mel_bands, _TEST_FRAMES), np.float32))
    return opened


def _check_tokens(tokens: tokenizers.Tokenizer, files: ModelFiles) -> None:
    """Refuse a tokenizer of another model, with which all words would be wrong."""
    for token in _CHECKED_TOKENS:
        found = tokens.token_to_id(token)
        if found is None or files.vocabulary[found : found + 1] != [token]:
            name = files.folder / "tokenizer.json"
            raise ValueError(f"{name} does not belong to model.bin: its number of {token} is {found}")


def choose_type(device: str, compute_type: str) -> str:
    """Return the type of numbers to compute with; raises `ValueError` if this machine has no such device or type."""
    if device == "cuda" and not _has_gpu():
        raise ValueError("device: 'cuda': no GPU with CUDA was found; accepted here: 'auto', 'cpu'")
    supported: Sequence[str] = sorted(_ct2.get_supported_compute_types(device))
    if compute_type == "auto":
        return next(kind for kind in (*_PREFERRED_TYPES[device], *supported) if kind in supported)
    if compute_type not in supported:
        accepted = ", ".join(map(repr, ("auto", *supported)))
        raise ValueError(f"compute_type: {compute_type!r} cannot be used on this {device}; accepted here: {accepted}")
    return compute_type


def _has_gpu() -> bool:
    try:
        return _ct2.get_cuda_device_count() > 0
    except RuntimeError:
        return False
