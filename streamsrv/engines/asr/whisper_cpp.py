"""Whisper on whisper.cpp (pywhispercpp, MIT), for CPUs without AVX2 and for quantised models.

Any ggml file of whisper.cpp can be used, such as those of `ggerganov/whisper.cpp` on the hub, quantised or not:

    [[model]]
    name = "whisper-cpp-small"
    kind = "recognizer"
    engine = "whisper_cpp"
    requires = ["pywhispercpp"]
    extra = "whispercpp"
    sources = [{ kind = "hub", name = "ggerganov/whisper.cpp" }]
    weights = [{ name = "ggml-small-q5_1.bin", size = 190_000_000 }]

A file that is there already needs no `weights`, but the option `file`.
With the weights of `faster_whisper`, as float16, the option `convert` makes the ggml file at the first start.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from streamsrv.engines.asr.whisper.cpp_decoder import CppDecoder, CppSettings
from streamsrv.engines.asr.whisper.ggml_files import read_ggml
from streamsrv.engines.asr.windows.incremental import IncrementalRecognizer
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.errors import Unavailable


@dataclass(frozen=True, slots=True)
class WhisperCppOptions:
    """Options of a catalogue entry with this engine."""

    file: str = ""
    """A ggml file, for an entry without weights; it is not verified."""
    convert: bool = False
    """Convert the weights, which are those of `faster_whisper`, to a ggml file first, and keep it beside them."""
    language: str = ""
    """Code of the language if the client gives none; empty: detect it."""
    translates: bool = True
    """Whether the model, if it is multilingual, can translate into English."""
    contexts: Annotated[int, Field(ge=1, le=64)] = min(os.cpu_count() or 1, 2)
    """Windows decoded at once, each on one thread and with a copy of the model. A decode that waits for one of them
    keeps a worker thread."""


OPTIONS = WhisperCppOptions


def load(entry: ModelEntry, context: LoadContext) -> IncrementalRecognizer:
    """Load a ggml file: the entry's only weight, one made of its weights, or that in the options.

    Options: `WhisperCppOptions`.
    """
    options = read_options(WhisperCppOptions, entry)
    if not (context.files or options.file):
        raise Unavailable(f"{entry.name} has no weights: its option `file` must name a ggml file")
    try:
        path = _ggml_file(options, context.files, context.report)
        facts = read_ggml(path)
        settings = CppSettings(options.language, frozenset(entry.languages), options.translates, options.contexts)
        decoder = CppDecoder(path, facts, settings, context.scheduler)
    except Unavailable:
        raise
    except Exception as error:
        raise Unavailable(f"{entry.name} could not be loaded: {error}") from error
    return IncrementalRecognizer(decoder, entry.name)


def _ggml_file(options: WhisperCppOptions, files: Mapping[str, Path], report: Callable[[str], None]) -> Path:
    if options.file:
        return Path(options.file).expanduser()
    if not options.convert:
        return next(iter(files.values()))
    from streamsrv.engines.asr.whisper.ggml_conversion import converted

    return converted(files, report)
