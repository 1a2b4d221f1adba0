"""Vosk (Kaldi, Apache-2.0): recognition while somebody speaks, in many languages, on a small CPU.

A model is a folder of files for one language. One for another language than those of the catalogue, such as
`vosk-model-small-en-us-0.15`, is a zip file at https://alphacephei.com/vosk/models; unpack it and name the folder:

    [[model]]
    name = "vosk-en"
    kind = "recognizer"
    engine = "vosk"
    requires = ["vosk"]
    extra = "vosk"
    languages = ["en"]
    options = { folder = "/models/vosk-model-small-en-us-0.15", language = "en" }
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import vosk  # type: ignore[import-not-found]  # it has no types
from pydantic import Field

from streamsrv.engines.asr.base import Abilities
from streamsrv.engines.asr.kaldi.streaming import VoskRecognizer
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.errors import Unavailable
from streamsrv.text.languages import LANGUAGE_NAMES

_vosk: Any = vosk
_ACOUSTIC_MODELS = ("am/final.mdl", "final.mdl")
"""Where a model folder has its acoustic model: newer and older layout."""


@dataclass(frozen=True, slots=True)
class VoskOptions:
    """Options of a catalogue entry with this engine."""

    language: Annotated[str, Field(min_length=1)]
    """ISO 639-1 code of the model's language, which its files do not tell."""
    folder: str = ""
    """Folder of a model, for an entry without weights; its files are not verified."""


OPTIONS = VoskOptions


def load(entry: ModelEntry, context: LoadContext) -> VoskRecognizer:
    """Load a model folder: the entry's weights, or the one in the options. Options: `VoskOptions`."""
    options = read_options(VoskOptions, entry)
    if options.language not in LANGUAGE_NAMES:
        raise Unavailable(
            f"The options of {entry.name} are wrong: language: {options.language!r}: should be an ISO 639-1 code"
        )
    folder = _model_folder(entry, context.files, options)
    abilities = Abilities(languages=frozenset({options.language}))
    if not any((folder / name).is_file() for name in _ACOUSTIC_MODELS):
        raise Unavailable(f"{entry.name}: the folder {folder} is no Vosk model: no file {folder / _ACOUSTIC_MODELS[0]}")
    _vosk.SetLogLevel(-1)
    try:
        recognizer = VoskRecognizer(_vosk.Model(str(folder)), abilities, context.scheduler, entry.name)
        recognizer.pool.give_back(recognizer.pool.take())  # which finds a search graph that could not be read
    except Exception as error:
        reason = "its files are incomplete or damaged"
        raise Unavailable(f"{entry.name} could not be loaded from {folder}: {reason}") from error
    return recognizer


def _model_folder(entry: ModelEntry, files: Mapping[str, Path], options: VoskOptions) -> Path:
    if options.folder:
        return Path(options.folder).expanduser()
    for file in entry.weights:
        if file.path in _ACOUSTIC_MODELS:
            return files[file.name].parents[file.path.count("/")]
    raise Unavailable(f"{entry.name} has no weights: its option `folder` must name the folder of a Vosk model")
