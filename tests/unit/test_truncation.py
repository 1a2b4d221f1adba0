"""A conversation that is too long for a model: the oldest turns are left out, and everybody is told."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.llm.abilities import IMAGE_NOT_SEEN
from streamsrv.engines.llm.base import (
    ChatAbilities,
    ChatOptions,
    Delta,
    Finished,
    Image,
    Message,
    Text,
    Tool,
    ToolCall,
    Truncated,
    Truncation,
    Usage,
)
from streamsrv.engines.llm.context.fitted import FittedChatModel
from streamsrv.engines.llm.context.tokens import TokenEstimate
from streamsrv.engines.llm.context.truncation import CUT, truncate
from streamsrv.errors import CONTEXT_LENGTH_EXCEEDED, Rejected
from strict_history import refusal

SYSTEM = Message("system", "Be kind.")
PICTURE = Image("data:image/png;base64,AAAA")


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


def talk(turns: int) -> list[Message]:
    said = [SYSTEM]
    for number in range(turns):
        said += [user(f"q{number}"), assistant(f"a{number}")]
    return [*said, user("last")]


def kept(messages: Sequence[Message], limit: int, ratio: float = 1.0) -> list[str]:
    return [message.content for message in truncate(messages, [10] * len(messages), limit, ratio).messages]


# --- what is left out -------------------------------------------------------------------------------------------------


def test_what_fits_stays_whole():
    assert truncate(talk(3), [10] * 8, 70).messages == talk(3)
    assert truncate(talk(3), [10] * 8, 70).left_out == 0


@pytest.mark.parametrize(
    ("limit", "first"), [(69, "q1"), (50, "q1"), (49, "q2"), (30, "q2"), (29, "last"), (10, "last")]
)
def test_the_oldest_turns_are_left_out_and_the_instructions_stay(limit: int, first: str):
    assert kept(talk(3), limit)[:2] == ["Be kind.", first]


def test_only_the_asked_share_is_kept_once_the_limit_is_exceeded():
    assert kept(talk(5), 100, 1.0)[1] == "q1"
    assert kept(talk(5), 100, 0.5)[1] == "q3"
    assert kept(talk(5), 100, 0.0)[1] == "last"
    assert kept(talk(5), 110, 0.0)[1] == "q0"


def test_most_prompts_begin_like_the_one_before():
    first = [kept(talk(turns), 100, 0.5)[1] for turns in range(1, 13)]
    assert first == ["q0"] * 4 + ["q3"] * 3 + ["q6"] * 3 + ["q9"] * 2


def test_what_the_assistant_said_before_the_first_turn_may_be_left_out():
    said = [SYSTEM, assistant("Hello!"), user("one"), assistant("1"), user("two")]
    assert kept(said, 40)[1] == "Hello!"
    assert kept(said, 30)[1] == "one"


def test_the_oldest_calls_of_a_turn_that_is_too_long_are_left_out_with_their_results():
    calls = [ToolCall(f"c{number}", "look", "{}") for number in range(4)]
    turn = [SYSTEM, user("Find it.")]
    for call in calls:
        turn += [Message("assistant", "", (call,)), Message("tool", call.call_id, call_id=call.call_id)]
    assert kept(turn, 60) == ["Be kind.", "Find it.", "", "c2", "", "c3"]
    assert not truncate(turn, [10] * len(turn), 9).fits


def test_the_result_of_the_newest_call_is_shortened_and_not_left_out():
    calls = [ToolCall(f"c{number}", "look", "{}") for number in range(2)]
    turn = [SYSTEM, user("Find it.")]
    for call in calls:
        turn += [Message("assistant", "", (call,)), Message("tool", "word " * 1000, call_id=call.call_id)]
    result = truncate(turn, [5, 5, 5, 1000, 5, 1000], 300)
    assert [message.role for message in result.messages] == ["system", "user", "assistant", "tool"]
    shown = result.messages[-1]
    assert shown.call_id == "c1"
    assert shown.content.endswith(CUT)
    assert 1200 < len(shown.content) < 1500
    assert (result.left_out, result.fits) == (2, True)


ROLES = st.sampled_from(["user", "assistant", "call"])


@given(st.lists(ROLES, max_size=30), st.integers(0, 400), st.floats(0, 1))
def test_a_shortened_history_is_one_that_providers_accept(roles: list[str], limit: int, ratio: float):
    messages = [SYSTEM]
    for number, role in enumerate(roles):
        if role == "call":
            messages.append(Message("assistant", "", (ToolCall(f"c{number}", "look", "{}"),)))
            messages.append(Message("tool", "here", call_id=f"c{number}"))
        else:
            messages.append(user("x") if role == "user" else assistant("y"))
    result = truncate(messages, [10] * len(messages), limit, ratio)
    assert refusal(result.messages) is None
    assert result.left_out == len(messages) - len(result.messages)
    assert result.fits == (10 * (len(result.messages) - 1) <= limit)
    assert result.messages[-1:] == messages[-1:] or messages[-1].role == "tool"


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_the_estimate_learns_what_the_provider_counts():
    estimate = TokenEstimate()
    request = [user("word " * 1000)]
    before = estimate.message(request[0])
    for _ in range(20):
        estimate.learn(request, (), 1008)
    assert estimate.message(request[0]) == pytest.approx(1008, rel=0.01)
    assert before > 1008


@pytest.mark.parametrize("counted", [0, -5, 1, 10**9])
def test_no_count_of_a_provider_makes_the_estimate_absurd(counted: int):
    estimate = TokenEstimate()
    for _ in range(50):
        estimate.learn([user("word " * 1000)], (), counted)
    assert 1.0 <= estimate.bytes_per_token <= 6.0


# --- the model --------------------------------------------------------------------------------------------------------


class FakeReader:
    """Answers anything; refuses prompts with more than `reads` words. Remembers what it was shown."""

    name = "reader"
    occupancy = None

    def __init__(self, abilities: ChatAbilities, reads: int = 10**9) -> None:
        self.abilities = abilities
        self.reads = reads
        self.shown: list[list[Message]] = []

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        self.shown.append(list(messages))
        if sum(len(message.content.split()) for message in messages) > self.reads:
            raise Rejected("too long", code=CONTEXT_LENGTH_EXCEEDED, param="messages")
        yield Text("Yes.")
        yield Usage(10, 1)
        yield Finished("stop")

    async def warm_up(self, messages: Sequence[Message] = ()) -> None: ...

    async def prepare(self, messages: Sequence[Message]) -> None: ...

    async def aclose(self) -> None: ...


class CountingReader(FakeReader):
    """Counts a token for each word."""

    counted = 0

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        self.counted += len(texts)
        return [len(text.split()) for text in texts]


def ask(model: FakeReader, messages: Sequence[Message], fitted: FittedChatModel | None = None, **truncation: object):
    async def answer() -> list[Delta]:
        options = ChatOptions(truncation=Truncation(**truncation))  # type: ignore[arg-type]
        return [delta async for delta in (fitted or FittedChatModel(model)).stream(messages, (), options)]

    return asyncio.run(answer())


LONG = [SYSTEM, *(message for _ in range(20) for message in (user("word " * 50), assistant("word " * 50))), user("Hm?")]


def test_a_model_is_shown_what_it_can_read_and_the_answer_says_what_was_left_out():
    model = CountingReader(ChatAbilities(context_tokens=1000, max_output_tokens=100))
    first, *rest = ask(model, LONG)
    assert isinstance(first, Truncated)
    assert rest[0] == Text("Yes.")
    assert len(model.shown[0]) == len(LONG) - first.messages
    words = sum(len(message.content.split()) for message in model.shown[0])
    assert 500 < words + 8 * len(model.shown[0]) <= 900


def test_a_client_may_ask_for_less():
    model = CountingReader(ChatAbilities(context_tokens=100_000))
    ask(model, LONG, post_instructions=300, retention_ratio=0.5)
    assert len(model.shown[0]) == 6
    assert model.shown[0][0] == SYSTEM


def test_nothing_is_left_out_if_truncation_is_disabled():
    model = CountingReader(ChatAbilities(context_tokens=1000), reads=1000)
    with pytest.raises(Rejected) as refused:
        ask(model, LONG, is_disabled=True)
    assert refused.value.code == CONTEXT_LENGTH_EXCEEDED
    assert model.shown == [LONG]


def test_a_turn_that_is_too_long_by_itself_is_refused_before_the_model_is_asked():
    model = CountingReader(ChatAbilities(context_tokens=1000))
    with pytest.raises(Rejected, match="reader can read 490 tokens of the conversation here") as refused:
        ask(model, [SYSTEM, user("word " * 2000)])
    assert (refused.value.code, refused.value.param) == (CONTEXT_LENGTH_EXCEEDED, "messages")
    assert model.shown == []


def test_a_provider_that_counts_more_than_was_estimated_is_shown_less():
    model = FakeReader(ChatAbilities(), reads=1500)
    first, *_ = ask(model, LONG)
    assert isinstance(first, Truncated)
    assert len(model.shown) == 2
    assert len(model.shown[1]) < len(LONG)


def test_a_provider_that_refuses_everything_is_not_asked_for_ever():
    model = FakeReader(ChatAbilities(), reads=0)
    with pytest.raises(Rejected, match="too long"):
        ask(model, LONG)
    assert len(model.shown) == 3


def test_texts_are_counted_once():
    model = CountingReader(ChatAbilities(context_tokens=1000))
    fitted = FittedChatModel(model)
    ask(model, LONG, fitted)
    counted = model.counted
    ask(model, [*LONG, assistant("So."), user("And?")], fitted)
    assert model.counted == counted + 2


def test_a_short_conversation_is_not_counted():
    model = CountingReader(ChatAbilities(context_tokens=100_000))
    ask(model, LONG)
    assert model.counted == 0


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_a_model_that_sees_gets_the_pictures():
    model = FakeReader(ChatAbilities(sees_images=True))
    shown = [Message("user", "What is it?", images=(PICTURE,))]
    ask(model, shown)
    assert model.shown == [shown]


def test_a_model_that_sees_none_refuses_a_picture_in_the_latest_turn():
    model = FakeReader(ChatAbilities())
    with pytest.raises(Rejected, match=r"reader cannot see images\.") as refused:
        ask(model, [Message("user", "What is it?", images=(PICTURE,))])
    assert refused.value.code == "unsupported_parameter"
    assert model.shown == []


def test_a_model_that_sees_none_is_told_of_pictures_in_earlier_turns():
    model = FakeReader(ChatAbilities())
    ask(model, [Message("user", "Look.", images=(PICTURE,)), assistant("A cat."), user("And its name?")])
    assert model.shown[0][0] == user(f"Look. {IMAGE_NOT_SEEN}")
