"""The conversation and what the language model is shown of it."""

from streamsrv.llm.base import Message, ToolCall
from streamsrv.realtime.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputText,
    MessageItem,
    OutputAudio,
)
from streamsrv.session.conversation import to_messages


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
