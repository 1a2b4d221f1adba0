"""NVIDIA NeMo's toolkit (Apache-2.0) with cache-aware streaming models, best on a GPU.

Models: FastConformer and Nemotron transducers that were trained for streaming (Noroozi et al., "Stateful Conformer with
Cache-based Inference for Streaming ASR", 2023). The toolkit runs in a process of its own (`nemo_toolkit/worker.py`),
where one thread decodes the steps of all streams together: it takes half a minute to import, a GB of memory, and the
GIL. If the process ends, its streams fail with `Unavailable`, and another one is started. A file of your own:

    [[model]]
    name = "my-nemotron"
    kind = "recognizer"
    engine = "nemo"
    languages = ["en"]
    requires = ["nemo", "torch"]
    extra = "nemo"
    options = { model = "/models/nemotron-speech-streaming-en-0.6b.nemo", device = "cuda" }

**A .nemo file can hold code** (Python's pickle) that runs when it is loaded: load only files that you trust.
"""

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from streamsrv.engines.asr.base import Abilities, RecognitionOptions, StatelessSession
from streamsrv.engines.asr.nemo_toolkit.messages import Load
from streamsrv.engines.asr.nemo_toolkit.process import NemoProcess
from streamsrv.engines.asr.nemo_toolkit.stream import NemoStream
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.errors import Unavailable


@dataclass(frozen=True, slots=True)
class NemoOptions:
    """Options of a catalogue entry with this engine."""

    model: str = ""
    """Path of a .nemo file, for an entry without weights; it is not verified."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU if PyTorch finds one."""
    compute_type: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: bfloat16 on a GPU, else float32."""
    right_context: Annotated[int, Field(ge=0)] | None = None
    """Frames of 80 ms that the model looks ahead: fewer are quicker and less accurate. None: the model's own choice."""
    streams: Annotated[int, Field(ge=1, le=1024)] = 32
    """Utterances at once; each takes some MB on the device."""
    python: str | None = None
    """The Python of another environment, which has the toolkit; None: the server's own."""


OPTIONS = NemoOptions
RUNS_APART = True


def load(entry: ModelEntry, context: LoadContext) -> "NemoRecognizer":
    """Check the .nemo file; `warm_up` starts the process that loads it. Options: `NemoOptions`."""
    options = read_options(NemoOptions, entry)
    path = next(iter(context.files.values()), None) or Path(options.model).expanduser()
    if not (context.files or options.model):
        raise Unavailable(f"{entry.name} has no weights: its option `model` must name a .nemo file")
    _check(entry, path)
    load = Load(str(path), options.device, options.compute_type, options.right_context, options.streams)
    process = NemoProcess(load, entry.name, options.python, entry.requires, entry.extra)
    return NemoRecognizer(process, Abilities(frozenset(entry.languages)), entry.name)


def _check(entry: ModelEntry, path: Path) -> None:
    """Raise `Unavailable` unless the file is a whole archive with a model."""
    if not path.is_file():
        raise Unavailable(f"{entry.name} could not be loaded: its option `model`: there is no file {path}")
    try:
        with tarfile.open(path) as archive:
            names = archive.getnames()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise Unavailable(f"{entry.name} could not be loaded: {path} is truncated or no .nemo file: {error}") from error
    for needed in ("model_config.yaml", ".ckpt"):
        if not any(name.endswith(needed) for name in names):
            raise Unavailable(f"{entry.name} could not be loaded: {path} is no .nemo file: it holds no {needed}")


class NemoRecognizer:
    """A `Recognizer` over the process with the toolkit."""

    def __init__(self, process: NemoProcess, abilities: Abilities, name: str) -> None:
        self.name = name
        self.abilities = abilities
        self.process = process

    def connect(self) -> StatelessSession:
        """Begin a session, which holds nothing."""
        return StatelessSession(self.open)

    def open(self, options: RecognitionOptions) -> NemoStream:
        """Start an utterance; raises `Overloaded` if too many are open. Needs a running event loop."""
        known = self.abilities.languages
        return NemoStream(self.process, options, options.language or (next(iter(known)) if len(known) == 1 else None))

    async def warm_up(self) -> None:
        """Start the process, and wait until it has loaded the model; raises `Unavailable` with its reason."""
        await self.process.start()

    async def aclose(self) -> None:
        """End the process."""
        await self.process.aclose()
