"""What is sent to Anthropic's Messages API."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages_api_requests import HELLO, SIGNED, WEATHER, called, result, write
from streamsrv.core.history import valid_history
from streamsrv.engines.llm.base import ChatOptions, Image, Message, Tool, ToolCall
from streamsrv.errors import Rejected
from strict_history import messages_api_refusal

CACHED = {"type": "ephemeral"}
PNG = "data:image/png;base64,iVBORw0KGgo="


def texts(request: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(turn["role"], [block["text"] for block in turn["content"]]) for turn in request["messages"]]


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
