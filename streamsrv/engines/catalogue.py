"""Reads the catalogue: every model by name, with its engine, options, weights and what a user needs to choose it.

The models of an engine are in a file beside its module: those of `asr/moonshine.py` are in `asr/moonshine.toml`.
"""

import ast
import difflib
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from streamsrv.engines.model_entry import Kind, ModelEntry, Price, Source, WeightFile

PACKAGES: Mapping[Kind, str] = {
    "vad": "streamsrv.engines.vad",
    "turn": "streamsrv.engines.turn",
    "recognizer": "streamsrv.engines.asr",
    "chat": "streamsrv.engines.llm",
    "synthesizer": "streamsrv.engines.tts",
}
"""The package with the engine modules of each kind, in the order in which an utterance passes them."""

DEFAULT_MODELS: Mapping[Kind, str] = {
    "vad": "silero",
    "recognizer": "moonshine-tiny",
    "chat": "smollm2-135m",
    "synthesizer": "hibari",
}
"""The models that run when nothing is configured: small, English, without an API key."""

OPTIONAL_MODELS: Mapping[str, str] = {"turn": "smart-turn", "turn_words": "smollm2-words"}
"""By setting, the models that also run if their weights are there; a server starts without them."""


class CatalogueError(ValueError):
    """The catalogue cannot be read or lacks a model; the message names the field, the value and what is accepted."""


class Catalogue(Mapping[str, ModelEntry]):
    """The known models by name, in the order of the files, with those that a provider has retired."""

    def __init__(self, entries: Iterable[ModelEntry]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> ModelEntry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self, kind: Kind | None = None) -> list[ModelEntry]:
        """Return the models of one kind, or of all, without those that a provider has retired."""
        return [entry for entry in self._entries.values() if kind in (None, entry.kind) and not entry.successor]

    def find(self, name: str, kind: Kind | None = None) -> ModelEntry:
        """Return the model called `name`, of `kind` if given, or its successor; raises `CatalogueError`."""
        entry = self._entries.get(name)
        if entry is not None and kind in (None, entry.kind):
            return self.find(entry.successor, entry.kind) if entry.successor else entry
        names = [known.name for known in self.entries(kind)]
        hint = did_you_mean(name, names)
        raise CatalogueError(f"{name!r} is not a {kind or 'model'}{hint}; accepted: {', '.join(names)}")


def with_urls(catalogue: Catalogue, urls: Mapping[str, str]) -> Catalogue:
    """Return the catalogue with the addresses of language models, by name, as their option `base_url`.

    Raises `CatalogueError` for a name that is not a language model of another machine or a provider.
    """
    changed: dict[str, ModelEntry] = {}
    for name, url in urls.items():
        entry = catalogue.find(name, "chat")
        if entry.hardware != "remote":
            raise CatalogueError(f"{name!r} runs in this server, so it has no address")
        changed[entry.name] = replace(entry, options={**entry.options, "base_url": url})
    return Catalogue(changed.get(name, entry) for name, entry in catalogue.items())


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return `; did you mean <name>?` with the known name that is most like `name`; empty if none is like it."""
    near = difflib.get_close_matches(str(name), known, 1)
    return f"; did you mean {near[0]}?" if near else ""


_ENTRY = TypeAdapter(ModelEntry)
_PATTERNS: Mapping[str, str] = {
    "name": "letters, digits, '.', '_' and '-', with a letter or digit at the beginning",
    "folder": "letters, digits, '.', '_', '-' and '/', with a letter or digit at the beginning of each part",
    "engine": "lower-case letters, digits and '_', with a letter at the beginning",
    "sha256": "64 lower-case hexadecimal digits",
    "currency": "three capital letters",
    "weights_of": "the name of a model",
    "licence_to_accept": "letters, digits, '.', '+' and '-'",
}
"""In words, what the fields accept whose type is a pattern."""
_TYPES: Mapping[str, str] = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "greater_than": "a number above 0",
    "greater_than_equal": "a number of 0 or more",
    "date_type": "a date",
    "date_from_datetime_parsing": "a date",
    "mapping_type": "a table",
    "dict_type": "a table",
    "dataclass_type": "a table",
    "tuple_type": "a list",
}
"""In words, what is accepted in place of a value of a wrong type, by the error's type."""
_TYPES_OF_FIELDS = {"weights": WeightFile, "sources": Source, "price": Price}
"""The type of the elements of fields that hold other types."""


def load_catalogue(tables: Sequence[Mapping[str, Any]] = (), where: str = "") -> Catalogue:
    """Read the models of this package, and then the `[[model]]` tables of the settings, from the file `where`.

    A table with a new name adds a model. A table with a known name changes only the fields it has, and its options are
    merged with the known ones; with another engine, it replaces the model. Raises `CatalogueError` with a line for each
    table that is wrong.
    """
    shipped = _by_name(_shipped(), "the catalogue of this package")
    merged = dict(shipped)
    engines = {kind: _engines(merged.values(), kind) for kind in PACKAGES}
    for name, table in _by_name(tables, where).items():
        merged[name] = _override(merged.get(name, {}), table)
    entries: list[ModelEntry] = []
    problems: list[str] = []
    for table in merged.values():
        try:
            entry = _validate(table)
            _check_engine(entry, engines[entry.kind])
            _check_sources(entry)
            entries.append(entry)
        except CatalogueError as error:
            problems.append(_located(where, str(error)))
    weights = _shared_weights(entries, shipped)
    wrong = (*_wrong_successors(entries), *_wrong_weights(entries, weights))
    problems += [_located(where, problem) for problem in wrong]
    if problems:
        raise CatalogueError("\n".join(problems))
    return Catalogue(replace(e, weights=weights[e.weights_of]) if e.weights_of else e for e in entries)


def _shipped() -> list[Mapping[str, Any]]:
    """Return the tables of this package by kind and engine, the default models of each kind first."""
    found: list[Mapping[str, Any]] = []
    kinds = list(PACKAGES)
    for package in PACKAGES.values():
        for file in sorted(files(package).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".toml"):
                found += tomllib.loads(file.read_text(encoding="utf-8"))["model"]
    return sorted(found, key=lambda table: (kinds.index(table["kind"]), table["name"] not in DEFAULT_MODELS.values()))


def _check_engine(entry: ModelEntry, shipped: Sequence[str]) -> None:
    if entry.engine not in shipped and not _is_engine(f"{PACKAGES[entry.kind]}.{entry.engine}"):
        raise CatalogueError(
            f"model {entry.name!r}: engine: {entry.engine!r} is not an engine of kind {entry.kind}"
            f"{did_you_mean(entry.engine, shipped)}; accepted: {', '.join(shipped)}"
        )


def _check_sources(entry: ModelEntry) -> None:
    for number, file in enumerate(entry.weights):
        if not file.sha256 and any(source.kind != "hub" for source in file.sources):
            raise CatalogueError(
                f"model {entry.name!r}: weights.{number}.sha256: is missing; only files that all sources have on a hub "
                "may lack it"
            )


def _wrong_successors(entries: Sequence[ModelEntry]) -> Iterator[str]:
    """Yield what is wrong with successors: each is a model of the same kind that has no successor itself."""
    by_name = {entry.name: entry for entry in entries}
    for entry in entries:
        if not entry.successor:
            continue
        successor = by_name.get(entry.successor)
        if successor is None or successor.kind != entry.kind or successor.successor:
            accepted = f"a {entry.kind} without a successor"
            yield f"model {entry.name!r}: successor: {entry.successor!r}; accepted: the name of {accepted}"


def _shared_weights(
    entries: Sequence[ModelEntry], shipped: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, tuple[WeightFile, ...]]:
    """Return the weights of the models that others name in `weights_of`, by name.

    Where the settings put another model without weights in the place of one of this package, they are still its.
    """
    own = {entry.name: entry.weights for entry in entries if entry.weights and not entry.weights_of}
    named = {entry.weights_of for entry in entries if entry.weights_of}
    return {name: own[name] if name in own else _validate(shipped[name]).weights for name in named & {*own, *shipped}}


def _wrong_weights(entries: Sequence[ModelEntry], weights: Mapping[str, tuple[WeightFile, ...]]) -> Iterator[str]:
    """Yield what is wrong with `weights_of`: each names a model with weights of its own, and has none itself."""
    for entry in entries:
        if entry.weights_of and entry.weights:
            yield f"model {entry.name!r}: weights_of: {entry.weights_of!r}; accepted: nothing beside [[model.weights]]"
        elif entry.weights_of and not weights.get(entry.weights_of):
            accepted = "the name of a model with [[model.weights]]"
            yield f"model {entry.name!r}: weights_of: {entry.weights_of!r}; accepted: {accepted}"


def _is_engine(module: str) -> bool:
    """Whether a module that no shipped model uses has a function `load`; does not import it."""
    if module in sys.modules:
        return hasattr(sys.modules[module], "load")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return False
    tree = ast.parse(Path(spec.origin).read_bytes())
    return any(isinstance(node, ast.FunctionDef) and node.name == "load" for node in tree.body)


def _engines(tables: Iterable[Mapping[str, Any]], kind: Kind) -> list[str]:
    return list(dict.fromkeys(table["engine"] for table in tables if table["kind"] == kind))


def _located(where: str, problem: str) -> str:
    return f"{where}: {problem}" if where else problem


def _by_name(tables: Sequence[Mapping[str, Any]], where: str) -> dict[str, Mapping[str, Any]]:
    by_name: dict[str, Mapping[str, Any]] = {}
    for number, table in enumerate(tables, start=1):
        name = table.get("name")
        if not isinstance(name, str):
            raise CatalogueError(_located(where, f"[[model]] number {number}: name: {name!r}; accepted: a string"))
        if name in by_name:
            raise CatalogueError(_located(where, f"[[model]] number {number}: name: {name!r} is used twice"))
        by_name[name] = table
    return by_name


def _override(known: Mapping[str, Any], table: Mapping[str, Any]) -> Mapping[str, Any]:
    if table.get("engine", known.get("engine")) != known.get("engine"):
        return table
    merged = {**known, **table}
    if isinstance(known.get("options"), dict) and isinstance(table.get("options"), dict):
        merged["options"] = {**known["options"], **table["options"]}
    return merged


def _validate(table: Mapping[str, Any]) -> ModelEntry:
    try:
        return _with_sources(_ENTRY.validate_python(table))
    except ValidationError as error:
        reasons = [_describe(detail) for detail in error.errors(include_url=False)]
        raise CatalogueError(f"model {table['name']!r}: {'; '.join(reasons)}") from error


def _with_sources(entry: ModelEntry) -> ModelEntry:
    """Return the entry with sources and paths at each weight file."""
    files: list[WeightFile] = []
    for file in entry.weights:
        sources = [replace(source, path=source.path or file.name) for source in file.sources or entry.sources]
        files.append(replace(file, sources=tuple(sources)))
    return replace(entry, weights=tuple(files))


def _describe(detail: ErrorDetails) -> str:
    """Return what is wrong with a field. A value that can hold a secret is not shown."""
    where, value = ".".join(str(part) for part in detail["loc"]), detail["input"]
    match detail["type"]:
        case "missing":
            return f"{where}: is missing"
        case "unexpected_keyword_argument":
            holders = [_TYPES_OF_FIELDS[part] for part in detail["loc"] if part in _TYPES_OF_FIELDS]
            known = [field.name for field in fields(holders[-1] if holders else ModelEntry)]
            hint = did_you_mean(str(detail["loc"][-1]), known)
            return f"{where}: is not a field{hint}; accepted: {', '.join(known)}"
        case "literal_error":
            accepted = detail.get("ctx", {})["expected"].replace("'", "")
        case "string_pattern_mismatch":
            accepted = _PATTERNS[str(detail["loc"][-1])]
        case "value_error":
            accepted = str(detail.get("ctx", {})["error"])
        case kind:
            accepted = _TYPES.get(kind) or detail["msg"].removeprefix("Input should be ")
    is_open = isinstance(value, str | int | float) and detail["loc"][0] != "options"
    return f"{where}: {f'{value!r}; ' if is_open else ''}accepted: {accepted}"
