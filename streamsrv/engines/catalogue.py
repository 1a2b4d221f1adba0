"""Reads the catalogue: every model by name, with its engine, options, weights and their sources."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

Kind = Literal["recognizer", "chat", "synthesizer", "vad", "turn"]

PACKAGES: Mapping[Kind, str] = {
    "recognizer": "streamsrv.engines.asr",
    "chat": "streamsrv.engines.llm",
    "synthesizer": "streamsrv.engines.tts",
    "vad": "streamsrv.engines.vad",
    "turn": "streamsrv.engines.turn",
}
"""The package with the engine modules of each kind."""

DEFAULT_MODELS: Mapping[Kind, str] = {
    "vad": "silero",
    "recognizer": "moonshine-tiny",
    "chat": "smollm2-135m",
    "synthesizer": "hibari",
}
"""The models that run when nothing is configured: small, English, without an API key."""

OPTIONAL_MODELS: Mapping[Kind, str] = {"turn": "smart-turn"}
"""The models that also run if their weights are there; a server starts without them."""

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that is safe for a file or folder on every system."""


class CatalogueError(ValueError):
    """The catalogue cannot be read or lacks a model; the message names the field, the value and what is accepted."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place a weight file can come from; sources are tried in order.

    `package`: file `path` inside the installed Python package `name`. `wheel`: file `path` inside the wheel of the
    requirement `name` (`moonshine-voice==0.0.73`), fetched by the user's own pip and never installed. `hub`: file
    `path` of the repository `name` at `revision` on a model hub. The user's model folder is always tried first.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: Literal["package", "wheel", "hub"]
    name: str
    path: str
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file that a model needs. The engine finds it by `name`. `size` (bytes) and `sha256` are checked."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: FileName
    size: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the catalogue."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: FileName
    kind: Kind
    engine: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """The engine's module in the package of its kind: `moonshine` is `streamsrv.engines.asr.moonshine`."""
    description: str = ""
    licence: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Keyword options of the engine, documented in its module."""
    weights: tuple[WeightFile, ...] = ()
    requires: tuple[str, ...] = ()
    """Python modules that the engine needs."""
    extra: str = ""
    """The extra of this package that installs the modules in `requires`."""
    key_variable: str = ""
    """Environment variable with the API key of a remote model."""


class Catalogue(Mapping[str, ModelEntry]):
    """The known models by name, in the order of the file."""

    def __init__(self, entries: Iterable[ModelEntry]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> ModelEntry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self, kind: Kind | None = None) -> list[ModelEntry]:
        """Return the models of one kind, or all models."""
        return [entry for entry in self._entries.values() if kind in (None, entry.kind)]

    def find(self, name: str, kind: Kind | None = None) -> ModelEntry:
        """Return the model called `name`, of `kind` if given; raises `CatalogueError`."""
        known = self.entries(kind)
        for entry in known:
            if entry.name == name:
                return entry
        raise CatalogueError(f"{name!r} is not a {kind or 'model'}; accepted: {', '.join(e.name for e in known)}")


_TABLES = TypeAdapter(list[dict[str, Any]])
_ENTRY = TypeAdapter(ModelEntry)
_TYPE_AT_DEPTH = {1: ModelEntry, 3: WeightFile, 5: Source}
"""The type that has the field of an error, by the length of the error's location (`weights.0.size` has three parts)."""


def load_catalogue(extra: Path | None = None) -> Catalogue:
    """Read the models of this package, and then the `[[model]]` tables of the file `extra`.

    A table with a new name adds a model. A table with a known name changes only the fields it has, and its options are
    merged with the known ones; with another engine, it replaces the model. Raises `CatalogueError`.
    """
    shipped = files("streamsrv.engines").joinpath("catalogue.toml")
    tables = _read_tables(shipped.read_text(encoding="utf-8"), "the catalogue of this package")
    if extra is not None:
        try:
            text = extra.read_text(encoding="utf-8")
        except OSError as error:
            raise CatalogueError(f"{extra}: cannot be read: {error.strerror}") from error
        for name, table in _read_tables(text, str(extra)).items():
            tables[name] = _override(tables.get(name, {}), table)
    return Catalogue(_validate(table) for table in tables.values())


def _read_tables(text: str, where: str) -> dict[str, dict[str, Any]]:
    try:
        tables: Any = tomllib.loads(text).get("model", [])
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{where}: not valid TOML: {error}") from error
    try:
        checked = _TABLES.validate_python(tables)
    except ValidationError as error:
        raise CatalogueError(f"{where}: model: {tables!r}; accepted: [[model]] tables, with double brackets") from error
    by_name: dict[str, dict[str, Any]] = {}
    for number, table in enumerate(checked, start=1):
        name = table.get("name")
        if not isinstance(name, str):
            raise CatalogueError(f"{where}: [[model]] number {number}: name: {name!r}; accepted: a string")
        if name in by_name:
            raise CatalogueError(f"{where}: [[model]] number {number}: name: {name!r} is used twice")
        by_name[name] = table
    return by_name


def _override(known: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    if table.get("engine", known.get("engine")) != known.get("engine"):
        return table
    merged = {**known, **table}
    if isinstance(known.get("options"), dict) and isinstance(table.get("options"), dict):
        merged["options"] = {**known["options"], **table["options"]}
    return merged


def _validate(table: dict[str, Any]) -> ModelEntry:
    try:
        return _ENTRY.validate_python(table)
    except ValidationError as error:
        reasons: list[str] = []
        for detail in error.errors(include_url=False):
            where = ".".join(str(part) for part in detail["loc"])
            if detail["type"] == "missing":
                reasons.append(f"{where}: is missing")
            elif detail["type"] == "unexpected_keyword_argument":
                accepted = ", ".join(known.name for known in fields(_TYPE_AT_DEPTH[len(detail["loc"])]))
                reasons.append(f"{where}: is not a field; accepted: {accepted}")
            else:
                reasons.append(f"{where}: {detail['input']!r}: {detail['msg']}")
        raise CatalogueError(f"model {table['name']!r}: {'; '.join(reasons)}") from error
