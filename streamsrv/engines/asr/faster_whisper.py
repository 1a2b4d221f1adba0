"""Whisper and Distil-Whisper on CTranslate2 (faster-whisper, MIT), with less padding than Whisper's own.

Models: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022); Gandhi et al.,
"Distil-Whisper" (2023). Any folder made by `ct2-transformers-converter`, or a repository of such files, can be used.
Needed are `config.json`, `model.bin`, `tokenizer.json` and `vocabulary.json` (or `.txt`):

    [[model]]
    name = "whisper-small"
    kind = "recognizer"
    engine = "faster_whisper"
    requires = ["faster_whisper"]
    extra = "whisper"
    options = { folder = "/models/faster-whisper-small" }

The entry of a model that was trained for fewer languages than its vocabulary has, as most of Distil-Whisper, must say
so: `languages = ["en"]`. The turbo model does not translate: `options = { translates = false }`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from streamsrv.engines.asr.whisper.decoder import DecoderSettings, WhisperDecoder
from streamsrv.engines.asr.whisper.model import Device, open_model
from streamsrv.engines.asr.whisper.model_files import ModelFiles
from streamsrv.engines.asr.windows.batched import BatchedDecoder
from streamsrv.engines.asr.windows.incremental import IncrementalRecognizer
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.errors import Unavailable
from streamsrv.text.languages import normalize_language

_GPU_BATCH = 16


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """Options of a catalogue entry with this engine."""

    folder: str = ""
    """Folder of a CTranslate2 model, for an entry without weights; its files are not verified."""
    language: str = ""
    """Code of the language if the client gives none; empty: detect it."""
    translates: bool = True
    """Whether the model, if it is multilingual, can translate into English."""
    beam_size: Annotated[int, Field(ge=1, le=16)] = 1
    device: Device = "auto"
    """`auto`: a GPU if one works, else the CPU."""
    compute_type: str = "auto"
    """Type of numbers, such as `int8` or `float16`; `auto`: the fastest that the device has and that loses nothing."""
    word_times: bool = True
    """Align the words of a text with the audio; else their times are estimates. Costs a sixth more in each pause."""
    workers: Annotated[int, Field(ge=1)] = os.cpu_count() or 2
    """Windows decoded at once on a CPU, each on one thread."""
    batch: Annotated[int, Field(ge=0, le=64)] = 0
    """Most windows, of all sessions, decoded in one call; 0: many on a GPU, one on a CPU, where it gains nothing."""
    gather_ms: Annotated[int, Field(ge=0, le=100)] = 15
    """How long windows wait for others to be decoded with."""


OPTIONS = WhisperOptions


def load(entry: ModelEntry, context: LoadContext) -> IncrementalRecognizer:
    """Load a model from the entry's weights or the folder in its options. Options: `WhisperOptions`."""
    options = read_options(WhisperOptions, entry)
    if not (context.files or options.folder):
        raise Unavailable(f"{entry.name} has no weights: its option `folder` must name a CTranslate2 model")
    folder = Path(options.folder).expanduser() if options.folder else None
    try:
        files = ModelFiles({} if folder else context.files, folder)
        model = open_model(files, options.device, options.compute_type, options.workers, context.report)
    except Exception as error:
        raise Unavailable(f"{entry.name} could not be loaded: {error}") from error
    settings = DecoderSettings(
        language=_code(entry, "options: language", options.language, model.languages) if options.language else "",
        languages=frozenset(_code(entry, "languages", given, model.languages) for given in entry.languages),
        beam_size=options.beam_size,
        translates=options.translates,
        word_times=options.word_times,
        max_batch=options.batch or (_GPU_BATCH if model.device == "cuda" else 1),
    )
    decoder = WhisperDecoder(model, settings)
    return IncrementalRecognizer(BatchedDecoder(decoder, context.scheduler, options.gather_ms), entry.name)


def _code(entry: ModelEntry, option: str, given: str, known: frozenset[str]) -> str:
    """Return the code of a language that the entry names; raises `Unavailable` if the model does not know it."""
    code = normalize_language(given)
    if code not in known:
        accepted = ", ".join(sorted(known))
        raise Unavailable(f"{entry.name}: {option}: {given!r} is not a language of this model (accepted: {accepted})")
    return code
