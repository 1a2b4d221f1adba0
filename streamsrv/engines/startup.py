"""Loads and warms up the models that a server or a command needs, and reports the progress."""

import asyncio
import logging
import os
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from streamsrv.engines.absent import AbsentRecognizer, AbsentSynthesizer
from streamsrv.engines.asr.base import Recognizer
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.catalogue import DEFAULT_MODELS, Catalogue, Kind, ModelEntry, load_catalogue, with_urls
from streamsrv.engines.chat_models import ChatEntries, assemble
from streamsrv.engines.licences import with_accepted_licences
from streamsrv.engines.llm.base import ChatModel, Message
from streamsrv.engines.llm.context.fitted import FittedChatModel
from streamsrv.engines.llm.discovery import LOCAL_PATIENCE_MS, find_local_servers
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.llm.routing.latency import FirstTokens
from streamsrv.engines.loaded import Engines, LoadedModel
from streamsrv.engines.loading import EngineLoader, Report, with_parts
from streamsrv.engines.readiness.local_models import LocalModels, find_local_models, problems
from streamsrv.engines.readiness.machine import machine
from streamsrv.engines.readiness.needs import Need
from streamsrv.engines.readiness.probe import problem_of
from streamsrv.engines.readiness.remedy import explain, find_installer
from streamsrv.engines.recognizer_library import RecognizerLibrary
from streamsrv.engines.recognizer_pool import RecognizerPool
from streamsrv.engines.recognizers import Recognizers
from streamsrv.engines.selection import (
    AUTO,
    Selection,
    only_model,
    select_models,
    select_synthesizers,
    spare_synthesizer,
)
from streamsrv.engines.single import single_engines
from streamsrv.engines.tts.base import Synthesizer
from streamsrv.engines.tts.failover.synthesizer import FallbackSynthesizer
from streamsrv.engines.tts.languages import load_languages
from streamsrv.engines.tts.shaping.synthesizer import ShapedSynthesizer
from streamsrv.engines.turn.base import TurnModel
from streamsrv.engines.weights.store import ModelStore, UnreadableWeights
from streamsrv.errors import EngineError, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.settings import Settings
from streamsrv.text.voice_manners import VoiceManners

logger = logging.getLogger(__name__)

PULL_POLL_S = 0.3
"""Seconds between two looks whether another process still fetches weights."""

NO_TURN_MODEL = "the words alone decide whether a turn has ended"
NO_STAND_IN = "no language model stands in"
NO_SPARE_VOICE = "no other voice stands in"
NO_LOCAL_CHAT = (
    "chat_policy is 'local', but no language model runs on this machine: name one in chat or chat_fallback "
    "(streamsrv models lists them), or use another policy"
)
LIMITS = (NO_TURN_MODEL, NO_STAND_IN, NO_SPARE_VOICE)
"""How the reports begin that tell what a server does without."""


class Loader:
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
            with _named_refusal(entry):
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


async def load_engines(settings: Settings, report: Report, before: Engines | None = None) -> Engines:
    """Load all models of a server; the schedulers and the unchanged models of the engines `before` are used again.

    Raises `Unavailable` with everything that is missing or fails, or `CatalogueError`, which names the setting.
    """
    loader = Loader(settings, report, before)
    try:
        if (only := only_model(settings, loader.catalogue)) is not None:
            return await _load_only(loader, only, settings, report, before)
        return await _load_with(loader, settings, report, before)
    except BaseException:
        await loader.discard_new()
        raise


async def close_models(models: Iterable[LoadedModel]) -> None:
    """Free models that nothing uses any more."""
    for held in models:
        if hasattr(held.model, "aclose"):
            await held.model.aclose()


async def _load_only(
    loader: Loader, only: ModelEntry, settings: Settings, report: Report, before: Engines | None
) -> Engines:
    await loader.require([only])
    alone = settings.model_copy(update={"synthesizer": (only.name,), "synthesizer_by_language": {}})
    synthesizer = await load_synthesizer(loader, alone, report)
    return single_engines(
        synthesizer, loader.scheduler, _voice_activity(settings, before), loader.loaded, loader.breakers
    )


async def _load_with(loader: Loader, settings: Settings, report: Report, before: Engines | None) -> Engines:
    servers = await asyncio.to_thread(find_local_servers) if settings.chat == (AUTO,) else []
    local = await asyncio.to_thread(loader.find_local_models)
    selection = select_models(settings, loader.catalogue, os.environ, servers, local)
    report(selection.chat.reason)
    if len(selection.chat_candidates) > 1:
        names = ", ".join(entry.name for entry in selection.chat_candidates)
        report(f"Of {names} one answers each request, by the policy '{settings.chat_policy}'.")
    for obstacle in problems([*selection.chat_candidates, *selection.ruled_chats], local.machine):
        report(f"WARNING: {obstacle}.")
    turn = [selection.turn] if selection.turn is not None and selection.turn_is_optional else []
    await loader.require(selection.required, also=turn)
    loading = (
        loader.load_entry(selection.vad),
        _load_recognizers(loader, selection, settings, before),
        load_synthesizer(loader, settings, report),
        _load_turn_model(loader, selection, report),
        _load_chat_models(loader, selection, settings, report),
    )
    vad, recognizers, synthesizer, turn_model, (chat, by_name) = await _all_or_none(*loading)
    return Engines(
        vad=vad,
        recognizers=recognizers,
        chat=chat,
        synthesizer=synthesizer,
        scheduler=loader.scheduler,
        voice_activity=_voice_activity(settings, before),
        chat_by_name=by_name,
        successors={name: entry.successor for name, entry in loader.catalogue.items() if entry.successor},
        turn=turn_model,
        loaded=tuple(loader.loaded),
        breakers=loader.breakers,
        first_tokens=loader.first_tokens,
    )


def _voice_activity(settings: Settings, before: Engines | None) -> Scheduler:
    return before.voice_activity if before else voice_activity_scheduler(settings)


def voice_activity_scheduler(settings: Settings) -> Scheduler:
    """Make the scheduler for voice activity, with one thread.

    Its queue is never full, because a session has at most two jobs and a request has one.
    """
    return Scheduler(1, queue_limit=max_voice_activity_jobs(settings), name="voice-activity")


def max_voice_activity_jobs(settings: Settings) -> int:
    """Return how many jobs all sessions and requests can have waiting at once."""
    return 2 * settings.max_sessions + settings.max_requests


async def _all_or_none(*loading: Any) -> list[Any]:
    """Return all results. If some fail, raise `Unavailable` with all their reasons, or the first other exception."""
    results = await asyncio.gather(*loading, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if not failures:
        return results
    for failure in failures:
        if not isinstance(failure, EngineError):
            raise failure
    raise Unavailable("; ".join(dict.fromkeys(str(failure) for failure in failures))) from failures[0]


async def _load_recognizers(
    loader: Loader, selection: Selection, settings: Settings, before: Engines | None
) -> Recognizers:
    """Load the recognisers of the settings; find out which others clients may choose."""
    if not selection.recognizers[""]:
        return Recognizers([AbsentRecognizer()], loader.breakers)
    entries = {entry.name: entry for chain in selection.recognizers.values() for entry in chain}
    models = await _all_or_none(*(loader.load_entry(entry) for entry in entries.values()))
    loaded: dict[str, Recognizer] = dict(zip(entries, models, strict=True))
    chains = {code: [loaded[entry.name] for entry in chain] for code, chain in selection.recognizers.items()}
    kept = before.recognizers.library if before is not None else None
    pool = kept.pool if kept is not None else RecognizerPool()
    library = loader.library(pool, settings.recognizer_memory)
    await asyncio.to_thread(library.look)
    return Recognizers(chains.pop(""), loader.breakers, chains, library)


async def load_synthesizer(loader: Loader, settings: Settings, report: Report) -> Synthesizer:
    """Load the synthesisers of the settings as one; raises `Unavailable`, but not for what the spare one lacks."""
    chains, spare = select_synthesizers(settings, loader.catalogue), spare_synthesizer(settings, loader.catalogue)
    if not chains[""]:
        return AbsentSynthesizer()
    entries = {entry.name: entry for chain in chains.values() for entry in chain}
    models = await _all_or_none(*(loader.load_entry(entry) for entry in entries.values()))
    loaded: dict[str, Synthesizer] = dict(zip(entries, models, strict=True))
    behind: list[Synthesizer] = []
    if spare is not None and spare.name not in loaded:
        try:
            await loader.require([spare])
            behind.append(await loader.load_entry(spare))
        except EngineError as error:
            report(f"{NO_SPARE_VOICE}: {error}")
    by_language = {code: [loaded[entry.name] for entry in chain] for code, chain in chains.items()}
    patience_s = {"": settings.synthesizer_patience_ms / 1000}
    for entry in (*entries.values(), *([spare] if spare is not None else [])):
        if entry.patience_ms is not None:
            patience_s[entry.name] = entry.patience_ms / 1000
    synthesizer = FallbackSynthesizer(by_language, loader.breakers, behind, patience_s)
    await load_languages(synthesizer)
    return synthesizer


async def _load_turn_model(loader: Loader, selection: Selection, report: Report) -> TurnModel | None:
    if selection.turn is None:
        return None
    if not selection.turn_is_optional:
        return await loader.load_entry(selection.turn)
    try:
        return await loader.load_entry(selection.turn)
    except EngineError as error:
        report(f"{NO_TURN_MODEL}: {error}")
        return None


async def _load_chat_models(
    loader: Loader, selection: Selection, settings: Settings, report: Report
) -> tuple[ChatModel, Mapping[str, ChatModel]]:
    """Load the language models that answer, the one behind them, and all that clients may choose."""
    greeting = [Message("system", VoiceManners(settings.voice_preface).instructions(settings.instructions))]
    chosen = (*selection.chat_candidates, *selection.ruled_chats)
    models: dict[str, ChatModel] = {
        entry.name: await (loader.load_entry(entry, greeting) if entry.weights else loader.load_cold(entry))
        for entry in chosen
    }
    behind = selection.chat_fallback
    if behind is not None and (fallback := await _load_fallback(loader, selection, greeting, report)):
        models[behind.name] = fallback
    stand_ins = [behind] if behind is not None and behind.name in models else []
    others = [
        entry
        for entry in loader.catalogue.entries("chat")
        if not entry.weights and entry.name not in models and not loader.needs(entry)
    ]
    models |= {entry.name: await loader.load_cold(entry) for entry in others}
    entries = ChatEntries(selection.chat_candidates, selection.ruled_chats, stand_ins, others)
    chat, by_name = assemble(
        models,
        entries,
        loader.breakers,
        loader.first_tokens,
        policy=settings.chat_policy,
        rules=selection.chat_rules,
        patience_s=chat_patience_s(settings, (*loader.catalogue.entries("chat"), *chosen)),
    )
    if settings.chat_policy == "local" and not any(model.abilities.is_local for model in chat.models):
        raise Unavailable(NO_LOCAL_CHAT)
    checks = (_check_provider(chat, entry, selection, report) for entry in chosen if not entry.weights)
    await _all_or_none(*checks)
    return chat, by_name


def chat_patience_s(settings: Settings, entries: Iterable[ModelEntry]) -> dict[str, float]:
    """Return the patience with language models in seconds, see `Members`."""
    patience_s = {"": settings.chat_patience_ms / 1000}
    for entry in entries:
        own_ms = LOCAL_PATIENCE_MS if entry.weights and entry.patience_ms is None else entry.patience_ms
        if own_ms is not None:
            patience_s[entry.name] = own_ms / 1000
    return patience_s


async def _load_fallback(
    loader: Loader, selection: Selection, greeting: Sequence[Message], report: Report
) -> ChatModel | None:
    entry = selection.chat_fallback
    assert entry is not None
    try:
        if selection.fallback_is_optional:
            await loader.require([entry])
        return await loader.load_entry(entry, greeting)
    except EngineError as error:
        if not selection.fallback_is_optional:
            raise
        report(f"{NO_STAND_IN} when {selection.chat.entry.name} fails: {error}")
        return None


async def _check_provider(chat: FallbackChatModel, entry: ModelEntry, selection: Selection, report: Report) -> None:
    """Ask the provider of a model whether it answers; raises `Unavailable` if a server makes no sense then."""
    names = [model.name for model in chat.models]
    others = [name for name in names if name != entry.name]
    try:
        await chat.check(names.index(entry.name))
    except EngineError as error:
        reason = f"{str(error).removeprefix(f'{entry.name}: ').rstrip('.')}."
        consequence = f"{others[0]} answers in its place, and says so" if others else "requests get its error"
        if not (isinstance(error, Unavailable) and error.refuses_key):
            report(f"{entry.name} does not answer: {reason} Until it does, {consequence}.")
            return
        refusal = f"{entry.name} {_refusal(entry)}: {reason}"
        if selection.chat.is_configured or not others:
            raise Unavailable(refusal) from error
        logger.error("%s Until this is mended, %s.", refusal, consequence)
        report(f"WARNING: {refusal} Until this is mended, {consequence}.")


@contextmanager
def _named_refusal(entry: ModelEntry) -> Generator[None]:
    """Name the variable of a key that the model's provider refuses."""
    try:
        yield
    except Unavailable as error:
        if not error.refuses_key:
            raise
        reason = str(error).removeprefix(f"{entry.name}: ")
        raise Unavailable(f"{entry.name} {_refusal(entry)}: {reason}", refuses_key=True) from error


def _refusal(entry: ModelEntry) -> str:
    if entry.key_is_optional and not os.environ.get(entry.key_variable):
        return f"wants a key (set {entry.key_variable})"
    if entry.key_variable:
        return f"refuses the key in {entry.key_variable}"
    return "wants a key (set OPENAI_API_KEY for OPENAI_BASE_URL, or key_variable in a [[model]])"
