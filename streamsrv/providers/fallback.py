"""Several chat models behind one: when the first cannot answer, the next does."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

from streamsrv.errors import EngineError, Overloaded, Rejected
from streamsrv.llm.base import ChatModel, ChatOptions, Delta, Message, Text, Tool, ToolCallDelta

logger = logging.getLogger(__name__)


class FallbackChatModel:
    """`llm.base.ChatModel` over `models`, in order of preference.

    A model that fails before it has said anything is followed by the next one; after that its error passes through, as
    no second voice may take over in the middle of a sentence. This holds for `Rejected` too: a wrong key or an input
    that one provider refuses must not leave the caller in silence while another could answer; the warning in the log
    says so. A model that was not `Overloaded` but failed is tried last for `rest_s` seconds, so that not every answer
    waits for its timeout.
    """

    def __init__(
        self, models: Sequence[ChatModel], *, rest_s: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = models[0].name
        self._models = tuple(models)
        self._rest_s = rest_s
        self._clock = clock
        self._resting_until: dict[int, float] = {}

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta]:
        """Answer with the first model that can. If none can, raises the last error, with what each of them said."""
        failures: list[str] = []
        order = self._order()
        for position in order:
            model = self._models[position]
            committed = False
            try:
                async with contextlib.aclosing(_generator(model.stream(messages, tools, options))) as deltas:
                    async for delta in deltas:
                        if not committed and isinstance(delta, Text | ToolCallDelta):
                            committed = True
                            self._resting_until.pop(position, None)
                            logger.info("%s answers", model.name)
                        yield delta
                return
            except EngineError as error:
                self._note(position, error)
                failures.append(str(error))
                if committed or len(self._models) == 1:
                    raise
                if position == order[-1]:
                    raise type(error)(f"No language model can answer: {' / '.join(failures)}") from error
