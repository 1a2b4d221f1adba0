"""Reads the settings again while the server runs, and applies those that can change without a restart."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Self

from pydantic import ValidationError

from streamsrv.configuration.advice import advice
from streamsrv.configuration.reading import Configuration, ConfigurationError
from streamsrv.engines.catalogue import CatalogueError
from streamsrv.engines.loaded import Engines, LoadedModel
from streamsrv.engines.model_loader import close_models
from streamsrv.engines.startup import load_engines
from streamsrv.errors import EngineError
from streamsrv.observability.logging import set_log_level
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.supervisor import Supervisor

RESTART = frozenset(
    {
        "host", "port", "root_path", "only", "trusted_proxies", "secret_key",
        "model_folder", "voice_folder", "caption_folder", "inference_threads", "ledger",
        "webrtc_processes", "webrtc_hosts", "webrtc_public_addresses", "webrtc_ports", "sip_endpoint",
        "stun_server", "turn_server", "turn_username", "turn_password",
        "audiosocket_port", "audiosocket_host",
        "log_format", "tracing", "tracing_words",
    }
)  # fmt: skip
"""The settings that only a restart changes. All others apply to the sessions and requests that begin after a reload."""

MODELS = (
    "model",
    "accepted_licences",
    "vad",
    "recognizer",
    "recognizer_by_language",
    "recognizer_memory",
    "chat",
    "chat_policy",
    "chat_rule",
    "chat_urls",
    "chat_fallback",
    "chat_patience_ms",
    "synthesizer",
    "synthesizer_by_language",
    "synthesizer_patience_ms",
    "turn",
    "turn_words",
)
"""The settings that say which models run."""

logger = logging.getLogger(__name__)


class Reloader:
    """Applies changed settings to a running server, within its `async with` block.

    `read` reads the settings from where they came from at the start.
    """

    def __init__(self, service: Service, read: Callable[[], Configuration]) -> None:
        self._service = service
        self._read = read
        self._tasks = Supervisor()
        self._retired: list[LoadedModel] = []
        self._reloading: asyncio.Task[None] | None = None
        self._is_asked_again = False

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tasks.__aexit__()
        await close_models(self._retired)

    def request(self) -> None:
        """Reload soon. A request during a reload makes one more follow it."""
        if self._reloading is None or self._reloading.done():
            self._reloading = self._tasks.spawn(self._reload_while_asked(), "the reload of the settings")
        else:
            self._is_asked_again = True

    async def _reload_while_asked(self) -> None:
        self._is_asked_again = True
        while self._is_asked_again:
            self._is_asked_again = False
            await self.reload()

    async def reload(self) -> None:
        """Read the settings and apply them; keep all that are in force, and log why, if they are invalid."""
        before = self._service.settings
        try:
            configuration = await asyncio.to_thread(self._read)
            settings, needing_restart = _allowed(before, configuration)
        except ConfigurationError as error:
            for problem in error.problems:
                logger.error("the settings are not reloaded: %s", problem)
            return
        for warning in (*configuration.warnings, *advice(configuration, os.environ)):
            logger.warning("%s", warning)
        if needing_restart:
            named = ", ".join(f"{name} ({configuration.origin(name)})" for name in needing_restart)
            logger.warning("these settings change only when the server restarts: %s", named)
        engines = self._service.engines
        if any(getattr(settings, name) != getattr(before, name) for name in MODELS):
            try:
                engines = await load_engines(settings, lambda line: logger.info("%s", line), engines)
            except (EngineError, CatalogueError) as error:
                logger.error("the settings are not reloaded: %s", error)
                return
        self._retire(engines)
        self._service.apply(settings, engines)
        if settings.log_level != before.log_level:
            set_log_level(settings.log_level)
        changed = _changes(before, settings)
        logger.info("the settings are reloaded: %s", "; ".join(changed) or "nothing has changed")

    def _retire(self, engines: Engines) -> None:
        """Have the models that these engines lack closed when the last session or request that may use them ends."""
        retired = [held for held in self._service.engines.loaded if held not in engines.loaded]
        if not retired:
            return
        self._retired += retired

        def unused() -> None:
            self._tasks.spawn(self._close(retired), "the end of replaced models")

        self._service.admission.when_left(unused)

    async def _close(self, retired: Sequence[LoadedModel]) -> None:
        await close_models(retired)
        self._retired = [held for held in self._retired if held not in retired]
        logger.info("models that nothing uses any more are closed: %s", ", ".join(m.entries[0].name for m in retired))


def _allowed(before: Settings, configuration: Configuration) -> tuple[Settings, list[str]]:
    """Return the new settings without the changes that need a restart, and the names of those.

    Raises `ConfigurationError` if the new settings do not go together with those that cannot change.
    """
    after = configuration.settings
    needing_restart = sorted(name for name in RESTART if getattr(before, name) != getattr(after, name))
    kept = {name: getattr(before, name) for name in needing_restart}
    try:
        return Settings.model_validate(dict(after) | kept), needing_restart
    except ValidationError as error:
        names = ", ".join(needing_restart)
        problems = [f"{detail['msg']} ({names} cannot change before a restart)" for detail in error.errors()]
        raise ConfigurationError(problems) from error


def _changes(before: Settings, after: Settings) -> list[str]:
    """Return the name of each setting that has changed, and what that means where it is not obvious."""
    changed = [name for name in Settings.model_fields if getattr(before, name) != getattr(after, name)]
    return [_describe_keys(before, after) if name == "api_keys" else name for name in changed]


def _describe_keys(before: Settings, after: Settings) -> str:
    known, wanted = set(before.api_keys), set(after.api_keys)
    removed = f"{len(known - wanted)} removed: sessions that they opened go on" if known - wanted else "none removed"
    return f"api_keys ({len(wanted - known)} added, {removed})"
