"""Holds the loaded models that all sessions share."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from streamsrv.engines.absent import ABSENT
from streamsrv.engines.asr.base import Recognizer
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.breaker import Breakers, problem
from streamsrv.engines.catalogue import Kind, ModelEntry
from streamsrv.engines.llm.base import ChatModel
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.llm.routing.latency import FirstTokens
from streamsrv.engines.observer import (
    IGNORED,
    LOUDNESS,
    SOUND,
    WORDS,
    EngineObserver,
    ObservedChatModel,
    ObservedSynthesizer,
)
from streamsrv.engines.recognizers import Recognizers
from streamsrv.engines.tts.base import Synthesizer
from streamsrv.engines.tts.failover.synthesizer import FallbackSynthesizer
from streamsrv.engines.tts.failover.voice_choice import openai_aliases
from streamsrv.engines.turn.base import StreamingTurnModel, TurnModel, WordsTurnModel
from streamsrv.engines.vad.base import Vad
from streamsrv.errors import EngineError
from streamsrv.inference.occupancy import Occupancy
from streamsrv.inference.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory, and the catalogue entries that it was made of: its own, then those of its parts."""

    entries: tuple[ModelEntry, ...]
    model: Any


@dataclass(frozen=True, slots=True)
class Engines:
    """The models and schedulers of one process.

    `scheduler` runs recognition and synthesis; `voice_activity` is separate, so that a decode never delays a frame.
    """

    vad: Vad
    recognizers: Recognizers
    chat: ChatModel
    synthesizer: Synthesizer
    scheduler: Scheduler
    voice_activity: Scheduler
    chat_by_name: Mapping[str, ChatModel]
    """Chat models that a client may choose, by catalogue name."""
    successors: Mapping[str, str] = field(default_factory=dict[str, str])
    """The chat models that serve requests for retired ones, by the names of those."""
    turn: TurnModel | None = None
    """Predicts from the sound of the speech whether the speaker is done; None: not used."""
    turn_stream: StreamingTurnModel | None = None
    """Does that all the time, in place of `turn`; None: not used."""
    turn_words: WordsTurnModel | None = None
    """Judges from the words whether the speaker is done; None: not used."""
    loaded: tuple[LoadedModel, ...] = ()
    """All models that were loaded for these engines, each once."""
    breakers: Breakers = field(default_factory=lambda: Breakers(time.monotonic))
    """Those of the models with stand-ins, shared by all sessions."""
    first_tokens: FirstTokens = field(default_factory=FirstTokens)
    """How long the language models took until their first tokens, by which one is chosen."""
    observer: EngineObserver = IGNORED
    """Gets reports on the stages that have no wrapper of their own."""

    def observed(self, observer: EngineObserver) -> "Engines":
        """Return the same models, which report to `observer`."""

        def observed(chat: ChatModel) -> ChatModel:
            if isinstance(chat, FallbackChatModel):
                return chat.observed(observer)
            return ObservedChatModel(chat, observer)

        self.recognizers.observe(observer)
        chat = observed(self.chat)
        return replace(
            self,
            chat=chat,
            chat_by_name={name: chat if m is self.chat else observed(m) for name, m in self.chat_by_name.items()},
            synthesizer=_observed_synthesizer(self.synthesizer, observer),
            observer=observer,
        )

    @property
    def synthesizers(self) -> Sequence[Synthesizer]:
        """The synthesisers that `synthesizer` consists of, each once, the preferred one first."""
        return (
            self.synthesizer.synthesizers if isinstance(self.synthesizer, FallbackSynthesizer) else [self.synthesizer]
        )

    @property
    def voice_aliases(self) -> Mapping[str, str]:
        """Other names by which clients may ask for a voice, with its name; OpenAI's in small letters."""
        return voice_aliases(self.synthesizer)

    @property
    def recognizer(self) -> Recognizer:
        """The recogniser of sessions that name none, with those that take its place."""
        return self.recognizers.default

    @property
    def substitutes(self) -> Mapping[tuple[Kind, str], tuple[str, ...]]:
        """The names of what takes the place of a model that fails, by stage and name of each loaded model."""
        found: dict[tuple[Kind, str], tuple[str, ...]] = {("vad", self.vad.name): (LOUDNESS,)}
        speaking = [each.name for each in self.synthesizers]
        for position, name in enumerate(speaking):
            found["synthesizer", name] = (*speaking[position + 1 :], *speaking[:position])
        for name, to in self.recognizers.substitutes.items():
            found["recognizer", name] = to
        for turn in (self.turn, self.turn_stream):
            if turn is not None:
                found["turn", turn.name] = (WORDS,)
        if self.turn_words is not None:
            found["turn", self.turn_words.name] = (SOUND,)
        for chat in (*self.chat_by_name.values(), self.chat):
            models = chat.models if isinstance(chat, FallbackChatModel) else (chat,)
            is_routed = chat.name not in [model.name for model in models]
            for position, model in enumerate(models):
                others = tuple(other.name for other in models if other is not model)
                found.setdefault(("chat", model.name), ())
                if others and (is_routed or position == 0):
                    found["chat", model.name] = others
        return {(kind, name): to for (kind, name), to in found.items() if name != ABSENT}

    def entries(self, stage: str, name: str) -> Sequence[ModelEntry]:
        """Return what the catalogue states about a model and its parts; nothing about one that is not from there."""
        for held in self.loaded:
            if (held.entries[0].kind, held.entries[0].name) == (stage, name):
                return held.entries
        return self.recognizers.entries(name) if stage == "recognizer" else ()

    def chat_model(self, name: str) -> ChatModel:
        """Return the chat model of that name, or the one that serves a retired name.

        For an unknown name (such as `gpt-realtime`), and one that is not loaded, return the default model.
        """
        return self.chat_by_name.get(self.successors.get(name, name), self.chat)

    @property
    def seeing_models(self) -> tuple[str, ...]:
        """The names of the language models that see pictures."""
        chats = (self.chat, *self.stand_ins, *self.chat_by_name.values())
        return tuple(dict.fromkeys(chat.name for chat in chats if chat.abilities.sees_images))

    @property
    def occupancies(self) -> list[Occupancy]:
        """The occupancies of the local language models, each once, always in the same order."""
        found = (chat.occupancy for chat in (self.chat, *self.chat_by_name.values()))
        return list({id(occupancy): occupancy for occupancy in found if occupancy is not None}.values())

    @property
    def stand_ins(self) -> Sequence[ChatModel]:
        """The language models that answer if the default one cannot."""
        return self.chat.stand_ins if isinstance(self.chat, FallbackChatModel) else ()

    @property
    def problems(self) -> list[str]:
        """A sentence for each language model whose latest request failed, and each other model that is left out."""
        chats = {id(chat): chat for chat in (self.chat, *self.chat_by_name.values())}.values()
        found = [found for chat in chats if isinstance(chat, FallbackChatModel) for found in chat.problems]
        for stage, name in self.breakers:
            if stage in ("recognizer", "synthesizer") and self.breakers.state(stage, name) != "closed":
                found.append(problem(name, self.breakers.of(stage, name).error))
        return list(dict.fromkeys(found))

    async def aclose(self) -> None:
        """Free the models, all that can be freed. Call it when no session runs."""
        words = () if self.turn_words is None else (self.turn_words,)
        for engine in {
            id(e): e for e in (*words, self.recognizers, self.chat, self.synthesizer, *self.chat_by_name.values())
        }.values():
            with suppress(EngineError), engine_call(f"end of {type(engine).__name__}"):
                await engine.aclose()
        self.scheduler.close()
        self.voice_activity.close()


def voice_aliases(synthesizer: Synthesizer) -> Mapping[str, str]:
    """Return other names by which clients may ask for a voice of a synthesiser, see `Engines.voice_aliases`."""
    return synthesizer.aliases if isinstance(synthesizer, FallbackSynthesizer) else openai_aliases(synthesizer.voices)


def _observed_synthesizer(synthesizer: Synthesizer, observer: EngineObserver) -> Synthesizer:
    if isinstance(synthesizer, FallbackSynthesizer):
        return synthesizer.observed(observer)
    return ObservedSynthesizer(synthesizer, observer)
