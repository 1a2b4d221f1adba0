"""Loads the models of a server by its settings, and reports the progress."""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streamsrv.engines.absent import AbsentRecognizer, AbsentSynthesizer
from streamsrv.engines.asr.base import Recognizer
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.chat_models import ChatEntries, assemble
from streamsrv.engines.llm.base import ChatModel, Message
from streamsrv.engines.llm.discovery import LOCAL_PATIENCE_MS, find_local_servers
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.loaded import Engines
from streamsrv.engines.loading import Report
from streamsrv.engines.model_loader import ModelLoader, refusal
from streamsrv.engines.readiness.local_models import problems
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
from streamsrv.engines.turn.base import is_streaming
from streamsrv.errors import EngineError, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.settings import Settings
from streamsrv.text.voice_manners import VoiceManners

logger = logging.getLogger(__name__)

NO_TURN_MODEL = "the words alone decide whether a turn has ended"
NO_WORDS_MODEL = "the sound alone decides whether a turn has ended"
NO_STAND_IN = "no language model stands in"
NO_SPARE_VOICE = "no other voice stands in"
NO_LOCAL_CHAT = (
    "chat_policy is 'local', but no language model runs on this machine: name one in chat or chat_fallback "
    "(streamsrv models lists them), or use another policy"
)
LIMITS = (NO_TURN_MODEL, NO_WORDS_MODEL, NO_STAND_IN, NO_SPARE_VOICE)
"""How the reports begin that tell what a server does without."""


async def load_engines(settings: Settings, report: Report, before: Engines | None = None) -> Engines:
    """Load all models of a server; the schedulers and the unchanged models of the engines `before` are used again.

    Raises `Unavailable` with everything that is missing or fails, or `CatalogueError`, which names the setting.
    """
    loader = ModelLoader(settings, report, before)
    try:
        if (only := only_model(settings, loader.catalogue)) is not None:
            return await _load_only(loader, only, settings, report, before)
        return await _load_with(loader, settings, report, before)
    except BaseException:
        await loader.discard_new()
        raise


async def _load_only(
    loader: ModelLoader, only: ModelEntry, settings: Settings, report: Report, before: Engines | None
) -> Engines:
    await loader.require([only])
    alone = settings.model_copy(update={"synthesizer": (only.name,), "synthesizer_by_language": {}})
    synthesizer = await load_synthesizer(loader, alone, report)
    return single_engines(
        synthesizer, loader.scheduler, _voice_activity(settings, before), loader.loaded, loader.breakers
    )


async def _load_with(loader: ModelLoader, settings: Settings, report: Report, before: Engines | None) -> Engines:
    servers = await asyncio.to_thread(find_local_servers) if settings.chat == (AUTO,) else []
    local = await asyncio.to_thread(loader.find_local_models)
    selection = select_models(settings, loader.catalogue, os.environ, servers, local)
    report(selection.chat.reason)
    if len(selection.chat_candidates) > 1:
        names = ", ".join(entry.name for entry in selection.chat_candidates)
        report(f"Of {names} one answers each request, by the policy '{settings.chat_policy}'.")
    for obstacle in problems([*selection.chat_candidates, *selection.ruled_chats], local.machine):
        report(f"WARNING: {obstacle}.")
    turn = [entry for entry in selection.optional if entry.kind == "turn"]
    await loader.require(selection.required, also=turn)
    loading = (
        loader.load_entry(selection.vad),
        _load_recognizers(loader, selection, settings, before),
        load_synthesizer(loader, settings, report),
        _load_turn_model(loader, selection.turn, selection, report, NO_TURN_MODEL),
        _load_turn_model(loader, selection.turn_words, selection, report, NO_WORDS_MODEL),
        _load_chat_models(loader, selection, settings, report),
    )
    vad, recognizers, synthesizer, turn_model, turn_words, (chat, by_name) = await _all_or_none(*loading)
    return Engines(
        vad=vad,
        recognizers=recognizers,
        chat=chat,
        synthesizer=synthesizer,
        scheduler=loader.scheduler,
        voice_activity=_voice_activity(settings, before),
        chat_by_name=by_name,
        successors={name: entry.successor for name, entry in loader.catalogue.items() if entry.successor},
        turn=None if turn_model is None or is_streaming(turn_model) else turn_model,
        turn_stream=turn_model if turn_model is not None and is_streaming(turn_model) else None,
        turn_words=turn_words,
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
    loader: ModelLoader, selection: Selection, settings: Settings, before: Engines | None
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


async def load_synthesizer(loader: ModelLoader, settings: Settings, report: Report) -> Synthesizer:
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


async def _load_turn_model(
    loader: ModelLoader, entry: ModelEntry | None, selection: Selection, report: Report, without: str
) -> Any:
    """Load an end-of-turn model; report `without`, and return None, if the server does without it."""
    if entry is None:
        return None
    try:
        return await loader.load_entry(entry)
    except EngineError as error:
        if entry not in selection.optional:
            raise
        report(f"{without}: {error}")
        return None


async def _load_chat_models(
    loader: ModelLoader, selection: Selection, settings: Settings, report: Report
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
    loader: ModelLoader, selection: Selection, greeting: Sequence[Message], report: Report
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
        told = f"{entry.name} {refusal(entry)}: {reason}"
        if selection.chat.is_configured or not others:
            raise Unavailable(told) from error
        logger.error("%s Until this is mended, %s.", told, consequence)
        report(f"WARNING: {told} Until this is mended, {consequence}.")
