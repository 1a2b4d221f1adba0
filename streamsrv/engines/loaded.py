"""Holds the loaded models that all sessions share."""

from collections.abc import Mapping
from dataclasses import dataclass

from streamsrv.engines.asr.base import Recognizer
from streamsrv.engines.fallback import FallbackChatModel
from streamsrv.engines.llm.base import ChatModel
from streamsrv.engines.tts.base import Synthesizer
from streamsrv.engines.turn.base import TurnModel
from streamsrv.engines.vad.base import Vad
from streamsrv.inference.occupancy import Occupancy
from streamsrv.inference.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Engines:
    """The models and schedulers of one process.

    `scheduler` runs recognition and synthesis; `voice_activity` is separate, so that a decode never delays a frame.
    """

    vad: Vad
    recognizer: Recognizer
    chat: ChatModel
    synthesizer: Synthesizer
    scheduler: Scheduler
    voice_activity: Scheduler
    chat_by_name: Mapping[str, ChatModel]
    """Chat models that a client may choose, by catalogue name."""
    turn: TurnModel | None = None
    """Predicts from the sound of the speech whether the speaker is done; None: not used."""

    def chat_model(self, name: str) -> ChatModel:
        """Return the chat model of that name, or the default one for an unknown name (such as `gpt-realtime`)."""
        return self.chat_by_name.get(name, self.chat)

    @property
    def occupancies(self) -> list[Occupancy]:
        """The occupancies of the local language models, each once, always in the same order."""
        found = (chat.occupancy for chat in (self.chat, *self.chat_by_name.values()))
        return list({id(occupancy): occupancy for occupancy in found if occupancy is not None}.values())

    @property
    def problems(self) -> list[str]:
        """A sentence for each language model whose latest request failed."""
        chats = {id(chat): chat for chat in (self.chat, *self.chat_by_name.values())}.values()
        found = (problem for chat in chats if isinstance(chat, FallbackChatModel) for problem in chat.problems)
        return list(dict.fromkeys(found))

    async def aclose(self) -> None:
        """Free the models. Call it when no session runs."""
        for engine in {
            id(e): e for e in (self.recognizer, self.chat, self.synthesizer, *self.chat_by_name.values())
        }.values():
            await engine.aclose()
        self.scheduler.close()
        self.voice_activity.close()
