"""The recognisers of the catalogue that clients may choose, and what is known of each before it is loaded."""

import asyncio
import logging
import os
import sys
from collections.abc import Collection, Hashable, Sequence
from functools import partial
from pathlib import Path

from rich.filesize import decimal

from streamsrv.engines.asr.base import Abilities, Recognizer, RecognizerFacts
from streamsrv.engines.asr.on_demand import OnDemandRecognizer
from streamsrv.engines.catalogue import PACKAGES, Catalogue, CatalogueError, ModelEntry
from streamsrv.engines.loading import EngineLoader, with_parts
from streamsrv.engines.observer import IGNORED, EngineObserver, Observable
from streamsrv.engines.readiness.needs import Need, is_installed
from streamsrv.engines.readiness.probe import find_problems
from streamsrv.engines.recognizer_pool import RecognizerPool
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable

logger = logging.getLogger(__name__)

SEE_LOG = "the server's log says why"
"""What a client is told of a reason with details that are not for clients."""


class RecognizerLibrary:
    """The recognisers of a catalogue. `loader` loads them into `pool`, which may take `memory` bytes.

    The pool may be that of a library before this one: models whose entries have not changed are used again.
    """

    def __init__(self, loader: EngineLoader, store: ModelStore, pool: RecognizerPool, memory: int) -> None:
        self.pool = pool
        self._memory = memory
        self.retired: dict[str, str] = {}
        """The names of models that have a successor, with its name."""
        self.other_models: dict[str, str] = {}
        """The kinds of the models that are no recognisers, by name."""
        self._catalogue: Catalogue = loader.catalogue
        self._loader = loader
        self._store = store
        self._entries: dict[str, ModelEntry] = {}
        self._lacks: dict[str, str] = {}
        self._looked_at: dict[str, Hashable] = {}
        self._observer: EngineObserver = IGNORED
        for entry in self._catalogue.values():
            if entry.kind != "recognizer":
                self.other_models[entry.name] = entry.kind
            elif entry.successor:
                self.retired[entry.name] = entry.successor
            else:
                self._entries[entry.name] = entry
        self._keys = {name: _key(entry, self._catalogue) for name, entry in self._entries.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> OnDemandRecognizer:
        """Return the recogniser of that name, the same one each time."""
        entry = self._entries[name]
        stated, load = stated_abilities(entry), partial(self._load, entry)
        return self.pool.recognizer(self._keys[name], name, stated, memory_of(entry), load)

    @property
    def names(self) -> Sequence[str]:
        """The names of the recognisers."""
        return tuple(self._entries)

    def entries(self, name: str) -> Sequence[ModelEntry]:
        """Return what the catalogue states about a recogniser, and then about its parts."""
        try:
            return with_parts(self._entries[name], self._catalogue)
        except CatalogueError:
            return [self._entries[name]]

    def facts(self, name: str) -> RecognizerFacts:
        """Return what is known of a recogniser now."""
        is_local = self._entries[name].hardware != "remote"
        return RecognizerFacts(self[name].abilities, self._lacks.get(name, ""), is_local)

    def observe(self, observer: EngineObserver) -> None:
        """Let the models that are loaded from now on report to `observer`."""
        self._observer = observer

    def look(self) -> None:
        """Find out what each recogniser lacks. Blocks; may run on another thread."""
        for name, entry in self._entries.items():
            try:
                parts = with_parts(entry, self._catalogue)
                state = tuple(self._state(part) for part in parts)
                if self._looked_at.get(name) != state:
                    self._lacks[name] = self._lacking(entry)
                    self._looked_at[name] = state
            except (CatalogueError, OSError) as error:
                logger.warning("the speech recogniser %s cannot be used: %s", name, error)
                self._lacks[name] = SEE_LOG

    def take_over(self, loaded: Collection[str]) -> None:
        """Use the pool from now on: models leave it that are not in this catalogue, or that are `loaded` elsewhere."""
        self.pool.memory = self._memory
        self.pool.keep([key for name, key in self._keys.items() if name not in loaded])

    def _state(self, entry: ModelEntry) -> Hashable:
        """What decides whether the entry is ready: its packages, its files, its key."""
        files = [_stat(self._store.folder / entry.folder / file.name) for file in entry.weights]
        has_key = not entry.key_variable or bool(os.environ.get(entry.key_variable))
        return (tuple(map(is_installed, entry.requires)), tuple(files), has_key)

    def _lacking(self, entry: ModelEntry) -> str:
        if (memory := memory_of(entry)) > self._memory:
            return (
                f"it takes about {decimal(memory)} of memory, and the setting recognizer_memory allows "
                f"{decimal(self._memory)}"
            )
        needs = self._loader.needs(entry)
        for need in needs:
            level = logging.DEBUG if _is_for_clients(need) else logging.WARNING
            logger.log(level, "the speech recogniser %s cannot be used: %s", entry.name, need)
        return "; ".join(dict.fromkeys(need.remedy if _is_for_clients(need) else SEE_LOG for need in needs))

    async def _load(self, entry: ModelEntry) -> Recognizer:
        """Load and warm up a model; its packages are tried in another process before."""
        model: Recognizer = await asyncio.to_thread(self._load_safely, entry)
        if isinstance(model, Observable):
            model.observe(self._observer)
        await model.warm_up()
        return model

    def _load_safely(self, entry: ModelEntry) -> Recognizer:
        parts = with_parts(entry, self._catalogue)
        if not all(map(_is_imported, parts)) and (problems := find_problems(parts)):
            raise Unavailable("; ".join(problems.values()))
        return self._loader.load(entry)


def stated_abilities(entry: ModelEntry) -> Abilities:
    """Return what the catalogue says that a recogniser can do."""
    return Abilities(frozenset(entry.languages), **dict.fromkeys(entry.abilities, True))


def memory_of(entry: ModelEntry) -> int:
    """Return about how many bytes of memory a model takes: what the catalogue says, else the size of its weights."""
    return entry.memory or entry.size


def _key(entry: ModelEntry, catalogue: Catalogue) -> str:
    """Return what two entries share that make the same model."""
    try:
        return repr(with_parts(entry, catalogue))
    except CatalogueError:
        return repr(entry)


def _is_for_clients(need: Need) -> bool:
    """Whether a client may be told what mends it: not the paths of files that cannot be read."""
    return bool(need.packages or need.model) or need.what in ("key", "gpu", "licence")


def _stat(path: Path) -> Hashable:
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    return (status.st_size, status.st_mtime_ns)


def _is_imported(entry: ModelEntry) -> bool:
    engine = f"{PACKAGES[entry.kind]}.{entry.engine}"
    return all(module in sys.modules for module in (engine, *entry.requires))
