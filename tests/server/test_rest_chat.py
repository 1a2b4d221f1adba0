"""`POST /v1/chat/completions` over a model that answers from a script."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest

from rest import Answer, post_json
from serving import serving
from streamsrv.engines.llm.base import (
    ChatOptions,
    Delta,
    Finished,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    Usage,
)
from streamsrv.errors import Overloaded, Rejected, Unavailable
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines

HELLO = [{"role": "user", "content": "Hello!"}]
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Of a town.", "parameters": {"a": 1}}}


class RecordingChatModel(ScriptedChatModel):
    """Keeps tools and options, too; `deltas`, if given, is what it answers, and an error in it is raised."""

    def __init__(self, *answers, deltas: Sequence[Delta | Exception] = ()) -> None:
        super().__init__(*answers)
        self.deltas = deltas
        self.tools: Sequence[Tool] = ()
        self.options = ChatOptions()

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        self.tools, self.options = tools, options
        for delta in self.deltas:
            if isinstance(delta, Exception):
                raise delta
            yield delta
        if not self.deltas:
            async for delta in super().stream(messages, tools, options):
                yield delta


@pytest.fixture
def chat() -> RecordingChatModel:
    return RecordingChatModel()


@pytest.fixture
def server(chat: RecordingChatModel):
    with serving(fake_engines(chat)) as running:
        yield running


async def complete(server, **fields) -> Answer:
    return await post_json(server, "/chat/completions", {"model": "gpt-5", "messages": HELLO, **fields})


async def test_a_whole_answer(server, chat):
    chat.answers = ["Good morning."]
    answer = (await complete(server)).json
    assert (answer["object"], answer["model"]) == ("chat.completion", "scripted-model")
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"] == {"role": "assistant", "content": "Good morning.", "refusal": None}
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (10, 2, 12)


async def test_a_streamed_answer(server, chat):
    chat.answers = ["Good morning."]
    *chunks, end = (await complete(server, stream=True)).events
    assert end == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [{"role": "assistant", "content": "Good "}, {"content": "morning."}, {}]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, "stop"]
    assert all("usage" not in chunk for chunk in chunks)


async def test_usage_comes_last_when_asked_for(server):
    *chunks, last, end = (await complete(server, stream=True, stream_options={"include_usage": True})).events
    assert end == "[DONE]"
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 12
    assert all(chunk["usage"] is None for chunk in chunks)


async def test_a_tool_call(server, chat):
    chat.answers = [("weather", '{"town": "Bonn"}'), ("weather", '{"town": "Bonn"}')]
    (choice,) = (await complete(server, tools=[WEATHER])).json["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    function = {"name": "weather", "arguments": '{"town": "Bonn"}'}
    assert choice["message"]["tool_calls"] == [{"id": "call_1", "type": "function", "function": function}]
    assert chat.tools == [Tool("weather", "Of a town.", {"a": 1})]
    *chunks, _ = (await complete(server, tools=[WEATHER], stream=True)).events
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    begun = {"index": 0, "id": "call_2", "type": "function", "function": {"name": "weather", "arguments": ""}}
    assert deltas[0] == {"role": "assistant", "content": None, "tool_calls": [begun]}
    assert deltas[1] == {"tool_calls": [{"index": 0, "function": {"arguments": '{"town": "Bonn"}'}}]}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_the_conversation_reaches_the_model(server, chat):
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "kind."}]},
        {"role": "user", "content": "Weather?", "name": "Ann"},
        {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None, "annotations": [], "audio": None},
        {"role": "tool", "tool_call_id": "call_1", "content": "Rain."},
        {"role": "assistant", "content": "It rains."},
    ]
    assert (await complete(server, messages=messages)).status == 200
    assert chat.asked[0] == [
        Message("system", "Be brief."),
        Message("system", "Be\nkind."),
        Message("user", "Weather?", name="Ann"),
        Message("assistant", "", (ToolCall("call_1", "weather", "{}"),)),
        Message("tool", "Rain.", call_id="call_1"),
        Message("assistant", "It rains."),
    ]


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, ChatOptions()),
        ({"max_tokens": 7}, ChatOptions(7)),
        ({"max_tokens": 7, "max_completion_tokens": 9}, ChatOptions(9)),
        ({"tool_choice": "required", "tools": [WEATHER]}, ChatOptions(tool_choice="required")),
        (
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}, "tools": [WEATHER]},
            ChatOptions(tool_choice="weather"),
        ),
        ({"parallel_tool_calls": False}, ChatOptions(parallel_tool_calls=False)),
        ({"tools": None, "max_tokens": None, "stop": None, "temperature": None}, ChatOptions()),
        ({"temperature": 0}, ChatOptions(temperature=0)),
        ({"temperature": 2, "top_p": 0.5}, ChatOptions(temperature=2, top_p=0.5)),
        ({"stop": "hundred"}, ChatOptions(stop=("hundred",))),
        ({"stop": ["a", "b"]}, ChatOptions(stop=("a", "b"))),
        ({"seed": -7}, ChatOptions(seed=-7)),
        ({"frequency_penalty": -2, "presence_penalty": 1.5}, ChatOptions(frequency_penalty=-2, presence_penalty=1.5)),
        ({"logit_bias": {"42": -100}}, ChatOptions(logit_bias={"42": -100})),
        ({"n": 1, "logprobs": False, "modalities": ["text"], "response_format": {"type": "text"}}, ChatOptions()),
        (
            {"user": "u", "metadata": {"k": "v"}, "store": False, "service_tier": "flex", "reasoning_effort": "low"},
            ChatOptions(
                provider_fields={
                    "user": "u",
                    "metadata": {"k": "v"},
                    "store": False,
                    "service_tier": "flex",
                },
                reasoning_effort="low",
            ),
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"a": 1}}}},
            ChatOptions(
                provider_fields={
                    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"a": 1}}}
                }
            ),
        ),
    ],
)
async def test_options_reach_the_model(server, chat, fields: dict, options: ChatOptions):
    assert (await complete(server, **fields)).status == 200
    assert chat.options == options


PNG = "data:image/png;base64,iVBORw0KGgoAAAAN"


async def test_pictures_reach_the_model(server, chat):
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.jpg"}},
    ]
    assert (await complete(server, messages=[{"role": "user", "content": parts}])).status == 200
    images = (Image(PNG, "low"), Image("https://example.org/cat.jpg"))
    assert list(chat.asked[0]) == [Message("user", "What is it?", images=images)]


@pytest.mark.parametrize("url", ["http://127.0.0.1/secret.png", "file:///etc/passwd", "data:image/png;base64,AAAA", ""])
async def test_what_is_no_picture_is_refused(server, url: str):
    parts = [{"type": "image_url", "image_url": {"url": url}}]
    answer = await complete(server, messages=[{"role": "user", "content": parts}])
    assert answer.status == 400
    assert answer.json["error"]["param"] == "messages[0].content.image_url.url"


@pytest.mark.parametrize(
    ("reason", "wire"),
    [
        ("stop", "stop"),
        ("max_output_tokens", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
    ],
)
async def test_why_the_model_stopped(server, chat, reason, wire: str):
    chat.deltas = [Reasoning("Hm."), Text("Yes."), Usage(3, 2, 1), Finished(reason)]
    whole = (await complete(server)).json
    assert whole["choices"][0]["finish_reason"] == wire
    assert whole["choices"][0]["message"]["content"] == "Yes.", "reasoning is not part of the answer"
    assert whole["usage"]["prompt_tokens_details"] == {"cached_tokens": 1}
    *chunks, _ = (await complete(server, stream=True)).events
    assert chunks[-1]["choices"][0]["finish_reason"] == wire


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"messages": None}, "missing_required_parameter", "messages"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "invalid_value", "messages[0].role"),
        ({"messages": [{"content": "x"}]}, "missing_required_parameter", "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "missing_required_parameter", "messages[0].content"),
        ({"messages": [*HELLO, {"role": "tool", "content": "x"}]}, "missing_required_parameter",
         "messages[1].tool_call_id"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "invalid_value",
         "messages[0].content[0].type"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"n": 2}, "invalid_value", "n"),
        ({"stream": "yes"}, "invalid_value", "stream"),
        ({"tools": [{"type": "retrieval"}]}, "invalid_value", "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "missing_required_parameter", "tools[0].function.name"),
        ({"tool_choice": "sometimes"}, "invalid_value", "tool_choice"),
        ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}, "tools": [WEATHER]}, "invalid_value",
         "tool_choice.function.name"),
        ({"response_format": {"type": "xml"}}, "invalid_value", "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "missing_required_parameter", "response_format.json_schema"),
        ({"temperature": "hot"}, "invalid_value", "temperature"),
        ({"temperature": 2.1}, "invalid_value", "temperature"),
        ({"temperature": -0.1}, "invalid_value", "temperature"),
        ({"top_p": 1.1}, "invalid_value", "top_p"),
        ({"top_p": True}, "invalid_value", "top_p"),
        ({"stop": 7}, "invalid_value", "stop"),
        ({"stop": ["a"] * 5}, "invalid_value", "stop"),
        ({"stop": ["a", 7]}, "invalid_value", "stop[1]"),
        ({"seed": 1.5}, "invalid_value", "seed"),
        ({"seed": 2**63}, "invalid_value", "seed"),
        ({"frequency_penalty": 3}, "invalid_value", "frequency_penalty"),
        ({"presence_penalty": "none"}, "invalid_value", "presence_penalty"),
        ({"logit_bias": {"42": 101}}, "invalid_value", "logit_bias[...]"),
        ({"logit_bias": {"word": 1}}, "invalid_value", "logit_bias"),
        ({"logit_bias": [1]}, "invalid_value", "logit_bias"),
        ({"logprobs": True}, "unsupported_parameter", "logprobs"),
        ({"top_logprobs": 3}, "unsupported_parameter", "top_logprobs"),
        ({"modalities": ["text", "audio"]}, "invalid_value", "modalities[1]"),
        ({"max_completion_tokens": 1.5}, "invalid_value", "max_completion_tokens"),
        ({"parallel_tool_calls": "no"}, "invalid_value", "parallel_tool_calls"),
        ({"user": 3}, "invalid_value", "user"),
        ({"metadata": {"k": 3}}, "invalid_value", "metadata[...]"),
        ({"store": "yes"}, "invalid_value", "store"),
        ({"service_tier": "free"}, "invalid_value", "service_tier"),
        ({"stream_options": {"include_usage": True}}, "invalid_value", "stream_options"),
        ({"tools": [WEATHER, WEATHER]}, "invalid_value", "tools[1].function.name"),
        ({"new_field": 1}, "unknown_parameter", "new_field"),
        ({"messages": [{**HELLO[0], "colour": "red"}]}, "unknown_parameter", "messages[0].colour"),
        ({"messages": [{"role": "assistant", "content": "x", "audio": {"id": "a"}}]}, "invalid_value",
         "messages[0].audio"),
        ({"tools": [{**WEATHER, "cache": True}]}, "unknown_parameter", "tools[0].cache"),
        ({"stream": True, "stream_options": {"every": 1}}, "unknown_parameter", "stream_options.every"),
    ],
)  # fmt: skip
async def test_a_bad_field_is_named(server, fields: dict, code: str, param: str):
    answer = await complete(server, **fields)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, code, param)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unavailable("No answer."), 503, "engine_unavailable"),
        (Overloaded("Slow down."), 429, "rate_limit_exceeded"),
        (Rejected("Wrong key at the provider."), 400, "rejected"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_fails_has_a_status(server, chat, error: Exception, status: int, code: str, stream: bool):
    chat.answers = [error]
    answer = await complete(server, stream=stream)
    assert (answer.status, answer.error["code"], answer.error["message"]) == (status, code, str(error))
    assert ("retry-after" in answer.headers) == (status == 429)


async def test_a_provider_that_fails_in_the_middle_is_an_event(server, chat):
    chat.deltas = [Text("Once upon"), Unavailable("The provider is gone.")]
    first, last = (await complete(server, stream=True)).events
    assert first["choices"][0]["delta"]["content"] == "Once upon"
    assert last["error"]["message"] == "The provider is gone."
    assert (await complete(server)).status == 503


async def test_a_model_can_be_named():
    other = ScriptedChatModel("From the other.", name="other")
    with serving(replace(fake_engines(), chat_by_name={"other": other})) as server:
        answer = (await complete(server, model="other")).json
        assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("other", "From the other.")
        assert (await complete(server)).json["model"] == "scripted-model"
