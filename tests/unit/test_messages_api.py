"""What is sent to Anthropic's Messages API, and what its events mean."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.history import valid_history
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.llm.abilities import abilities_of
from streamsrv.engines.llm.base import (
    ChatAbilities,
    ChatOptions,
    Delta,
    Effort,
    Finished,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from streamsrv.engines.llm.messages_api.events import EventReader
from streamsrv.engines.llm.messages_api.options import AnthropicOptions
from streamsrv.engines.llm.messages_api.request import RequestWriter
from streamsrv.errors import Rejected
from strict_history import messages_api_refusal

HELLO = [Message("user", "Hello!")]
WEATHER = Tool("get_weather", "Weather of a city", {"properties": {"city": {"type": "string"}}})
CACHED = {"type": "ephemeral"}
ALL_EFFORTS: Any = ("none", "minimal", "low", "medium", "high")
THOUGHT = {"type": "thinking", "thinking": "hmm", "signature": "SIGNED"}
SIGNED = {"claude": {"thinking": [THOUGHT]}}
PNG = "data:image/png;base64,iVBORw0KGgo="


def write(
    messages: Sequence[Message] = HELLO,
    tools: Sequence[Tool] = (),
    options: ChatOptions | None = None,
    *,
    sees_images: bool = True,
    **entry: Any,
) -> dict[str, Any]:
    settings = AnthropicOptions(model="m", **({"caches_prompts": False} | entry))
    abilities = ChatAbilities(calls_tools=True, sees_images=sees_images, efforts=ALL_EFFORTS)
    return RequestWriter("claude", settings, abilities).write(messages, tools, options or ChatOptions())


def texts(request: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(turn["role"], [block["text"] for block in turn["content"]]) for turn in request["messages"]]


def kinds(request: dict[str, Any]) -> list[list[str]]:
    return [[block["type"] for block in turn["content"]] for turn in request["messages"]]


def called(data: dict[str, Any] | None = None, *, call_id: str = "a", arguments: str = "{}") -> Message:
    return Message("assistant", "", (ToolCall(call_id, "get_weather", arguments, data or {}),))


def result(call_id: str = "a", content: str = "sunny") -> Message:
    return Message("tool", content, call_id=call_id)


# --- the conversation -------------------------------------------------------------------------------------------------


def test_the_smallest_request():
    assert write() == {
        "model": "m",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello!"}]}],
        "stream": True,
    }


def test_system_messages_are_the_system_prompt_wherever_they_stand():
    request = write([Message("system", "One."), *HELLO, Message("system", "Two."), Message("system", " ")])
    assert request["system"] == [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    assert texts(request) == [("user", ["Hello!"])]


def test_turns_alternate_and_begin_and_end_with_the_user():
    talk = [Message("assistant", "Hi."), Message("user", "One."), Message("user", "Two."), Message("assistant", "Yes.")]
    assert texts(write(talk)) == [
        ("user", ["Hello!"]),
        ("assistant", ["Hi."]),
        ("user", ["One.", "Two."]),
        ("assistant", ["Yes."]),
        ("user", ["(silence)"]),
    ]


@pytest.mark.parametrize(
    "talk", [[], [Message("system", "Greet.")], [Message("user", " ")], [Message("assistant", "")]]
)
def test_there_is_always_something_to_answer(talk: list[Message]):
    assert texts(write(talk)) == [("user", ["Hello!"])]


def test_users_are_told_apart_by_their_names():
    assert texts(write([Message("user", "Hi.", name="Ann")])) == [("user", ["Ann: Hi."])]


def test_results_come_first_in_the_turn_after_their_calls():
    calls = (ToolCall("a", "get_weather", '{"city": "Paris"}'), ToolCall("b", "get_weather", "{}"))
    talk = [
        *HELLO,
        Message("assistant", "Wait.", calls),
        result("b", "rain"),
        Message("user", "Well?"),
        result("a", ""),
    ]
    assert write(talk, [WEATHER])["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Wait."},
                {"type": "tool_use", "id": "a", "name": "get_weather", "input": {"city": "Paris"}},
                {"type": "tool_use", "id": "b", "name": "get_weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "b", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "a"},
                {"type": "text", "text": "Well?"},
            ],
        },
    ]


def test_ids_of_other_providers_get_the_characters_that_the_api_takes():
    request = write([*HELLO, called(call_id="functions.get:0"), result("functions.get:0")], [WEATHER])
    assert request["messages"][1]["content"][0]["id"] == "functions_get_0"
    assert request["messages"][2]["content"][0]["tool_use_id"] == "functions_get_0"


@pytest.mark.parametrize("arguments", ['{"city":', "[1]", '"x"', "null"])
def test_broken_arguments_are_shown_as_they_are(arguments: str):
    request = write([*HELLO, called(arguments=arguments), result()], [WEATHER])
    assert request["messages"][1]["content"][0]["input"] == {"not_an_object": arguments}


def test_calls_of_functions_that_are_no_longer_offered_are_described():
    request = write([*HELLO, called(), result()])
    assert request["tools"] == [{"name": "get_weather", "input_schema": {"type": "object"}}]
    assert request["tool_choice"] == {"type": "none"}


def test_images():
    shown = Message("user", "What is this?", images=(Image(PNG), Image("https://example.com/a.jpg")))
    assert write([shown])["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.jpg"}},
        {"type": "text", "text": "What is this?"},
    ]


@pytest.mark.parametrize("url", ["http://example.com/a.png", "data:image/tiff;base64,AAAA", "data:,hi", "a.png"])
def test_an_image_that_is_none(url: str):
    with pytest.raises(Rejected, match="no image that Claude takes; accepted: https") as raised:
        write([Message("user", "", images=(Image(url),))])
    assert raised.value.param == "messages"


def test_a_model_that_cannot_see_refuses_images():
    with pytest.raises(Rejected, match="cannot see images") as raised:
        write([Message("user", "What is this?", images=(Image(PNG),))], sees_images=False)
    assert (raised.value.code, raised.value.param) == ("unsupported_parameter", "messages")


_words = st.sampled_from(["", " ", "Hi.", "\n"])
_ids = st.sampled_from(["a", "b.1", "c:2", "d"])
_calls = st.builds(
    ToolCall, _ids, st.just("get_weather"), st.sampled_from(["{}", "{", ""]), st.sampled_from([{}, SIGNED])
)
_messages = st.one_of(
    st.builds(Message, st.sampled_from(["system", "user", "assistant"]), _words),
    st.builds(lambda words, calls: Message("assistant", words, tuple(calls)), _words, st.lists(_calls, max_size=3)),
    st.builds(lambda words, call_id: Message("tool", words, call_id=call_id), _words, _ids),
)


@given(
    st.lists(_messages, max_size=8),
    st.sampled_from(["none", "budget", "adaptive"]),
    st.sampled_from([None, "none", "low"]),
    st.booleans(),
)
def test_every_valid_history_is_a_conversation_that_claude_takes(
    messages: list[Message], thinking: Any, effort: Any, caches: bool
):
    options = ChatOptions(reasoning_effort=effort if thinking != "none" else None)
    tools = [WEATHER] if caches else []
    request = write(valid_history(messages), tools, options, thinking=thinking, caches_prompts=caches)
    assert messages_api_refusal(request) is None


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "parallel", "wire"),
    [
        ("auto", True, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("get_weather", True, {"type": "tool", "name": "get_weather"}),
    ],
)
def test_tools(choice: str, parallel: bool, wire: dict[str, Any]):
    options = ChatOptions(tool_choice=choice, parallel_tool_calls=parallel)
    request = write(HELLO, [WEATHER, Tool("now", strict=True)], options)
    assert request["tool_choice"] == wire
    assert request["tools"] == [
        {
            "name": "get_weather",
            "description": "Weather of a city",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
        {"name": "now", "input_schema": {"type": "object"}, "strict": True},
    ]


def test_the_options_of_a_request():
    schema = {"type": "object"}
    fields = {"user": "u", "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}
    options = ChatOptions(max_output_tokens=7, stop=("END",), temperature=0.5, provider_fields=fields)
    request = write(options=options, extra_body={"service_tier": "standard_only"})
    assert request["max_tokens"] == 7
    assert request["stop_sequences"] == ["END"]
    assert request["metadata"] == {"user_id": "u"}
    assert request["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert request["extra_body"] == {"temperature": 0.5, "service_tier": "standard_only"}


def test_what_changes_nothing_is_not_sent():
    fields = {"metadata": {"k": "v"}, "store": False, "service_tier": "auto", "prompt_cache_key": "k"}
    options = ChatOptions(frequency_penalty=0.0, presence_penalty=0, reasoning_effort="none", provider_fields=fields)
    assert write(options=options) == write()


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"seed": 1}, {}, "seed"),
    ({"logit_bias": {"1": 1}}, {}, "logit_bias"),
    ({"frequency_penalty": 0.1}, {}, "frequency_penalty"),
    ({"presence_penalty": -1}, {}, "presence_penalty"),
    ({"temperature": 1.1}, {}, "temperature"),
    ({"temperature": 1, "top_p": 0.5}, {}, "top_p"),
    ({"temperature": 0.5}, {"takes_sampling": False}, "temperature"),
    ({"top_p": 0.5}, {"takes_sampling": False}, "top_p"),
    ({"temperature": 0.5, "reasoning_effort": "low"}, {"thinking": "budget"}, "temperature"),
    ({"temperature": 0.5}, {"thinking": "budget", "reasoning_effort": "low"}, "temperature"),
    ({"stop": (" ",)}, {}, "stop"),
    ({"reasoning_effort": "low"}, {}, "reasoning_effort"),
    ({"reasoning_effort": "xhigh"}, {"thinking": "adaptive"}, "reasoning_effort"),
    ({"tool_choice": "required"}, {"forces_tools": False}, "tool_choice"),
    ({"tool_choice": "get_weather", "reasoning_effort": "low"}, {"thinking": "budget"}, "tool_choice"),
    ({"provider_fields": {"verbosity": "low"}}, {}, "verbosity"),
    ({"provider_fields": {"response_format": {"type": "json_object"}}}, {}, "response_format"),
    ({"provider_fields": {"service_tier": "priority"}}, {}, "service_tier"),
]


@pytest.mark.parametrize(("options", "entry", "param"), REFUSED)
def test_what_cannot_be_obeyed_is_refused_by_name(options: dict[str, Any], entry: dict[str, Any], param: str):
    with pytest.raises(Rejected, match=f"'{param}'") as raised:
        write(HELLO, [WEATHER], ChatOptions(**options), **entry)
    assert (raised.value.code, raised.value.param) == ("unsupported_parameter", param)


def test_the_default_of_sampling_is_taken_everywhere():
    assert write(options=ChatOptions(temperature=1, top_p=1), takes_sampling=False) == write()


def test_without_tools_their_choice_does_not_matter():
    assert write(options=ChatOptions(tool_choice="required"), forces_tools=False) == write()


# --- caching ----------------------------------------------------------------------------------------------------------


def test_the_instructions_and_the_conversation_are_marked_for_the_cache():
    request = write([Message("system", "A."), Message("system", "B."), *HELLO], [WEATHER], caches_prompts=True)
    assert "cache_control" not in request["tools"][0]
    assert [block.get("cache_control") for block in request["system"]] == [None, CACHED]
    assert request["messages"][-1]["content"][-1]["cache_control"] == CACHED


def test_without_instructions_the_tools_are_marked_for_the_cache():
    request = write(HELLO, [Tool("now"), WEATHER], caches_prompts=True)
    assert [tool.get("cache_control") for tool in request["tools"]] == [None, CACHED]


# --- thinking ---------------------------------------------------------------------------------------------------------


def test_a_model_with_a_budget_thinks_beside_the_limit_of_its_answer():
    options = ChatOptions(max_output_tokens=100, reasoning_effort="medium")
    request = write(options=options, thinking="budget")
    assert request["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    assert request["max_tokens"] == 4196
    assert "thinking" not in write(thinking="budget")


@pytest.mark.parametrize(("effort", "wire"), [("minimal", "low"), ("low", "low"), ("high", "high")])
def test_a_model_that_thinks_by_effort(effort: Any, wire: str):
    request = write(options=ChatOptions(reasoning_effort=effort), thinking="adaptive", thinking_off="disabled")
    assert request["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert request["output_config"] == {"effort": wire}


@pytest.mark.parametrize("off", ["disabled", "between_tools"])
def test_a_model_that_thinks_unless_it_is_told_not_to(off: Any):
    assert write(thinking="adaptive", thinking_off=off)["thinking"] == {"type": off}


LOW = ChatOptions(reasoning_effort="low")


@pytest.mark.parametrize(
    ("entry", "options"),
    [
        ({"thinking": "budget"}, LOW),
        ({"thinking": "adaptive"}, LOW),
        ({"thinking": "adaptive", "thinking_off": "between_tools"}, ChatOptions()),
    ],
)
def test_what_it_thought_before_a_call_comes_back_first_and_unchanged(entry: dict[str, Any], options: ChatOptions):
    talk = [*HELLO, Message("assistant", "Wait."), called(SIGNED), result()]
    request = write(talk, [WEATHER], options, **entry)
    assert kinds(request) == [["text"], ["thinking", "text", "tool_use"], ["tool_result"]]
    assert request["messages"][1]["content"][0] == THOUGHT


def test_what_it_thought_between_two_calls_comes_back_between_them():
    calls = tuple(ToolCall(call_id, "get_weather", "{}", SIGNED) for call_id in "ab")
    talk = [*HELLO, Message("assistant", "", calls), result("a"), result("b")]
    request = write(talk, [WEATHER], LOW, thinking="adaptive")
    assert kinds(request)[1] == ["thinking", "tool_use", "thinking", "tool_use"]


def test_what_it_thought_before_the_user_spoke_again_is_not_sent():
    talk = [*HELLO, called(SIGNED), result(), Message("assistant", "Sunny."), *HELLO]
    assert kinds(write(talk, [WEATHER], LOW, thinking="adaptive"))[1] == ["tool_use"]


def test_while_it_does_not_think_its_thoughts_are_not_sent():
    talk = [*HELLO, called(SIGNED), result()]
    assert kinds(write(talk, [WEATHER], thinking="adaptive", thinking_off="disabled"))[1] == ["tool_use"]


def test_the_thoughts_of_another_model_are_not_sent():
    talk = [*HELLO, called({"other": {"thinking": [THOUGHT]}}), result()]
    assert kinds(write(talk, [WEATHER], LOW, thinking="adaptive"))[1] == ["tool_use"]


def test_a_model_with_a_budget_does_not_think_after_a_call_without_thoughts():
    request = write([*HELLO, called(), result()], [WEATHER], LOW, thinking="budget")
    assert "thinking" not in request
    assert messages_api_refusal(request) is None


def test_a_model_that_thinks_by_default_does_not_where_a_function_must_be_called():
    entry: dict[str, Any] = {"thinking": "budget", "reasoning_effort": "low"}
    assert "thinking" in write(HELLO, [WEATHER], **entry)
    assert "thinking" not in write(HELLO, [WEATHER], ChatOptions(tool_choice="required"), **entry)


# --- events -----------------------------------------------------------------------------------------------------------


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


# --- the catalogue ----------------------------------------------------------------------------------------------------

CLAUDE = [entry for entry in load_catalogue().entries() if entry.engine == "anthropic"]


def test_the_catalogue_has_claude():
    assert {"claude-sonnet-4-5", "claude-haiku-4-5"} <= {entry.name for entry in CLAUDE}


@pytest.mark.parametrize(("entry", "effort"), [(entry, effort) for entry in CLAUDE for effort in entry.efforts])
def test_every_entry_takes_every_effort_that_it_states(entry: ModelEntry, effort: Effort):
    writer = RequestWriter(entry.name, AnthropicOptions(**entry.options), abilities_of(entry))
    request = writer.write(HELLO, [WEATHER], ChatOptions(reasoning_effort=effort))
    assert request["max_tokens"] <= entry.max_output_tokens
    assert (request.get("thinking", {}).get("type") in ("enabled", "adaptive")) is (effort != "none")
