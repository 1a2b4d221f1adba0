"""Function calls in the history sent to a provider: each followed at once by one result, whatever clients did."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Talk, error, event, of_type, types
from streamsrv.core.conversation import Conversation, to_messages
from streamsrv.core.effects import Generate
from streamsrv.core.history import NO_RESULT, valid_history
from streamsrv.engines.llm.base import Finished, Message, ToolCall, ToolCallDelta
from streamsrv.engines.llm.chat_completions.messages import wire_message
from streamsrv.engines.llm.context.turns import last_turns
from streamsrv.protocol.items import FunctionCallItem, FunctionCallOutputItem, InputText, Item, MessageItem, OutputText
from strict_history import refusal


def call(call_id: str, arguments: str = "{}") -> FunctionCallItem:
    return FunctionCallItem(name="weather", call_id=call_id, arguments=arguments)


def output(call_id: str, text: str = "sun") -> FunctionCallOutputItem:
    return FunctionCallOutputItem(call_id=call_id, output=text)


def user(text: str) -> MessageItem:
    return MessageItem(role="user", content=[InputText(text)])


def said(text: str) -> MessageItem:
    return MessageItem(role="assistant", content=[OutputText(text)])


def asked(*call_ids: str) -> Message:
    return Message("assistant", "", tuple(ToolCall(call_id, "weather", "{}") for call_id in call_ids))


def result(call_id: str, text: str = "sun") -> Message:
    return Message("tool", text, call_id=call_id)


def test_a_call_of_a_client_has_a_name_that_providers_accept():
    item = FunctionCallItem(name="get the.weather", call_id="c", arguments="{}")
    assert to_messages("", [item])[0].tool_calls[0].name == "get_the_weather"


@pytest.mark.parametrize("call_id", ["c", "c" * 40, "c" * 41, "c" * 128])
def test_the_id_of_a_call_is_no_longer_than_providers_accept(call_id: str):
    history = to_messages("", [call(call_id), output(call_id)])
    calling, answering = (wire_message(message, "m", "m") for message in history)
    (sent,) = calling["tool_calls"]
    assert len(sent["id"]) <= 40
    assert sent["id"] == answering["tool_call_id"]
    assert (sent["id"] == call_id) == (len(call_id) <= 40)


WAIT = Message("user", "wait")


@pytest.mark.parametrize(
    ("items", "history"),
    [
        ([call("a"), call("b"), output("a"), output("b")], [asked("a", "b"), result("a"), result("b")]),
        ([call("a"), call("b"), output("b"), output("a")], [asked("a", "b"), result("a"), result("b")]),
        ([call("a"), user("wait"), output("a")], [asked("a"), result("a"), WAIT]),
        ([call("a"), user("wait")], [asked("a"), result("a", NO_RESULT), WAIT]),
        ([call("a"), call("b"), output("b")], [asked("a", "b"), result("a", NO_RESULT), result("b")]),
        ([call("a"), call("b"), output("b"), user("wait"), output("a")],
         [asked("a", "b"), result("a"), result("b"), WAIT]),
        ([call("a"), user("wait"), call("b"), output("a"), output("b")],
         [asked("a"), result("a"), WAIT, asked("b"), result("b")]),
        ([output("a"), user("wait")], [WAIT]),
        ([call("a"), output("a"), output("a", "snow")], [asked("a"), result("a")]),
        ([call("a"), output("a"), output("a", "snow"), call("a")],
         [asked("a"), result("a"), asked("a"), result("a", NO_RESULT)]),
        ([output("a"), call("a")], [asked("a"), result("a")]),
        ([call("a"), output("a"), call("b"), output("b")], [asked("a"), result("a"), asked("b"), result("b")]),
        ([user("so?"), said("Wait."), call("a"), call("b"), output("a"), said("Sun.")],
         [Message("user", "so?"), replace(asked("a", "b"), content="Wait."), result("a"), result("b", NO_RESULT),
          Message("assistant", "Sun.")]),
        ([call("a"), output("x"), call("b")], [asked("a", "b"), result("a", NO_RESULT), result("b", NO_RESULT)]),
        ([call("a"), output("a"), call("a"), output("a", "snow")],
         [asked("a"), result("a"), asked("a"), result("a", "snow")]),
    ],
)  # fmt: skip
def test_each_call_is_followed_by_its_result(items: list[Item], history: list[Message]):
    assert list(to_messages("", items)) == history
    assert refusal(history) is None


def test_a_call_that_was_cut_off_in_its_arguments_has_none():
    (message, _) = to_messages("", [call("a", '{"city": "Pa')])
    assert message.tool_calls[0].arguments == "{}"


ITEMS = st.lists(
    st.one_of(
        st.builds(call, st.sampled_from("abc")),
        st.builds(output, st.sampled_from("abcd"), st.text(max_size=3)),
        st.builds(user, st.sampled_from(["", "wait"])),
        st.builds(lambda text: MessageItem(role="assistant", content=[InputText(text)]), st.sampled_from(["", "Yes."])),
    ),
    max_size=14,
)


@given(ITEMS)
def test_any_order_of_items_gives_a_history_that_a_strict_provider_takes(items: list[Item]):
    assert refusal(to_messages("Be brief.", items)) is None


@given(ITEMS)
def test_no_call_and_no_other_words_are_lost(items: list[Item]):
    history = to_messages("", items)
    calls = [one.call_id for message in history for one in message.tool_calls]
    assert calls == [item.call_id for item in items if isinstance(item, FunctionCallItem)]
    texts = [(message.role, message.content) for message in history if message.role in ("user", "assistant")]
    texts = [text for text in texts if text[1]]
    spoken = [item for item in items if isinstance(item, MessageItem)]
    assert texts == [(item.role, part.text) for item in spoken for part in item.content if part.text]  # type: ignore[union-attr]


@given(ITEMS, st.integers(0, 4), st.integers(0, 80))
def test_a_shortened_history_is_as_valid_as_the_whole_one(items: list[Item], turns: int, tokens: int):
    assert refusal(last_turns(to_messages("Be brief.", items), turns, tokens)) is None


@given(ITEMS, st.integers(0, 4), st.integers(0, 80))
def test_a_shortened_context_has_both_a_call_and_its_result_or_neither(items: list[Item], turns: int, tokens: int):
    """Also in a context whose user speaks between the two, as a REST client may send it."""
    whole = [shown for item in items if (shown := Conversation("conv").message(item)) is not None]
    kept = last_turns(whole, turns, tokens)
    dropped = whole[: len(whole) - len(kept)]
    called = {one.call_id for message in dropped for one in message.tool_calls}
    assert not [message for message in kept if message.role == "tool" and message.call_id in called]


def test_a_valid_history_stays_as_it_is():
    history = [Message("system", "Be brief."), WAIT, asked("a", "b"), result("a"), result("b"), Message("user", "so?")]
    assert valid_history(history) == history


# --- in a session -----------------------------------------------------------------------------------------------------


def create(talk: Talk, event_id: str = "", **item: Any):
    sent: dict[str, Any] = {"type": "conversation.item.create", "item": item}
    return talk.client(msgspec.json.encode(sent | ({"event_id": event_id} if event_id else {})).decode())


def text_session() -> Talk:
    talk = Talk(output_modalities=["text"])
    talk.client('{"type": "response.create"}')
    talk.model(
        ToolCallDelta(0, call_id="a", name="weather", arguments="{}"),
        ToolCallDelta(1, call_id="b", name="weather", arguments="{}"),
        Finished("tool_calls"),
    )
    return talk


def test_an_output_of_an_unknown_call_is_refused():
    talk = text_session()
    sent = create(talk, "evt_9", type="function_call_output", call_id="x", output="sun")
    assert types(sent) == ["error"]
    refused = error(sent)
    assert (refused["code"], refused["param"], refused["event_id"]) == ("invalid_tool_call_id", "item.call_id", "evt_9")


def test_an_output_of_a_deleted_call_is_refused():
    talk = text_session()
    talk.client(f'{{"type": "conversation.item.delete", "item_id": "{talk.core._conversation.items[0].id}"}}')
    assert error(create(talk, type="function_call_output", call_id="a", output="sun"))["code"] == "invalid_tool_call_id"
    assert "error" not in types(create(talk, type="function_call_output", call_id="b", output="sun"))


def test_the_conversation_on_the_wire_keeps_its_order():
    talk = text_session()
    content = [{"type": "input_text", "text": "wait"}]
    create(talk, type="message", role="user", content=content)
    added = create(talk, type="function_call_output", call_id="b", output="sun")
    added_again = create(talk, type="function_call_output", call_id="b", output="snow")
    assert (
        event(added_again, "conversation.item.added")["previous_item_id"]
        == (event(added, "conversation.item.added")["item"]["id"])
    )
    talk.client('{"type": "response.create"}')
    messages = of_type(talk.all, Generate)[-1].messages
    assert list(messages[-4:]) == [asked("a", "b"), result("a", NO_RESULT), result("b"), WAIT]


def respond(talk: Talk, *items: dict[str, Any]):
    response = {"conversation": "none", "input": items}
    sent = {"type": "response.create", "event_id": "evt_1", "response": response}
    return talk.client(msgspec.json.encode(sent).decode())


def test_a_call_in_an_input_list_needs_no_result_and_no_id():
    talk = Talk()
    respond(talk, {"type": "function_call", "name": "weather", "arguments": "{}"})
    messages = of_type(talk.all, Generate)[-1].messages
    assert messages[-1].content == NO_RESULT
    assert refusal(messages) is None


def test_an_output_without_its_call_in_an_input_list_is_refused():
    talk = text_session()
    refused = error(respond(talk, {"type": "function_call_output", "call_id": "a", "output": "sun"}))
    assert (refused["code"], refused["param"]) == ("invalid_tool_call_id", "response.input[0].call_id")
    call_id = talk.core._conversation.items[0].id
    sent = respond(
        talk,
        {"type": "function_call_output", "call_id": "a", "output": "sun"},
        {"type": "item_reference", "id": call_id},
    )
    assert of_type(sent, Generate)[0].messages[-2:] == (asked("a"), result("a"))
