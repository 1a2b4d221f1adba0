"""The catalogue: every model by name, with its engine, options, weights and where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["recognizer", "chat", "synthesizer", "vad"]

PACKAGES: Mapping[Kind, str] = {
    "recognizer": "streamsrv.asr",
    "chat": "streamsrv.llm",
    "synthesizer": "streamsrv.tts",
    "vad": "streamsrv.vad",
}
"""Where the engine modules of each kind live."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place a weight file can come from; sources are tried in order.

    `package`: file `path` inside the installed Python package `name`. `wheel`: file `path` inside the wheel of the
    requirement `name` (`moonshine-voice==0.0.73`), fetched by the user's own pip and never installed. `hub`: file
    `path` of the repository `name` at `revision` on a model hub. (The user's model folder is always tried first.)
    """

    kind: Literal["package", "wheel", "hub"]
    name: str
    path: str
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file a model needs: `name` is how the engine asks for it; size in bytes; both size and sha256 are checked."""

    name: str
    size: int
    sha256: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the catalogue."""

    name: str
    kind: Kind
    engine: str
    """The module in the package of its kind: `moonshine` is `streamsrv.asr.moonshine`."""
    description: str = ""
    licence: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Keyword options of the engine, as its module documents them."""
    weights: tuple[WeightFile, ...] = ()
    requires: tuple[str, ...] = ()
    """Python modules that must be importable."""
    extra: str = ""
    """The extra of this package that installs them."""
    key_variable: str = ""
    """Environment variable with the API key, for a remote model."""
