"""Loads and warms up the models that a server or a command needs, and reports the progress."""

import asyncio
import os
import time
from typing import Any

from streamsrv.config import Settings
from streamsrv.engines.absent import ABSENT, AbsentRecognizer, AbsentSynthesizer
from streamsrv.engines.catalogue import DEFAULT_MODELS, OPTIONAL_MODELS, Catalogue, Kind, ModelEntry, load_catalogue
from streamsrv.engines.fallback import FallbackChatModel
from streamsrv.engines.llm.base import ChatModel, Message
from streamsrv.engines.llm.discovery import choose_chat_model, find_local_servers
from streamsrv.engines.loaded import Engines
from streamsrv.engines.loading import EngineLoader, Report
from streamsrv.engines.turn.base import TurnModel
from streamsrv.engines.weights import ModelStore
from streamsrv.errors import EngineError
from streamsrv.inference.scheduler import Scheduler


class Loader:
    """Loads catalogue entries that run on one scheduler."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self.catalogue: Catalogue = load_catalogue(settings.model)
        self.scheduler = Scheduler(settings.inference_threads)
        self._engines = EngineLoader(self.catalogue, ModelStore(settings.model_folder), self.scheduler, report)
        self._report = report

    def is_ready(self, entry: ModelEntry) -> bool:
        """Whether the entry can be loaded."""
        return not self._engines.needs(entry)

    async def load(self, name: str, kind: Kind) -> Any:
        """Load and warm up the model of that name; raises `Unavailable` with what is missing, or `CatalogueError`."""
        return await self.load_entry(self.catalogue.find(name, kind))

    async def load_entry(self, entry: ModelEntry, *warm_with: Any) -> Any:
        """Load and warm up a model, which may be one outside the catalogue; `warm_with` goes to its `warm_up`."""
        started = time.monotonic()
        engine = await self.load_cold(entry)
        if hasattr(engine, "warm_up"):
            await engine.warm_up(*warm_with)
        self._report(f"{entry.kind:<12} {entry.name} ready in {time.monotonic() - started:.1f} s")
        return engine

    async def load_cold(self, entry: ModelEntry) -> Any:
        """Load a model without warming it up."""
        return await asyncio.to_thread(self._engines.load, entry)


async def load_engines(settings: Settings, report: Report) -> Engines:
    """Load all models of a server. Raises `Unavailable` with what is missing, or `CatalogueError`."""
    loader = Loader(settings, report)
    vad, recognizer, synthesizer, turn, (chat, by_name) = await asyncio.gather(
        loader.load(settings.vad, "vad"),
        _if_wanted(loader, settings.recognizer, "recognizer", AbsentRecognizer()),
        _if_wanted(loader, settings.synthesizer, "synthesizer", AbsentSynthesizer()),
        _load_turn_model(loader, settings.turn, report),
        _load_chat_models(loader, settings, report),
    )
    return Engines(
        vad=vad,
        recognizer=recognizer,
        chat=chat,
        synthesizer=synthesizer,
        scheduler=loader.scheduler,
        voice_activity=voice_activity_scheduler(settings),
        chat_by_name=by_name,
        turn=turn,
    )


def voice_activity_scheduler(settings: Settings) -> Scheduler:
    """Make the scheduler for voice activity, with one thread.

    Its queue is never full, because a session has at most two jobs and a request has one.
    """
    return Scheduler(1, queue_limit=2 * settings.max_sessions + settings.max_requests, name="voice-activity")


async def _if_wanted(loader: Loader, name: str, kind: Kind, absent: Any) -> Any:
    return absent if name == ABSENT else await loader.load(name, kind)


async def _load_turn_model(loader: Loader, setting: str, report: Report) -> TurnModel | None:
    if setting == ABSENT:
        return None
    if setting != "auto":
        return await loader.load(setting, "turn")
    entry = loader.catalogue[OPTIONAL_MODELS["turn"]]
    try:
        return await loader.load_entry(entry)
    except EngineError as error:
        report(f"the words alone decide whether a turn has ended: {error}")
        return None


async def _load_chat_models(
    loader: Loader, settings: Settings, report: Report
) -> tuple[ChatModel, dict[str, ChatModel]]:
    """Load the default chat model, with the embedded one as its fallback, and all that clients may choose."""
    entries = loader.catalogue.entries("chat")
    chosen = "" if settings.chat == "auto" else settings.chat
    servers = [] if chosen else await asyncio.to_thread(find_local_servers)
    choice = choose_chat_model(entries, os.environ, servers, setting=chosen)
    report(choice.reason)
    models: dict[str, ChatModel] = {}
    embedded = loader.catalogue[DEFAULT_MODELS["chat"]]
    if choice.entry == embedded or loader.is_ready(embedded):
        models[embedded.name] = await loader.load_entry(embedded, [Message("system", settings.instructions)])
    remote = [entry for entry in entries if entry.key_variable and loader.is_ready(entry)]
    for entry in (choice.entry, *remote):
        if entry.name not in models:
            models[entry.name] = await loader.load_cold(entry)
    chat = models[choice.entry.name]
    if choice.entry == embedded:
        return chat, models
    try:
        await chat.warm_up()
    except EngineError as error:
        report(f"{choice.entry.name} does not answer: {error}")
    fallback = FallbackChatModel([chat, *(models[name] for name in [embedded.name] if name in models)])
    return fallback, models | {fallback.name: fallback}
