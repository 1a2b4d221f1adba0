"""The simulated language models of a session where several stand behind each other, as the real failover joins them."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress

from streamsrv.engines.breaker import Breakers
from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Delta, Message, Tool
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.llm.failover.continuation import GO_ON
from streamsrv.errors import EngineError
from streamsrv.testing.faults import Fault
from streamsrv.testing.faulty import FaultyChatModel
from streamsrv.testing.virtual_loop import Deadlocked, VirtualTimeLoop
from streamsrv.testing.virtual_time import VirtualTime

TimedDelta = tuple[int, Delta]
"""A delta, and its delay in ms after the one before."""


class SimulatedChain:
    """A `FallbackChatModel` of models that all know the same answers; each has its own faults, by request.

    An answer is worked out to its end, in a virtual time of its own, when it is asked for.
    """

    def __init__(self, faults: Sequence[tuple[Fault, ...]], patience_ms: int, time: VirtualTime) -> None:
        self._models = [_KnowingModel(f"model-{number}") for number, _ in enumerate(faults, 1)]
        faulty = [FaultyChatModel(model, *each) for model, each in zip(self._models, faults, strict=True)]
        breakers = Breakers(lambda: time.now_ms / 1000)
        self._chat = FallbackChatModel(faulty, breakers, patience_s={"": patience_ms / 1000})

    def answer(
        self, messages: Sequence[Message], known: Sequence[TimedDelta]
    ) -> Iterator[tuple[int, Delta | EngineError]]:
        """Yield what comes of a request whose answer is `known`; nothing more where all models are stuck."""
        for model in self._models:
            model.known = known
        return iter(_run(self._chat, messages))


def _run(chat: FallbackChatModel, messages: Sequence[Message]) -> list[tuple[int, Delta | EngineError]]:
    told: list[tuple[int, Delta | EngineError]] = []
    loop = VirtualTimeLoop()
    last_s = 0.0

    def tell(what: Delta | EngineError) -> None:
        nonlocal last_s
        now_s = loop.time()
        told.append((round(now_s * 1000) - round(last_s * 1000), what))
        last_s = now_s

    async def answer() -> None:
        try:
            async with aclosing(chat.stream(messages, (), ChatOptions())) as deltas:
                async for delta in deltas:
                    tell(delta)
        except EngineError as error:
            tell(error)

    with asyncio.Runner(loop_factory=lambda: loop) as runner, suppress(Deadlocked):
        runner.run(answer())
    return told


class _KnowingModel:
    """Gives what is `known`; asked to go on, it gives the rest."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.abilities = ChatAbilities()
        self.occupancy = None
        self.known: Sequence[TimedDelta] = ()

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        said = len(messages[-2].content.split()) if messages[-1].content == GO_ON else 0
        for index, (delay_ms, delta) in enumerate(self.known):
            if 0 < index < said:
                continue
            await asyncio.sleep(delay_ms / 1000)
            if index >= said:
                yield delta

    async def warm_up(self, messages: Sequence[Message] = ()) -> None: ...

    async def prepare(self, messages: Sequence[Message]) -> None: ...

    async def aclose(self) -> None: ...
