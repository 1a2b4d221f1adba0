"""Which model answers when others fail, and what is never repeated or hidden."""

import logging
from collections.abc import AsyncGenerator, Sequence

import pytest

from streamsrv.engines.breaker import Breakers
from streamsrv.engines.llm.base import (
    AnsweredBy,
    ChatAbilities,
    ChatOptions,
    Delta,
    Fallback,
    Finished,
    Message,
    Reasoning,
    Route,
    Text,
    Tool,
)
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable

HELLO = [Message("user", "my secret question")]
ANSWER: list[Delta | EngineError] = [Text("Hi"), Finished("stop")]


class FakeChatModel:
    """Gives its script; an error in it is raised. Counts the requests and those that were closed."""

    def __init__(self, name: str, *script: Delta | EngineError) -> None:
        self.name = name
        self.abilities = ChatAbilities()
        self.occupancy = None
        self.script = script
        self.requests = self.closed = 0

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        self.requests += 1
        try:
            for step in self.script:
                if isinstance(step, EngineError):
                    raise step
                yield step
        finally:
            self.closed += 1

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        if isinstance(self.script[0], EngineError):
            raise self.script[0]

    async def aclose(self) -> None:
        self.closed += 1


async def ask(model: FallbackChatModel) -> list[Delta]:
    return [delta async for delta in model.stream(HELLO, (), ChatOptions())]


class BrokenChatModel(FakeChatModel):
    """Fails as no model should, before or after its first words."""

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        async for delta in super().stream(messages, tools, options):
            yield delta
        raise ZeroDivisionError("boom")


async def test_an_unforeseen_error_of_a_model_is_followed_by_the_next_one(caplog: pytest.LogCaptureFixture):
    broken, next_one = BrokenChatModel("broken"), FakeChatModel("next", *ANSWER)
    answer = await ask(FallbackChatModel([broken, next_one]))
    assert [delta for delta in answer if not isinstance(delta, AnsweredBy)] == ANSWER
    assert "ZeroDivisionError" in caplog.text


async def test_the_first_model_answers_alone():
    first, second = FakeChatModel("first", *ANSWER), FakeChatModel("second", *ANSWER)
    assert await ask(FallbackChatModel([first, second])) == [AnsweredBy("first"), *ANSWER]
    assert (first.requests, second.requests) == (1, 0)


def answered_instead(of: str, by: str, why: str) -> list[Delta | EngineError]:
    return [AnsweredBy(by, Fallback(of, why)), *ANSWER]


@pytest.mark.parametrize("error", [Unavailable("down"), Overloaded("full")])
async def test_the_next_model_answers_and_the_log_says_why(error: EngineError, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    model = FallbackChatModel([FakeChatModel("first", error), FakeChatModel("second", *ANSWER)])
    assert await ask(model) == answered_instead("first", "second", str(error))
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "first" in warning
    assert str(error) in warning
    assert "second answers" in caplog.text
    assert "secret" not in caplog.text


async def test_a_request_that_the_first_model_refuses_is_the_callers_to_mend():
    refusal = Rejected("no such role", code="invalid_value", param="messages")
    first, second = FakeChatModel("first", refusal), FakeChatModel("second", *ANSWER)
    with pytest.raises(Rejected) as raised:
        await ask(FallbackChatModel([first, second]))
    assert raised.value is refusal
    assert second.requests == 0


async def test_the_second_model_refusing_does_not_make_it_the_callers_fault():
    models = [FakeChatModel("a", Overloaded("a is full.")), FakeChatModel("b", Rejected("too long"))]
    with pytest.raises(Overloaded, match=r"a is full\. too long"):
        await ask(FallbackChatModel(models))
    third = FakeChatModel("c", *ANSWER)
    assert await ask(FallbackChatModel([*models, third])) == answered_instead("a", "c", "a is full.")


async def test_thinking_commits_to_nothing():
    model = FallbackChatModel([FakeChatModel("a", Reasoning("hm"), Unavailable("gone")), FakeChatModel("b", *ANSWER)])
    assert await ask(model) == [AnsweredBy("a"), Reasoning("hm"), *answered_instead("a", "b", "gone")]


@pytest.mark.parametrize("kind", [Unavailable, Overloaded])
async def test_when_none_can_answer_all_are_named(kind: type[EngineError]):
    model = FallbackChatModel([FakeChatModel("a", kind("a is down.")), FakeChatModel("b", Unavailable("b says no."))])
    with pytest.raises(kind, match=r"a is down\. b says no\."):
        await ask(model)


async def test_a_lone_model_keeps_its_own_error():
    error = Rejected("no")
    with pytest.raises(Rejected) as raised:
        await ask(FallbackChatModel([FakeChatModel("a", error)]))
    assert raised.value is error


async def test_closing_closes_the_model_that_answers():
    fake = FakeChatModel("a", *ANSWER)
    deltas = FallbackChatModel([fake]).stream(HELLO, (), ChatOptions())
    assert [await anext(deltas), await anext(deltas)] == [AnsweredBy("a"), Text("Hi")]
    await deltas.aclose()
    assert fake.closed == 1


async def test_a_model_that_was_unavailable_rests():
    now = 0.0
    first, second = FakeChatModel("a", Unavailable("timed out")), FakeChatModel("b", *ANSWER)
    model = FallbackChatModel([first, second], Breakers(lambda: now))
    await ask(model)
    assert await ask(model) == answered_instead("a", "b", "timed out")
    assert (first.requests, second.requests) == (1, 2)
    now = 31.0
    await ask(model)
    assert first.requests == 2


async def test_a_resting_model_is_tried_when_the_others_fail():
    first, second = FakeChatModel("a", Unavailable("down")), FakeChatModel("b", Overloaded("full"))
    model = FallbackChatModel([first, second], Breakers(lambda: 0.0))
    for _ in range(2):
        with pytest.raises(EngineError):
            await ask(model)
    assert (first.requests, second.requests) == (2, 2)


async def test_warming_up_needs_one_model_that_works():
    down, up = FakeChatModel("a", Unavailable("down")), FakeChatModel("b", *ANSWER)
    await FallbackChatModel([down, up]).warm_up()
    with pytest.raises(Unavailable, match="down"):
        await FallbackChatModel([down, down]).warm_up()


async def test_closing_closes_all():
    fakes = [FakeChatModel("a", *ANSWER), FakeChatModel("b", *ANSWER)]
    await FallbackChatModel(fakes).aclose()
    assert [fake.closed for fake in fakes] == [1, 1]


async def test_only_the_models_of_a_route_are_asked_in_its_order():
    first, second, third = FakeChatModel("a", *ANSWER), FakeChatModel("b", *ANSWER), FakeChatModel("c", *ANSWER)
    route = Route(("c", "b"), "It is a hard question.", "best", "hard")
    model = FallbackChatModel([first, second, third], choose=lambda messages, tools, options: route)
    assert await ask(model) == [AnsweredBy("c", route=route), *ANSWER]
    third.script = (Unavailable("c is down."),)
    assert await ask(model) == [AnsweredBy("b", Fallback("c", "c is down."), route), *ANSWER]
    second.script = (Overloaded("b is full."),)
    with pytest.raises(EngineError, match=r"c is down\. b is full\."):
        await ask(model)
    assert first.requests == 0


async def test_who_chooses_may_refuse_the_request():
    def refuse(messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions) -> Route:
        raise Rejected("No model sees images.", param="messages")

    first = FakeChatModel("a", *ANSWER)
    with pytest.raises(Rejected, match="sees images"):
        await ask(FallbackChatModel([first], choose=refuse))
    assert first.requests == 0
