"""The base of chat models that do something around another one."""

from collections.abc import Sequence

from streamsrv.engines.llm.base import ChatModel, Message
from streamsrv.inference.occupancy import Occupancy


class ChatModelWrapper:
    """All of a `ChatModel` but `stream`, from the model that is wrapped.

    `owns`: whether the model is closed with the wrapper; others may still ask it.
    """

    def __init__(self, model: ChatModel, *, owns: bool = True) -> None:
        self.name = model.name
        self.abilities = model.abilities
        self._model = model
        self._owns = owns

    @property
    def occupancy(self) -> Occupancy | None:
        return self._model.occupancy

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        await self._model.warm_up(messages)

    async def prepare(self, messages: Sequence[Message]) -> None:
        await self._model.prepare(messages)

    async def aclose(self) -> None:
        if self._owns:
            await self._model.aclose()
