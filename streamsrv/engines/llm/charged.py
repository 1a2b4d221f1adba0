"""Counts each answer of a chat model before asking for it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from streamsrv.engines.llm.base import ChatModel, ChatOptions, Delta, Message, Tool
from streamsrv.engines.llm.wrapper import ChatModelWrapper


class ChargedChatModel(ChatModelWrapper):
    """`model`, asked after `charge`, which raises `Overloaded` where there may be no answer."""

    def __init__(self, model: ChatModel, charge: Callable[[], None]) -> None:
        super().__init__(model, owns=False)
        self._charge = charge

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        self._charge()
        async with aclosing(self._model.stream(messages, tools, options)) as deltas:
            async for delta in deltas:
                yield delta
