"""Measures how long a chat model takes until its first token."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from streamsrv.engines.llm.base import ChatModel, ChatOptions, Delta, Message, Text, Tool, ToolCallDelta
from streamsrv.engines.llm.routing.candidate import ASSUMED_FIRST_TOKEN_S
from streamsrv.engines.llm.routing.latency import FirstTokens
from streamsrv.engines.llm.wrapper import ChatModelWrapper


class TimedChatModel(ChatModelWrapper):
    """`model`, whose times to the first text or function call are recorded. `clock` returns seconds.

    A request that failed or was given up before counts with the time that it took, if that was long: what is broken
    at once is no measure of speed.
    """

    def __init__(self, model: ChatModel, times: FirstTokens, clock: Callable[[], float]) -> None:
        super().__init__(model)
        self._times = times
        self._clock = clock

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        asked_s, has_begun = self._clock(), False
        try:
            async with aclosing(self._model.stream(messages, tools, options)) as deltas:
                async for delta in deltas:
                    if not has_begun and isinstance(delta, Text | ToolCallDelta):
                        has_begun = True
                        self._record(asked_s)
                    yield delta
        finally:
            if not has_begun and self._clock() - asked_s >= ASSUMED_FIRST_TOKEN_S:
                self._record(asked_s)

    def _record(self, asked_s: float) -> None:
        now_s = self._clock()
        self._times.record(self.name, now_s - asked_s, now_s)
