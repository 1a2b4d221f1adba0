"""Chooses the models that the settings ask for, before anything is loaded. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamsrv.engines.absent import ABSENT
from streamsrv.engines.catalogue import DEFAULT_MODELS, OPTIONAL_MODELS, Catalogue, CatalogueError, Kind, ModelEntry
from streamsrv.engines.llm.discovery import Choice, LocalServer, choose_chat_model
from streamsrv.engines.llm.routing.policy import Rule
from streamsrv.engines.llm.routing.rules import read_rules
from streamsrv.engines.readiness.local_models import LocalModels
from streamsrv.settings import Settings
from streamsrv.text.languages import LANGUAGE_NAMES

AUTO = "auto"
"""The value of a setting that leaves the choice of a model to the server."""
SPARE_SYNTHESIZER = "espeak"
"""The synthesiser for every language, a command of the system."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The models of a server. None: the stage is turned off."""

    vad: ModelEntry
    recognizers: Mapping[str, Sequence[ModelEntry]]
    """By ISO 639-1 code the recognisers that take each other's place in this order; "": of all other languages."""
    synthesizers: Mapping[str, Sequence[ModelEntry]]
    """By ISO 639-1 code the synthesisers that take each other's place in this order; "": of all other languages."""
    spare_synthesizer: ModelEntry | None
    """Speaks where no other synthesiser can; a server starts without it."""
    turn: ModelEntry | None
    """The end-of-turn model that hears."""
    turn_words: ModelEntry | None
    """The end-of-turn model that judges words."""
    chat: Choice
    """The first of the language models that answer, and why it was chosen."""
    chat_candidates: Sequence[ModelEntry]
    """The language models of which one answers each request, that one first."""
    chat_rules: Sequence[Rule]
    ruled_chats: Sequence[ModelEntry]
    """Language models that only the rules name."""
    chat_fallback: ModelEntry | None
    """Answers when the chosen model cannot; None also if that is the fallback itself."""
    turn_is_optional: bool
    turn_words_is_optional: bool
    fallback_is_optional: bool

    @property
    def required(self) -> list[ModelEntry]:
        """The models without which the server does not start."""
        optional = [self.turn] * self.turn_is_optional + [self.chat_fallback] * self.fallback_is_optional
        optional += [self.turn_words] * self.turn_words_is_optional
        optional.append(self.spare_synthesizer)
        return [entry for entry in self._all if entry not in optional]

    @property
    def optional(self) -> list[ModelEntry]:
        """The models that the server uses if it can."""
        required = self.required
        return [entry for entry in self._all if entry not in required]

    @property
    def _all(self) -> list[ModelEntry]:
        recognizers = (entry for chain in self.recognizers.values() for entry in chain)
        chats = (*self.chat_candidates, *self.ruled_chats, self.chat_fallback)
        synthesizers = (entry for chain in self.synthesizers.values() for entry in chain)
        others = (*synthesizers, self.spare_synthesizer, self.turn, self.turn_words, *chats)
        return list({entry.name: entry for entry in (self.vad, *recognizers, *others) if entry is not None}.values())


def select_models(
    settings: Settings,
    catalogue: Catalogue,
    environ: Mapping[str, str],
    servers: Sequence[LocalServer] = (),
    local: LocalModels | None = None,
) -> Selection:
    """Return the models of a server with these settings.

    `servers` are the language-model servers on this machine, `local` the models that it could run itself.

    Raises `CatalogueError`, which names the setting.
    """
    named = [] if settings.chat == (AUTO,) else [_find(catalogue, "chat", name, "chat") for name in settings.chat]
    setting = named[0].name if named else ""
    choice = choose_chat_model(catalogue.entries("chat"), environ, servers, setting=setting, local=local)
    candidates = list({entry.name: entry for entry in (choice.entry, *named)}.values())
    rules = _rules(settings, catalogue)
    ruled = {name: catalogue.find(name, "chat") for rule in rules for name in rule.models}
    fallback = _or_default(catalogue, "chat_fallback", settings.chat_fallback, DEFAULT_MODELS["chat"], "chat")
    return Selection(
        vad=_find(catalogue, "vad", settings.vad, "vad"),
        recognizers=select_recognizers(settings, catalogue),
        synthesizers=select_synthesizers(settings, catalogue),
        spare_synthesizer=spare_synthesizer(settings, catalogue),
        turn=_turn_model(catalogue, "turn", settings.turn),
        turn_words=_turn_model(catalogue, "turn_words", settings.turn_words),
        chat=choice,
        chat_candidates=candidates,
        chat_rules=rules,
        ruled_chats=[entry for entry in ruled.values() if entry not in candidates],
        chat_fallback=None if fallback in candidates else fallback,
        turn_is_optional=settings.turn == AUTO,
        turn_words_is_optional=settings.turn_words == AUTO,
        fallback_is_optional=settings.chat_fallback == AUTO,
    )


def only_model(settings: Settings, catalogue: Catalogue) -> ModelEntry | None:
    """Return the model that runs alone; None: a whole server runs. Raises `CatalogueError`."""
    if settings.only is None:
        return None
    return _find(catalogue, "only", settings.only.removeprefix("tts:"), "synthesizer")


def _rules(settings: Settings, catalogue: Catalogue) -> Sequence[Rule]:
    try:
        return read_rules(settings.chat_rule, catalogue)
    except CatalogueError as error:
        raise CatalogueError(f"chat_rule: {error}") from error


def select_recognizers(settings: Settings, catalogue: Catalogue) -> Mapping[str, Sequence[ModelEntry]]:
    """Return the recognisers of the settings, see `Selection.recognizers`; raises `CatalogueError`."""
    return _chains(catalogue, "recognizer", settings.recognizer, settings.recognizer_by_language)


def select_synthesizers(settings: Settings, catalogue: Catalogue) -> Mapping[str, Sequence[ModelEntry]]:
    """Return the synthesisers of the settings, see `Selection.synthesizers`; raises `CatalogueError`."""
    names = (DEFAULT_MODELS["synthesizer"],) if settings.synthesizer == (AUTO,) else settings.synthesizer
    return _chains(catalogue, "synthesizer", names, settings.synthesizer_by_language)


def spare_synthesizer(settings: Settings, catalogue: Catalogue) -> ModelEntry | None:
    """Return the synthesiser that also speaks if its command is there, where the choice is left to the server.

    None: it is not wanted, or the settings name it, and so need it.
    """
    named = {name for chain in settings.synthesizer_by_language.values() for name in chain}
    is_wanted = settings.synthesizer == (AUTO,) and SPARE_SYNTHESIZER not in named
    return catalogue.get(SPARE_SYNTHESIZER) if is_wanted else None


def _chains(
    catalogue: Catalogue, kind: Kind, names: Sequence[str], by_language: Mapping[str, Sequence[str]]
) -> Mapping[str, Sequence[ModelEntry]]:
    """Return the models of a setting that is called as its kind, and of the one for each language."""
    if tuple(names) == (ABSENT,):
        return {"": ()}
    chains = {"": [_find(catalogue, kind, name, kind) for name in names]}
    for code, chosen in by_language.items():
        setting = f"{kind}_by_language"
        chains[code] = [_find(catalogue, setting, name, kind) for name in chosen]
        for entry in chains[code]:
            if problem := language_problem(code, entry):
                raise CatalogueError(f"{setting}: {problem}")
    return chains


def language_problem(code: str, entry: ModelEntry | None = None) -> str:
    """Return why there can be no model, or not this one, for the language of a code; empty if there can be."""
    if code not in LANGUAGE_NAMES:
        return f"{code!r}; accepted: an ISO 639-1 code, such as de"
    if entry is not None and entry.languages and code not in entry.languages:
        return f"{code}: {entry.name!r} does not know this language; it knows {', '.join(entry.languages)}"
    return ""


def turn_problem(setting: str, entry: ModelEntry) -> str:
    """Return why an end-of-turn model cannot be that of a setting, `turn` or `turn_words`; empty if it can."""
    if (entry.judges == "words") == (setting == "turn_words"):
        return ""
    other = "turn_words" if entry.judges == "words" else "turn"
    wanted = "words" if setting == "turn_words" else "sound"
    return f"{entry.name!r} judges {entry.judges}, so it belongs to {other}; accepted: a model that judges {wanted}"


def _turn_model(catalogue: Catalogue, setting: str, name: str) -> ModelEntry | None:
    entry = _or_default(catalogue, setting, name, OPTIONAL_MODELS.get(setting, ABSENT), "turn")
    if entry is not None and (problem := turn_problem(setting, entry)):
        raise CatalogueError(f"{setting}: {problem}")
    return entry


def _or_default(catalogue: Catalogue, setting: str, name: str, default: str, kind: Kind) -> ModelEntry | None:
    return _optional(catalogue, setting, default if name == AUTO else name, kind)


def _optional(catalogue: Catalogue, setting: str, name: str, kind: Kind) -> ModelEntry | None:
    return None if name == ABSENT else _find(catalogue, setting, name, kind)


def _find(catalogue: Catalogue, setting: str, name: str, kind: Kind) -> ModelEntry:
    try:
        return catalogue.find(name, kind)
    except CatalogueError as error:
        raise CatalogueError(f"{setting}: {error}") from error
