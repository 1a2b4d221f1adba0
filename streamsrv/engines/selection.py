"""Chooses the models that the settings ask for, before anything is loaded. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamsrv.engines.absent import ABSENT
from streamsrv.engines.catalogue import DEFAULT_MODELS, OPTIONAL_MODELS, Catalogue, CatalogueError, Kind, ModelEntry
from streamsrv.engines.llm.discovery import Choice, LocalServer, choose_chat_model
from streamsrv.settings import Settings

AUTO = "auto"
"""The value of a setting that leaves the choice of a model to the server."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The models of a server. None: the stage is turned off."""

    vad: ModelEntry
    recognizer: ModelEntry | None
    synthesizer: ModelEntry | None
    turn: ModelEntry | None
    chat: Choice
    chat_fallback: ModelEntry | None
    """Answers when the chosen model cannot; None also if that is the fallback itself."""
    turn_is_optional: bool
    fallback_is_optional: bool

    @property
    def required(self) -> list[ModelEntry]:
        """The models without which the server does not start."""
        optional = [self.turn] * self.turn_is_optional + [self.chat_fallback] * self.fallback_is_optional
        return [entry for entry in self._all if entry not in optional]

    @property
    def optional(self) -> list[ModelEntry]:
        """The models that the server uses if it can."""
        required = self.required
        return [entry for entry in self._all if entry not in required]

    @property
    def _all(self) -> list[ModelEntry]:
        stages = (self.vad, self.recognizer, self.synthesizer, self.turn, self.chat.entry, self.chat_fallback)
        return list({entry.name: entry for entry in stages if entry is not None}.values())


def select_models(
    settings: Settings, catalogue: Catalogue, environ: Mapping[str, str], servers: Sequence[LocalServer] = ()
) -> Selection:
    """Return the models of a server with these settings; `servers` are the language-model servers on this machine.

    Raises `CatalogueError`, which names the setting.
    """
    chosen = "" if settings.chat == AUTO else settings.chat
    if chosen:
        _find(catalogue, "chat", chosen, "chat")
    choice = choose_chat_model(catalogue.entries("chat"), environ, servers, setting=chosen)
    fallback = _or_default(catalogue, "chat_fallback", settings.chat_fallback, DEFAULT_MODELS["chat"], "chat")
    return Selection(
        vad=_find(catalogue, "vad", settings.vad, "vad"),
        recognizer=_optional(catalogue, "recognizer", settings.recognizer, "recognizer"),
        synthesizer=_optional(catalogue, "synthesizer", settings.synthesizer, "synthesizer"),
        turn=_or_default(catalogue, "turn", settings.turn, OPTIONAL_MODELS.get("turn", ABSENT), "turn"),
        chat=choice,
        chat_fallback=None if fallback == choice.entry else fallback,
        turn_is_optional=settings.turn == AUTO,
        fallback_is_optional=settings.chat_fallback == AUTO,
    )


def _or_default(catalogue: Catalogue, setting: str, name: str, default: str, kind: Kind) -> ModelEntry | None:
    return _optional(catalogue, setting, default if name == AUTO else name, kind)


def _optional(catalogue: Catalogue, setting: str, name: str, kind: Kind) -> ModelEntry | None:
    return None if name == ABSENT else _find(catalogue, setting, name, kind)


def _find(catalogue: Catalogue, setting: str, name: str, kind: Kind) -> ModelEntry:
    try:
        return catalogue.find(name, kind)
    except CatalogueError as error:
        raise CatalogueError(f"{setting}: {error}") from error
