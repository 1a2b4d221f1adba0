"""Loads and warms up models of the catalogue, and uses those again that are loaded already."""

import asyncio
import logging
import os
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from streamsrv.engines.boundary import engine_call
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.catalogue import DEFAULT_MODELS, Catalogue, Kind, ModelEntry, load_catalogue, with_urls
from streamsrv.engines.licences import with_accepted_licences
from streamsrv.engines.llm.context.fitted import FittedChatModel
from streamsrv.engines.llm.routing.latency import FirstTokens
from streamsrv.engines.loaded import Engines, LoadedModel
from streamsrv.engines.loading import EngineLoader, Report, failures_told, with_parts
from streamsrv.engines.readiness.local_models import LocalModels, find_local_models
from streamsrv.engines.readiness.machine import machine
from streamsrv.engines.readiness.needs import Need
from streamsrv.engines.readiness.probe import problem_of
from streamsrv.engines.readiness.remedy import explain, find_installer
from streamsrv.engines.recognizer_library import RecognizerLibrary
from streamsrv.engines.recognizer_pool import RecognizerPool
from streamsrv.engines.tts.shaping.synthesizer import ShapedSynthesizer
from streamsrv.engines.weights.store import ModelStore, UnreadableWeights
from streamsrv.errors import EngineError, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.settings import Settings

logger = logging.getLogger(__name__)

PULL_POLL_S = 0.3
"""Seconds between two looks whether another process still fetches weights."""


class ModelLoader:
    """Loads catalogue entries that run on one scheduler.

    With the engines `before`, it uses their scheduler, and those of their models whose entries have not changed.
    """

    def __init__(self, settings: Settings, report: Report, before: Engines | None = None) -> None:
        self.catalogue: Catalogue = with_accepted_licences(
            with_urls(load_catalogue(settings.model), settings.chat_urls), settings.accepted_licences
        )
        self.scheduler = before.scheduler if before else Scheduler(settings.inference_threads)
        self.breakers = before.breakers if before else Breakers(time.monotonic)
        self.first_tokens = before.first_tokens if before else FirstTokens()
        self.loaded: list[LoadedModel] = []
        self._before = before.loaded if before else ()
        self._store = ModelStore(settings.model_folder)
        self._engines = EngineLoader(self.catalogue, self._store, self.scheduler, report)
        self._report = report

    def needs(self, entry: ModelEntry) -> list[Need]:
        """Return what the entry and its parts lack."""
        return self._engines.needs(entry)

    def find_local_models(self) -> LocalModels:
        """Return the language models that this machine could run itself. Blocks."""
        return find_local_models(self.catalogue, self._store, machine())

    async def require(self, entries: Sequence[ModelEntry], also: Sequence[ModelEntry] = ()) -> None:
        """Check that the entries can be loaded; raises `Unavailable` with all that they lack and the remedy.

        The remedy includes what `also` lacks. Waits while another process fetches weights.
        """
        has_said = False
        while True:
            is_being_pulled = self._store.is_being_pulled()
            lacking = await asyncio.to_thread(self._lacking, entries)
            if not lacking:
                await asyncio.to_thread(self._import, entries)
                return
            if not is_being_pulled or not any(need.model for needs in lacking.values() for need in needs):
                break
            if not has_said:
                self._report(f"waiting for another process that fetches weights into {self._store.folder} ...")
                has_said = True
            await asyncio.sleep(PULL_POLL_S)
        lacking |= await asyncio.to_thread(self._lacking, also)
        raise Unavailable(explain(lacking, self._store.folder, unpulled=self._unpulled(), installer=find_installer()))

    async def load(self, name: str, kind: Kind) -> Any:
        """Load and warm up the model of that name; raises `Unavailable` with what is missing, or `CatalogueError`."""
        entry = self.catalogue.find(name, kind)
        await self.require([entry])
        return await self.load_entry(entry)

    async def load_entry(self, entry: ModelEntry, *warm_with: Any) -> Any:
        """Load and warm up a model, which may be one outside the catalogue; `warm_with` goes to its `warm_up`."""
        if (held := self._reuse(entry)) is not None:
            return held
        started = time.monotonic()
        engine = await self.load_cold(entry)
        if hasattr(engine, "warm_up"):
            with _named_refusal(entry), failures_told(entry, "warmed up"):
                await engine.warm_up(*warm_with)
        self._report(f"{entry.kind:<12} {entry.name} ready in {time.monotonic() - started:.1f} s")
        return engine

    async def load_cold(self, entry: ModelEntry) -> Any:
        """Load a model without warming it up."""
        if (held := self._reuse(entry)) is not None:
            return held
        model: Any = await asyncio.to_thread(self._engines.load, entry)
        if entry.kind == "chat":
            model = FittedChatModel(model)
        elif entry.kind == "synthesizer":
            model = ShapedSynthesizer(model, measures=entry.hardware != "remote")
        self.breakers.renew(entry.kind, entry.name)
        self.loaded.append(LoadedModel(tuple(with_parts(entry, self.catalogue)), model))
        return model

    def library(self, pool: RecognizerPool, memory: int) -> RecognizerLibrary:
        """Return the recognisers that may be loaded later, into `pool`, which may take so many bytes of memory."""
        return RecognizerLibrary(self._engines, self._store, pool, memory)

    async def discard_new(self) -> None:
        """Free the models that were loaded here."""
        await close_models([held for held in self.loaded if held not in self._before])

    def _reuse(self, entry: ModelEntry) -> Any:
        """Return the model that is loaded from an equal entry with equal parts; None: there is none."""
        entries = tuple(with_parts(entry, self.catalogue))
        for held in (*self.loaded, *self._before):
            if held.entries == entries:
                self.loaded += [held] if held not in self.loaded else []
                return held.model
        return None

    def _lacking(self, entries: Sequence[ModelEntry]) -> dict[str, list[Need]]:
        found = {entry.name: self.needs(entry) for entry in entries}
        return {name: needs for name, needs in found.items() if needs}

    def _import(self, entries: Sequence[ModelEntry]) -> None:
        """Import the engines of all entries and check their options, which takes less time than to load one of them."""
        parts = {part.name: part for entry in entries for part in with_parts(entry, self.catalogue)}
        if problems := [problem for part in parts.values() if (problem := problem_of(part, in_server=True))]:
            raise Unavailable("; ".join(problems))

    def _unpulled(self) -> list[str]:
        """Return the default models without their weights."""
        names: list[str] = []
        for name in DEFAULT_MODELS.values():
            try:
                names += [name] if self._store.missing(self.catalogue[name]) else []
            except UnreadableWeights:
                logger.debug("the weights of %s cannot be read", name)
        return names


async def close_models(models: Iterable[LoadedModel]) -> None:
    """Free models that nothing uses any more. One that cannot be freed keeps no other one from it."""
    for held in models:
        if hasattr(held.model, "aclose"):
            with suppress(EngineError), engine_call(f"end of {held.entries[0].name}"):
                await held.model.aclose()


@contextmanager
def _named_refusal(entry: ModelEntry) -> Generator[None]:
    """Name the variable of a key that the model's provider refuses."""
    try:
        yield
    except Unavailable as error:
        if not error.refuses_key:
            raise
        reason = str(error).removeprefix(f"{entry.name}: ")
        raise Unavailable(f"{entry.name} {refusal(entry)}: {reason}", refuses_key=True) from error


def refusal(entry: ModelEntry) -> str:
    """Say in which variable the key is that the model's provider refuses, or wants."""
    if entry.key_is_optional and not os.environ.get(entry.key_variable):
        return f"wants a key (set {entry.key_variable})"
    if entry.key_variable:
        return f"refuses the key in {entry.key_variable}"
    return "wants a key (set OPENAI_API_KEY for OPENAI_BASE_URL, or key_variable in a [[model]])"
