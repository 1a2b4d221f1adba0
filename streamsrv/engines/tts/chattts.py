"""ChatTTS (AGPL-3.0-or-later): conversational English and Chinese, best on a GPU.

Model: https://github.com/2noise/ChatTTS. It always runs in a process of its own (`chattts_model/loop.py`), because of
its licence, and because it is not thread-safe, takes ten seconds to import and a GB of memory. One process speaks one
segment at a time, at about twice real time on a GPU. A voice is drawn at random from a seed: `seed-2` is always the
same one. The weights may not be used commercially, see `licence_to_accept` in `chattts.toml`. A folder of your own,
with the files in `chattts_model/facts.py`:

    [[model]]
    name = "my-chattts"
    kind = "synthesizer"
    engine = "chattts"
    languages = ["en", "zh"]
    options = { model = "/models/chattts", python = "/opt/chattts/bin/python", seeds = [2, 42], processes = 2 }

In a text, `[laugh]` is laughter, and `[uv_break]` a pause for breath; neither is in the transcript.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.engines.tts.base import Voice
from streamsrv.engines.tts.chattts_model.facts import FILES, LANGUAGES, voice_name
from streamsrv.engines.tts.process.messages import Load
from streamsrv.engines.tts.process.synthesizer import ProcessSynthesizer
from streamsrv.errors import Unavailable
from streamsrv.text.voice_marks import MARKS

MODULE = "streamsrv.engines.tts.chattts_model.loop"
REQUIRES = ("ChatTTS", "torch", "av", "num2words")
"""Modules that the process imports."""


@dataclass(frozen=True, slots=True)
class ChatTTSOptions:
    """Options of a catalogue entry with this engine."""

    model: str = ""
    """The folder of a model of your own, for an entry without weights; its files are not verified."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU if PyTorch finds one."""
    python: str = ""
    """The Python of another environment, which has the modules in `REQUIRES`; empty: this environment."""
    seeds: Annotated[Sequence[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1, max_length=64)] = (
        2,
        5,
        11,
        42,
        111,
        1111,
    )
    """The voices: one for each seed, named `seed-2`. The first is the default voice."""
    processes: Annotated[int, Field(ge=1, le=16)] = 1
    """Processes, each of which speaks one segment at a time and holds the model."""


OPTIONS = ChatTTSOptions
RUNS_APART = True


def load(entry: ModelEntry, context: LoadContext) -> ProcessSynthesizer:
    """Check the folder; `warm_up` starts the processes that load it. Options: `ChatTTSOptions`."""
    options = read_options(ChatTTSOptions, entry)
    if not (context.files or options.model):
        raise Unavailable(f"{entry.name} has no weights: its option `model` must name a folder with a ChatTTS model")
    folder = context.files["Vocos.safetensors"].parents[1] if context.files else Path(options.model).expanduser()
    if absent := [name for name in FILES if not (folder / name).is_file()]:
        raise Unavailable(
            f"{entry.name} could not be loaded: {folder} is no ChatTTS model, it lacks {', '.join(absent)}"
        )
    settings = {
        "folder": str(folder.absolute()),
        "is_verified": bool(context.files),
        "device": options.device,
        "seeds": list(options.seeds),
    }
    return ProcessSynthesizer(
        Load(MODULE, entry.name, settings, {}),
        name=entry.name,
        python=options.python or None,
        requires=REQUIRES,
        extra="chattts",
        languages=entry.languages,
        processes=options.processes,
        voices=tuple(Voice(voice_name(seed), frozenset(LANGUAGES), marks=frozenset(MARKS)) for seed in options.seeds),
    )
