"""The conversation, and the context that the language model gets."""

import pytest

from streamsrv.core.conversation import Conversation, to_messages
from streamsrv.engines.llm.base import Message, ToolCall
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputText,
    MessageItem,
    OutputAudio,
    OutputText,
)


def test_calls_in_a_row_are_one_turn_of_the_assistant():
    items = [
        MessageItem(role="user", content=[InputText("Weather and time?")]),
        FunctionCallItem(name="weather", call_id="a", arguments="{}"),
        FunctionCallItem(name="time", call_id="b", arguments="{}"),
        FunctionCallOutputItem(call_id="a", output="sun"),
        FunctionCallOutputItem(call_id="b", output="noon"),
    ]
    assert to_messages("Be brief.", items) == (
        Message("system", "Be brief."),
        Message("user", "Weather and time?"),
        Message("assistant", "", (ToolCall("a", "weather", "{}"), ToolCall("b", "time", "{}"))),
        Message("tool", "sun", call_id="a"),
        Message("tool", "noon", call_id="b"),
    )


def test_items_without_words_are_not_shown():
    items = [
        MessageItem(role="user", content=[InputAudio()]),
        MessageItem(role="user", content=[InputAudio(" Hello "), InputText("there")]),
        MessageItem(role="assistant", content=[OutputAudio("")]),
        MessageItem(role="assistant", content=[]),
    ]
    assert to_messages("", items) == (Message("user", "Hello there"),)


def said(text: str, item_id: str) -> MessageItem:
    return MessageItem(id=item_id, role="user", content=[InputAudio(text)])


def shown(conversation: Conversation) -> list[str]:
    return [message.content for message in to_messages("", conversation.items, conversation.message)]


def test_what_the_model_is_shown_follows_what_becomes_of_the_items():
    conversation = Conversation("conv")
    for item in (said("one", "a"), said("two", "b"), said("three", "c")):
        conversation.add(item)
    assert shown(conversation) == ["one", "two", "three"]
    conversation.set_transcript("a", "heard")
    conversation.delete("b")
    assert shown(conversation) == ["heard", "three"]
    conversation.add(said("another", "b"), "a")
    assert shown(conversation) == ["heard", "another", "three"]


def test_an_item_in_progress_is_shown_as_it_is():
    conversation = Conversation("conv")
    item = MessageItem(id="a", status="in_progress", role="assistant", content=[])
    conversation.add(item)
    assert shown(conversation) == []
    item.content = [OutputAudio("Hello")]
    assert shown(conversation) == ["Hello"]
    item.content, item.status = [OutputAudio("Hello there")], "completed"
    conversation.finish(item)
    assert shown(conversation) == ["Hello there"]


def test_messages_of_a_conversation_are_written_once():
    conversation = Conversation("conv")
    conversation.add(said("one", "a"))
    assert conversation.message(conversation.items[0]) is conversation.message(conversation.items[0])


def test_another_item_with_the_id_of_one_is_shown_as_itself():
    conversation = Conversation("conv")
    conversation.add(said("one", "a"))
    assert shown(conversation) == ["one"]
    assert conversation.message(said("other", "a")) == Message("user", "other")


def test_a_conversation_is_full_by_what_its_items_hold_now(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamsrv.core.conversation.MAX_CHARACTERS", 13)
    conversation = Conversation("conv")
    conversation.add(said("12345", "a"))
    answer = MessageItem(id="b", status="in_progress", role="assistant", content=[])
    conversation.add(answer)
    answer.content = [OutputText("123")]
    conversation.finish(answer)
    conversation.check_addition(said("12", "c"))
    with pytest.raises(ProtocolError, match="13 characters"):
        conversation.check_addition(said("123", "c"))
    conversation.set_transcript("a", "1")
    conversation.check_addition(said("123456", "c"))
    conversation.delete("a")
    conversation.check_addition(said("12345678", "c"))
    with pytest.raises(ProtocolError, match="13 characters"):
        conversation.check_addition(said("123456789", "c"))
