"""Coqui XTTS-v2: 17 languages, dozens of voices, and the voices of recordings; best on a GPU.

Model: Casanova et al., "XTTS: a Massively Multilingual Zero-Shot Text-to-Speech Model", 2024; package coqui-tts
(MPL-2.0). **Its published weights are for non-commercial use only**, see `licence_to_accept` in `xtts.toml`.

It always runs in a process of its own (`xtts_model/loop.py`), because it takes ten seconds to import and holds the GIL.
There, one loop speaks all segments together: each of its steps makes a token for every segment, on a GPU as one CUDA
graph. A model of your own, such as a fine-tuned one:

    [[model]]
    name = "my-xtts"
    kind = "synthesizer"
    engine = "xtts"
    languages = ["en", "de"]
    options = { folder = "/models/xtts", python = "/opt/xtts/bin/python" }
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.engines.tts.process.messages import Load
from streamsrv.engines.tts.process.synthesizer import ProcessSynthesizer
from streamsrv.engines.tts.xtts_model.options import XttsOptions
from streamsrv.errors import Unavailable

OPTIONS = XttsOptions
RUNS_APART = True
MODULE = "streamsrv.engines.tts.xtts_model.loop"
REQUIRES = ("TTS", "torch", "torchaudio", "torchcodec")
SPEAKERS = "speakers_xtts.pth"
_NEEDED = ("config.json", "vocab.json", "model.pth")


def load(entry: ModelEntry, context: LoadContext) -> ProcessSynthesizer:
    """Check the files; `warm_up` starts the process that loads them. Options: `XttsOptions`."""
    options = read_options(XttsOptions, entry)
    files = context.files or _of_folder(entry, options)
    for path in files.values():
        _check(entry, path)
    own = {name: value for name, value in asdict(options).items() if name not in ("folder", "python")}
    load = Load(MODULE, entry.name, own, {name: str(path.absolute()) for name, path in files.items()})
    return ProcessSynthesizer(load, name=entry.name, python=options.python or None, requires=REQUIRES)


def _of_folder(entry: ModelEntry, options: XttsOptions) -> Mapping[str, Path]:
    if not options.folder:
        raise Unavailable(f"{entry.name} has no weights: its option `folder` must name a folder with an XTTS model")
    folder = Path(options.folder).expanduser()
    if absent := [name for name in _NEEDED if not (folder / name).is_file()]:
        raise Unavailable(f"{entry.name} could not be loaded: {folder} is no XTTS model, it lacks {', '.join(absent)}")
    return {name: folder / name for name in (*_NEEDED, SPEAKERS) if (folder / name).is_file()}


def _check(entry: ModelEntry, path: Path) -> None:
    """Raise `Unavailable` unless the file is whole, as far as its format tells."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
            return
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise Unavailable(f"{entry.name} could not be loaded: {path} is truncated or corrupt: {error}") from error
    if not any(name.endswith("data.pkl") for name in names):
        raise Unavailable(f"{entry.name} could not be loaded: {path} is not a file of PyTorch")
