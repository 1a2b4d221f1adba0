"""What a model is asked, and shown, that answers in place of another one."""

from collections.abc import AsyncGenerator, Sequence

import pytest

from streamsrv.engines.breaker import Breakers
from streamsrv.engines.llm.abilities import IMAGE_NOT_SEEN, obstacle, stand_in_options
from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Delta, Effort, Finished, Image, Message, Text, Tool
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.errors import EngineError, Rejected, Unavailable

HELLO = [Message("user", "Hello!")]


class FakeThinker:
    """Has some efforts, and refuses others, as engines do; without an error it says its name."""

    def __init__(self, name: str, *efforts: Effort, error: EngineError | None = None) -> None:
        self.name = name
        self.abilities = ChatAbilities(efforts=efforts)
        self.occupancy = None
        self.asked: list[Effort | None] = []
        self.shown: list[Message] = []
        self._error = error

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        self.asked.append(options.reasoning_effort)
        self.shown = list(messages)
        if refusal := obstacle(self.name, self.abilities, messages, options):
            raise refusal
        if self._error:
            raise self._error
        yield Text(self.name)
        yield Finished("stop")

    async def warm_up(self, messages: Sequence[Message] = ()) -> None: ...

    async def prepare(self, messages: Sequence[Message]) -> None: ...

    async def aclose(self) -> None: ...


async def said(first: FakeThinker, second: FakeThinker, effort: Effort) -> str:
    chain = FallbackChatModel([first, second], Breakers(lambda: 0.0))
    deltas = chain.stream(HELLO, (), ChatOptions(reasoning_effort=effort))
    return "".join([delta.text async for delta in deltas if isinstance(delta, Text)])


async def test_a_stand_in_without_the_effort_answers_as_it_always_does():
    first, second = FakeThinker("first", "low", "high", error=Unavailable("down")), FakeThinker("second", "none")
    assert await said(first, second, "high") == "second"
    assert (first.asked, second.asked) == (["high"], [None])


async def test_a_stand_in_with_the_effort_makes_it():
    first, second = FakeThinker("first", "low", error=Unavailable("down")), FakeThinker("second", "low")
    assert await said(first, second, "low") == "second"
    assert second.asked == ["low"]


async def test_the_model_that_was_asked_refuses_an_effort_that_it_does_not_have():
    first, second = FakeThinker("first", "none"), FakeThinker("second", "high")
    with pytest.raises(Rejected, match="first does not think"):
        await said(first, second, "high")
    assert second.asked == []


def test_without_an_effort_nothing_changes():
    options = ChatOptions(max_output_tokens=3)
    assert stand_in_options(ChatAbilities(), options) is options


async def test_a_stand_in_that_sees_nothing_is_told_of_the_picture():
    first, second = FakeThinker("first", error=Unavailable("down")), FakeThinker("second")
    first.abilities = ChatAbilities(sees_images=True)
    picture = Message("user", "What is it?", images=(Image("data:image/png;base64,AAAA"),))
    chain = FallbackChatModel([first, second], Breakers(lambda: 0.0))
    deltas = [delta async for delta in chain.stream([picture], (), ChatOptions())]
    assert Text("second") in deltas
    assert second.shown == [Message("user", f"What is it? {IMAGE_NOT_SEEN}")]


async def test_the_model_that_was_chosen_refuses_a_picture_that_it_cannot_see():
    first, second = FakeThinker("first"), FakeThinker("second")
    picture = Message("user", "What is it?", images=(Image("data:image/png;base64,AAAA"),))
    with pytest.raises(Rejected, match="first cannot see images"):
        _ = [d async for d in FallbackChatModel([first, second]).stream([picture], (), ChatOptions())]
