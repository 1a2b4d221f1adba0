"""Every value of a provider's answer replaced by what does not belong there: it is refused, or makes no harm."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mutants import mutants
from streamsrv.engines.llm.base import Delta, Reasoning, Text, ToolCallDelta, Usage
from streamsrv.engines.llm.chat_completions.chunks import ChunkReader
from streamsrv.engines.llm.messages_api.events import EventReader
from streamsrv.engines.llm.wire_values import MAX_TOKENS
from streamsrv.protocol.items import unreadable_arguments
from streamsrv.runtime.speech_encoder import encode_event
from streamsrv.tools.results import bounded

MISPLACED: list[Any] = [7, -1, 1.5, 1e300, math.nan, math.inf, 10**400, "x", [], ["a"], {}, {"a": 1}, True, None]
MISPLACED.append("a\ud800")  # half of a surrogate pair
TOKENS = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
COMPLETION = [
    {"choices": [{"index": 0, "delta": {"content": "a", "reasoning_content": "b", "refusal": "c"}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [CALL]}, "finish_reason": "tool_calls"}], "usage": TOKENS},
    {"choices": [], "timings": {"cache_n": 1, "prompt_n": 2, "predicted_n": 3}},
]
COUNTS = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 3}
MESSAGE = [
    {"type": "message_start", "message": {"id": "m", "usage": COUNTS}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "a"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "b"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "c"}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "d"}},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "content_block_stop", "index": 2},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use"},
        "usage": {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 2}},
    },
]


def read(reader: ChunkReader | EventReader, parts: list[Any]) -> list[Delta]:
    deltas: list[Delta] = []
    for part in parts:
        deltas += reader.read(part)
    return deltas if reader.failure else [*deltas, *reader.finish()]


def check(delta: Delta) -> None:
    match delta:
        case Text() | Reasoning():
            assert delta.text.encode()
        case ToolCallDelta():
            assert "".join((delta.call_id, delta.name, delta.arguments)).encode() is not None
        case Usage(read, written, cached, cache_written, thought):
            for count in (read, written, cached, cache_written, thought):
                assert type(count) is int
                assert 0 <= count <= 3 * MAX_TOKENS
        case _:
            pass


@pytest.mark.parametrize(
    ("begin", "answer"), [(ChunkReader, COMPLETION), (EventReader, MESSAGE)], ids=["chat completions", "messages"]
)
def test_what_does_not_belong_there_is_refused_or_ignored(
    begin: Callable[[Callable[[str], str]], ChunkReader | EventReader], answer: list[Mapping[str, Any]]
):
    refused = taken = 0
    for mutant in mutants(answer, MISPLACED):
        try:
            deltas = read(begin(lambda prefix: prefix), mutant)
        except (TypeError, ValueError, AttributeError):  # the engines say that the answer cannot be read
            refused += 1
            continue
        taken += 1
        for delta in deltas:
            check(delta)
    assert refused
    assert taken


@pytest.mark.parametrize("count", [-1, 1e300, math.nan, math.inf, 10**400, "10", [], {}, True, MAX_TOKENS + 1])
def test_a_usage_that_cannot_be_is_not_told(count: Any):
    for name in ("prompt_tokens", "completion_tokens"):
        reader = ChunkReader(str)
        deltas = read(reader, [*COMPLETION[:1], {"usage": TOKENS | {name: count}, "choices": []}])
        assert reader.usage is None or not count  # an empty value is as good as null
        assert deltas


def test_a_whole_number_with_a_point_is_a_count():
    reader = ChunkReader(str)
    reader.read({"usage": {"prompt_tokens": 10.0, "completion_tokens": 5.0}})
    assert reader.usage == Usage(10, 5)


@pytest.mark.parametrize("field", ["content", "refusal", "reasoning_content"])
def test_an_error_names_what_cannot_be_read(field: str):
    with pytest.raises(TypeError, match=rf"^{field} is of the type list, not a text$"):
        ChunkReader(str).read({"choices": [{"delta": {field: ["a"]}}]})


@pytest.mark.parametrize("call_id", [7, 1.5, True, ["a"], {"a": 1}])
def test_an_id_that_is_no_text_is_refused(call_id: Any):
    with pytest.raises(TypeError, match=r"^the id of a function call is of the type"):
        ChunkReader(str).read({"choices": [{"delta": {"tool_calls": [CALL | {"id": call_id}]}}]})
    use = {"type": "tool_use", "id": call_id, "name": "f"}
    with pytest.raises(TypeError, match=r"^the id of a tool use is of the type"):
        EventReader(str).read({"type": "content_block_start", "index": 0, "content_block": use})


@pytest.mark.parametrize(
    ("sent", "taken"), [("a\ud83d", "a\ufffd"), ("\ude00b", "\ufffdb"), ("\ud83d\ude00", "\U0001f600"), ("ä\0", "ä\0")]
)
def test_half_of_a_surrogate_pair_is_replaced(sent: str, taken: str):
    assert ChunkReader(str).read({"choices": [{"delta": {"content": sent}}]}) == [Text(taken)]
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": sent}}
    assert EventReader(str).read(delta) == [Text(taken)]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [('{"city": "\\ud800"}', "they hold half of a surrogate pair"), ('{"city": "\\ud83d\\ude00"}', ""), ("{}", "")],
)
def test_arguments_that_no_tool_could_be_sent_are_unreadable(arguments: str, problem: str):
    assert unreadable_arguments(arguments.encode("ascii", "backslashreplace").decode()) == problem


def test_the_result_of_a_tool_can_be_encoded():
    assert bounded("report-\udcff.txt") == "report-\ufffd.txt"  # a name of a file that is not UTF-8


def test_an_event_that_cannot_be_encoded_is_sent_all_the_same():
    event = json.loads(encode_event({"type": "x", "delta": "a\ud800ä", "n": None}))
    assert event == {"type": "x", "delta": "a?ä", "n": None}
