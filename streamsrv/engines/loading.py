"""Loads the engine of a catalogue entry. Engine modules are imported only when they are needed."""

import asyncio
import logging
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from streamsrv.engines.catalogue import PACKAGES, Catalogue, CatalogueError, ModelEntry
from streamsrv.engines.readiness.import_failure import explain_import
from streamsrv.engines.readiness.needs import Need, needs
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import EngineError, Unavailable
from streamsrv.inference.scheduler import Scheduler

logger = logging.getLogger(__name__)

Report = Callable[[str], None]
"""Called with one line about the progress of loading."""

PART_OPTIONS: Mapping[str, tuple[str, ...]] = {"two_speed": ("fast", "accurate")}
"""By engine, the options that name other models of the same kind that the engine combines."""


def _no_parts(name: str) -> Any:
    raise Unavailable(f"{name} cannot be loaded, because this engine was loaded without a catalogue")


@dataclass(frozen=True, slots=True)
class LoadContext:
    """What an engine module gets as `context` of its `load(entry, context)`."""

    scheduler: Scheduler
    """Runs the engine's blocking calls."""
    files: Mapping[str, Path]
    """The entry's weight files by name, all present and verified."""
    api_key: str | None = None
    """The value of the entry's `key_variable`, for a remote model."""
    report: Report = logger.info
    """Tells the user about steps that take long."""
    load_part: Callable[[str], Any] = _no_parts
    """Loads another model of the catalogue, of the same kind, by name; see `PART_OPTIONS`."""


def load_engine(entry: ModelEntry, context: LoadContext) -> Any:
    """Import the entry's engine module and load the model. Blocks: call it on a worker thread.

    Returns a `Recognizer`, `ChatModel`, `Synthesizer`, `Vad`, `TurnModel`, `StreamingTurnModel` or `WordsTurnModel`, by
    the entry's kind.
    Raises `EngineError` with one line that names the model and the cause, whatever the engine's packages raise.
    """
    module = import_engine(entry)
    with failures_told(entry, "loaded"):
        try:
            return module.load(entry, context)
        except ImportError as error:
            raise Unavailable(f"{entry.name}: {explain_import(error, entry.requires)}") from error
        except (KeyError, StopIteration) as error:
            if context.files:
                raise Unavailable(f"{entry.name} could not be loaded: no weight file {error}") from error
            lacking = f"{entry.name} has no [[model.weights]], which the engine {entry.engine} needs"
            raise Unavailable(lacking) from error


@contextmanager
def failures_told(entry: ModelEntry, done: str) -> Generator[None]:
    """Turn whatever an engine raises at its start into `Unavailable` with one line; `done` is such as "loaded"."""
    try:
        yield
    except (EngineError, CatalogueError, asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a library may call sys.exit, and the panic of one in Rust is no `Exception`
        reason = " ".join(str(error).split())
        told = f"{entry.name} could not be {done}: {type(error).__name__}"
        raise Unavailable(f"{told}: {reason}" if reason else told) from error


def import_engine(entry: ModelEntry) -> Any:
    """Import the entry's engine module; raises `Unavailable` or `CatalogueError` with one line that names the cause."""
    name = f"{PACKAGES[entry.kind]}.{entry.engine}"
    try:
        module = import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            raise CatalogueError(f"{entry.name}: engine: {entry.engine!r} is not an engine") from error
        raise Unavailable(f"{entry.name}: {explain_import(error, entry.requires)}") from error
    if not hasattr(module, "load"):
        raise CatalogueError(f"{entry.name}: engine: {entry.engine!r} is not an engine")
    return module


def with_parts(entry: ModelEntry, catalogue: Catalogue) -> list[ModelEntry]:
    """Return the entry and the models that it combines; raises `CatalogueError` if one of them cannot be a part."""
    parts: list[ModelEntry] = []
    for option in PART_OPTIONS.get(entry.engine, ()):
        if option in entry.options:
            part = catalogue.find(entry.options[option], entry.kind)
            if part.engine in PART_OPTIONS:
                raise CatalogueError(f"{entry.name}: {option}: {part.name!r} combines other models; name one of those")
            parts.append(part)
    return [entry, *parts]


def all_needs(entry: ModelEntry, catalogue: Catalogue, store: ModelStore) -> list[Need]:
    """Return what the entry and its parts lack; raises `CatalogueError` if a part is not in the catalogue."""
    return [need for part in with_parts(entry, catalogue) for need in needs(part, store)]


class EngineLoader:
    """Loads entries of a catalogue with their weights, API keys and parts. All methods block."""

    def __init__(
        self, catalogue: Catalogue, store: ModelStore, scheduler: Scheduler, report: Report = logger.info
    ) -> None:
        self.catalogue = catalogue
        self._store = store
        self._scheduler = scheduler
        self._report = report

    def needs(self, entry: ModelEntry) -> list[Need]:
        """Return what the entry and its parts lack; raises `CatalogueError`."""
        return all_needs(entry, self.catalogue, self._store)

    def load(self, entry: ModelEntry) -> Any:
        """Load a model, which may be one outside the catalogue; raises `Unavailable` with what is missing."""
        if lacking := self.needs(entry):
            raise Unavailable(f"{entry.name} cannot be loaded: {'; '.join(map(str, lacking))}")
        key = os.environ.get(entry.key_variable) if entry.key_variable else None

        def load_part(name: str) -> Any:
            return self.load(self.catalogue.find(name, entry.kind))

        files = self._store.locate(entry)
        return load_engine(entry, LoadContext(self._scheduler, files, key, self._report, load_part))
