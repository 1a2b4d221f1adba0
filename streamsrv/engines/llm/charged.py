"""Counts each answer of a chat model before asking for it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from streamsrv.engines.llm.base import ChatModel, ChatOptions, Delta, Message, Tool
from streamsrv.inference.occupancy import Occupancy


class ChargedChatModel:
    """`model`, asked after `charge`, which raises `Overloaded` where there may be no answer."""

    def __init__(self, model: ChatModel, charge: Callable[[], None]) -> None:
        self.name = model.name
        self.abilities = model.abilities
        self._model = model
        self._charge = charge

    @property
    def occupancy(self) -> Occupancy | None:
        return self._model.occupancy

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        self._charge()
        async with aclosing(self._model.stream(messages, tools, options)) as deltas:
            async for delta in deltas:
                yield delta

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        await self._model.warm_up(messages)

    async def prepare(self, messages: Sequence[Message]) -> None:
        await self._model.prepare(messages)

    async def aclose(self) -> None:
        """The model goes on: others ask it, too."""
