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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.engines.tts.process.messages import Load
from streamsrv.engines.tts.process.synthesizer import ProcessSynthesizer
from streamsrv.errors import Unavailable

RUNS_APART = True
MODULE = "streamsrv.engines.tts.xtts_model.loop"
REQUIRES = ("TTS", "torch", "torchaudio", "torchcodec")
SPEAKERS = "speakers_xtts.pth"
_NEEDED = ("config.json", "vocab.json", "model.pth")


@dataclass(frozen=True, slots=True)
class XttsOptions:
    """Options of a catalogue entry with the engine `xtts`."""

    folder: str = ""
    """Folder with config.json, vocab.json, model.pth and speakers_xtts.pth (which may be missing), for an entry without
    weights, such as a fine-tuned model; the files are not verified."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU if PyTorch finds one."""
    compute_type: Literal["float32", "float16", "bfloat16"] = "float32"
    """Numbers in which the GPT computes. The halves take half the memory; how they sound with the published weights is
    not known."""
    streams: Annotated[int, Field(ge=1, le=256)] | None = None
    """Segments that are spoken at once; each takes some hundred MB of the GPU's memory. None: what fits, at most 128; 2
    on a CPU."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads of PyTorch on a CPU."""
    temperature: Annotated[float, Field(gt=0, le=2)] | None = None
    """How freely tokens are chosen; None, as for the following ones: what the model's config.json says."""
    top_k: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Of how many of the likeliest tokens; 1: always the likeliest."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """And of so many that they have this share of the probability."""
    repetition_penalty: Annotated[float, Field(ge=1, le=100)] | None = None
    """How strongly tokens that were spoken before are avoided."""
    python: str = ""
    """The Python of the engine's process, for an environment of its own with the extra `xtts`; empty: the server's."""


OPTIONS = XttsOptions


def load(entry: ModelEntry, context: LoadContext) -> ProcessSynthesizer:
    """Check the files; `warm_up` starts the process that loads them. Options: `XttsOptions`."""
    options = read_options(XttsOptions, entry)
    files = context.files or _of_folder(entry, options)
    for path in files.values():
        _check(entry, path)
    own = {name: value for name, value in asdict(options).items() if name not in ("folder", "python")}
    load = Load(MODULE, entry.name, own, {name: str(path.absolute()) for name, path in files.items()})
    return ProcessSynthesizer(
        load,
        name=entry.name,
        python=options.python or None,
        requires=REQUIRES,
        extra="xtts",
        languages=entry.languages,
    )


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
