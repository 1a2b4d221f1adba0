"""What the events of Anthropic's Messages API mean."""

import json
from typing import Any

import pytest

from messages_api_requests import THOUGHT
from streamsrv.engines.llm.base import Delta, Finished, Reasoning, Text, ToolCallDelta, Usage
from streamsrv.engines.llm.messages_api.events import EventReader


def read(*events: dict[str, Any]) -> list[Delta]:
    reader = EventReader(lambda prefix: f"{prefix}_new", model="claude")
    deltas = [delta for event in events for delta in reader.read(json.loads(json.dumps(event)))]
    return deltas + reader.finish()


def begin(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def end(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def stopped(reason: str, **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def test_thinking_is_never_text_and_comes_with_the_call_that_follows_it():
    assert read(
        begin(0, type="thinking", thinking="", signature=""),
        more(0, "thinking_delta", thinking="h"),
        more(0, "thinking_delta", thinking="mm"),
        more(0, "signature_delta", signature="SIGNED"),
        end(0),
        begin(1, type="redacted_thinking", data="SECRET"),
        end(1),
        begin(2, type="text", text=""),
        more(2, "text_delta", text="Wait."),
        end(2),
        begin(3, type="tool_use", id="a", name="get_weather", input={}),
        more(3, "input_json_delta", partial_json=""),
        more(3, "input_json_delta", partial_json='{"city":'),
        more(3, "input_json_delta", partial_json='"Paris"}'),
        end(3),
        begin(4, type="tool_use", id="b", name="now", input={}),
        end(4),
        stopped("tool_use"),
    ) == [
        Reasoning("h"),
        Reasoning("mm"),
        Text("Wait."),
        ToolCallDelta(
            0,
            "",
            "a",
            "get_weather",
            {"claude": {"thinking": [THOUGHT, {"type": "redacted_thinking", "data": "SECRET"}]}},
        ),
        ToolCallDelta(0, '{"city":'),
        ToolCallDelta(0, '"Paris"}'),
        ToolCallDelta(1, "", "b", "now"),
        ToolCallDelta(1, "{}"),
        Finished("tool_calls"),
    ]


def test_arguments_that_come_all_at_once():
    call = begin(0, type="tool_use", id="", name="now", input={"zone": "CET"})
    assert read(call, end(0), stopped("tool_use")) == [
        ToolCallDelta(0, "", "call_new", "now"),
        ToolCallDelta(0, '{"zone": "CET"}'),
        Finished("tool_calls"),
    ]


def test_counts_of_tokens_are_cumulative_and_split_by_the_cache():
    first = {"input_tokens": 5, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100, "output_tokens": 1}
    start = {"type": "message_start", "message": {"usage": first}}
    details = {"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 12}}
    usage = Usage(125, 30, cached_tokens=100, cache_write_tokens=20, reasoning_tokens=12)
    assert read(start, stopped("end_turn", output_tokens=7), stopped("end_turn", **details))[0] == usage
    assert read(start, stopped("end_turn", output_tokens=3, input_tokens=6))[0] == Usage(126, 3, 100, 20)


@pytest.mark.parametrize(
    ("reason", "finished"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "max_output_tokens"),
        ("model_context_window_exceeded", "max_output_tokens"),
        ("refusal", "content_filter"),
        ("tool_use", "tool_calls"),
        ("something_new", "stop"),
    ],
)
def test_why_it_stopped(reason: str, finished: Any):
    assert read(stopped(reason)) == [Finished(finished)]


def test_what_is_not_known_is_passed_over():
    new = [{"type": "new_event"}, {}, begin(0, type="new_block"), more(0, "new_delta", x=1), end(0), end(7)]
    assert read(*new, stopped("end_turn")) == [Finished("stop")]


def test_thinking_that_a_server_leaves_in_the_text_is_not_spoken():
    deltas = read(*(more(0, "text_delta", text=part) for part in ("<thi", "nk>hm</think>", "\n\nHi")))
    assert deltas == [Reasoning("hm"), Text("Hi"), Finished("stop")]
