"""Reads and validates all settings at once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from streamsrv.configuration.sources import (
    Given,
    Layer,
    Origin,
    find_file,
    read_file,
    read_flags,
    read_variables,
)
from streamsrv.configuration.words import accepted_by, did_you_mean, shown
from streamsrv.engines.absent import ABSENT
from streamsrv.engines.catalogue import Catalogue, CatalogueError, Kind, load_catalogue, with_urls
from streamsrv.engines.licences import with_accepted_licences
from streamsrv.engines.llm.routing.rules import read_rules
from streamsrv.engines.loading import with_parts
from streamsrv.engines.selection import language_problem
from streamsrv.settings import Settings

MODEL_SETTINGS: Mapping[str, tuple[Kind, tuple[str, ...]]] = {
    "vad": ("vad", ()),
    "recognizer": ("recognizer", (ABSENT,)),
    "recognizer_by_language": ("recognizer", ()),
    "chat": ("chat", ("auto",)),
    "chat_urls": ("chat", ()),
    "chat_fallback": ("chat", ("auto", ABSENT)),
    "synthesizer": ("synthesizer", ("auto", ABSENT)),
    "synthesizer_by_language": ("synthesizer", ()),
    "turn": ("turn", ("auto", ABSENT)),
    "turn_words": ("turn", ("auto", ABSENT)),
}
"""The settings that name models, with their kind and what else they accept."""

DEFAULT = Origin("default")


class ConfigurationError(ValueError):
    """The settings are invalid; each of `problems` is a line for the operator, also for what is only ignored."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings in force.

    `origins`: where each given setting came from; the others have their defaults. `file`: the settings file, if any.
    `warnings`: a line for each thing that is ignored.
    """

    settings: Settings
    origins: Mapping[str, Origin]
    catalogue: Catalogue
    file: Path | None
    warnings: tuple[str, ...]

    def origin(self, setting: str) -> Origin:
        """Return where the value of a setting came from."""
        return self.origins.get(setting, DEFAULT)


def read_configuration(
    flags: Mapping[str, str | None] | None = None,
    assignments: Sequence[str] = (),
    file: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Configuration:
    """Read the settings: `flags` and `assignments` (`name=value`) override variables, and variables override the file.

    `file`: the settings file, in place of those that are looked for. Raises `ConfigurationError` with all problems.
    """
    path = find_file(file, environ)
    layers = [read_file(path) if path else Layer(), read_variables(environ), read_flags(flags or {}, assignments)]
    given = {name: value for layer in layers for name, value in layer.given.items()}
    problems = [problem for layer in layers for problem in layer.problems]
    settings, wrong = _validate(given, is_complete=not problems)
    problems += wrong
    catalogue = _read_catalogue(given.get("model"), problems)
    problems += _wrong_models(given, catalogue)
    warnings = [warning for layer in layers for warning in layer.warnings]
    if settings is None or catalogue is None or problems:
        raise ConfigurationError([*warnings, *problems])
    try:
        catalogue = with_urls(catalogue, settings.chat_urls)
    except CatalogueError as error:
        problem = f"{given['chat_urls'].origin}: chat_urls: {error}"
        raise ConfigurationError([*warnings, problem]) from error
    try:
        catalogue = with_accepted_licences(catalogue, settings.accepted_licences)
    except CatalogueError as error:
        problem = f"{given['accepted_licences'].origin}: accepted_licences: {error}"
        raise ConfigurationError([*warnings, problem]) from error
    try:
        read_rules(settings.chat_rule, catalogue)
    except CatalogueError as error:
        where = f"{given['chat_rule'].origin}: chat_rule: "
        raise ConfigurationError([*warnings, *(f"{where}{line}" for line in str(error).splitlines())]) from error
    origins = {name: value.origin for name, value in given.items()}
    return Configuration(settings, origins, catalogue, path, tuple(warnings))


def _validate(given: Mapping[str, Given], *, is_complete: bool) -> tuple[Settings | None, list[str]]:
    """Return the settings, or what is wrong with the values; if some are not known, not how they go together."""
    try:
        return Settings.model_validate({name: value.value for name, value in given.items()}), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    problems = [_describe(detail, given) for detail in details if is_complete or detail["loc"]]
    return None, list(dict.fromkeys(problems))


def _describe(detail: ErrorDetails, given: Mapping[str, Given]) -> str:
    """Return the line for an error of pydantic."""
    context = detail.get("ctx", {})
    name = str(detail["loc"][0] if detail["loc"] else context["setting"])
    where = f"{given[name].origin}: {name}"
    if detail["type"] == "value_error":
        return f"{where}: {context['error']}; accepted: {accepted_by(name)}"
    if not detail["loc"]:
        return f"{where}: {detail['msg']}"
    value = given[name].value if len(detail["loc"]) == 1 else detail["input"]
    near = did_you_mean(str(value), context["expected"].split("'")[1::2]) if detail["type"] == "literal_error" else ""
    return f"{where}: {shown(name, value)}{near}; accepted: {accepted_by(name)}"


def _read_catalogue(given: Given | None, problems: list[str]) -> Catalogue | None:
    """Return the catalogue with the models that the file adds; None, and more problems, if they are wrong."""
    tables: object = given.value if given else []
    if not _are_tables(tables):
        return None  # `_validate` has said so
    try:
        return load_catalogue(tables, str(given.origin) if given else "")
    except CatalogueError as error:
        problems += str(error).splitlines()
        return None


def _are_tables(value: object) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and all(isinstance(table, dict) for table in cast("list[object]", value))


def _wrong_models(given: Mapping[str, Given], catalogue: Catalogue | None) -> list[str]:
    """Return a line for each setting that names a model which is not in the catalogue, or is of another kind.

    Without a `catalogue`, because a table of the file is wrong, the names in the tables are left out.
    """
    problems: list[str] = []
    unclear: set[object] = set()
    if catalogue is None:
        catalogue = load_catalogue()
        tables = given["model"].value
        unclear = {table.get("name") for table in tables} if _are_tables(tables) else unclear
    for setting, code, name in _named_models(given):
        kind, words = MODEL_SETTINGS[setting]
        if name in ("", *words) or name in unclear:
            continue
        where = f"{given[setting].origin}: {setting}: {f'{code}: ' if code else ''}"
        known = (*words, *(entry.name for entry in catalogue.entries(kind)))
        if name not in catalogue or catalogue[name].kind != kind:
            other = f" is a {catalogue[name].kind}, not a {kind}" if name in catalogue else ""
            problems.append(
                f"{where}{shown(setting, name)}{other}{did_you_mean(name, known)}; accepted: {', '.join(known)}"
            )
            continue
        entry = catalogue.find(name, kind)
        try:
            with_parts(entry, catalogue)
        except CatalogueError as error:
            problems.append(f"{where}{shown(setting, name)} combines models: {error}")
        if code and (problem := language_problem(code, entry)):
            problems.append(f"{given[setting].origin}: {setting}: {problem}")
    return list(dict.fromkeys(problems))


def _named_models(given: Mapping[str, Given]) -> Iterator[tuple[str, str, str]]:
    """Yield each model that a setting names: the setting, the language if it has chains of languages, and the name."""
    for setting in MODEL_SETTINGS:
        if setting not in given:
            continue
        try:
            value: object = getattr(Settings.model_validate({setting: given[setting].value}), setting)
        except ValidationError:
            continue  # `_validate` has said so
        chains = cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {"": value}
        if setting == "chat_urls":
            chains = {"": tuple(chains)}
        for code, names in chains.items():
            for name in cast("tuple[str, ...]", names) if isinstance(names, tuple) else (str(names),):
                yield setting, code, name
