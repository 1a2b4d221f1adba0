"""The loaded models that all sessions share."""

from collections.abc import Mapping
from dataclasses import dataclass

from streamsrv.engines.asr.base import Recognizer
from streamsrv.engines.llm.base import ChatModel
from streamsrv.engines.tts.base import Synthesizer
from streamsrv.engines.turn.base import TurnModel
from streamsrv.engines.vad.base import Vad
from streamsrv.inference.occupancy import Occupancy
from streamsrv.inference.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Engines:
    """Loaded once in a process. `voice_activity` is a scheduler of its own, so that no decode delays a frame."""

    vad: Vad
    recognizer: Recognizer
    chat: ChatModel
    synthesizer: Synthesizer
    scheduler: Scheduler
    voice_activity: Scheduler
    chat_by_name: Mapping[str, ChatModel]
    """Chat models that a client may ask for by their catalogue name."""
    turn: TurnModel | None = None
    """Tells from the sound of a pause whether the speaker is done."""

    def chat_model(self, name: str) -> ChatModel:
        """The model of that name; the default one for names that are not ours (such as `gpt-realtime`)."""
        return self.chat_by_name.get(name, self.chat)

    @property
    def occupancies(self) -> list[Occupancy]:
        """Those of the local language models, each once, always in the same order."""
        found = (chat.occupancy for chat in (self.chat, *self.chat_by_name.values()))
        return list({id(occupancy): occupancy for occupancy in found if occupancy is not None}.values())

    async def aclose(self) -> None:
        """Free the models; no session may be running."""
        for engine in {
            id(e): e for e in (self.recognizer, self.chat, self.synthesizer, *self.chat_by_name.values())
        }.values():
            await engine.aclose()
        self.scheduler.close()
        self.voice_activity.close()
