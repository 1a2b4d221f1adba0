"""What the OpenAI-compatible engine sends, and what it makes of every shape of answer, over real HTTP on loopback."""

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from scripted_provider import USAGE, ScriptedProvider, chunk

from streamsrv.engines.llm.base import (
    ChatOptions,
    Delta,
    Finished,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCallDelta,
    Usage,
)
from streamsrv.errors import Unavailable

pytest.importorskip("openai", reason="needs streamsrv[openai]")

from openai_compatible_engine import HELLO, WEATHER, Connect, ask, connecting


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedProvider, None]:
    async with ScriptedProvider().running() as provider:
        yield provider


@pytest.fixture
async def connect(provider: ScriptedProvider) -> AsyncGenerator[Connect, None]:
    async with connecting(provider) as connect:
        yield connect


def joined(deltas: Sequence[Delta], kind: type[Text] | type[Reasoning]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, kind))


# --- what providers send ----------------------------------------------------------------------------------------------


async def test_openai(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hi"}),
        chunk({"content": " there"}),
        chunk({}, "stop"),
        chunk(
            usage={"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}},
        ),
    ]
    assert await ask(connect()) == [Text("Hi"), Text(" there"), Usage(10, 5, 8), Finished("stop")]


async def test_openai_tool_calls_in_pieces(provider: ScriptedProvider, connect: Connect):
    def call(index: int, arguments: str, **fields: Any) -> dict[str, Any]:
        function = {"arguments": arguments} | ({"name": fields.pop("name")} if "name" in fields else {})
        return chunk({"tool_calls": [{"index": index, "function": function, **fields}]})

    provider.chunks = [
        call(0, "", id="a", type="function", name="get_weather"),
        call(0, '{"city":'),
        call(1, "{}", id="b", type="function", name="get_time"),
        call(0, '"Paris"}'),
        chunk({}, "tool_calls"),
        USAGE,
    ]
    assert await ask(connect(), tools=[WEATHER]) == [
        ToolCallDelta(0, "", "a", "get_weather"),
        ToolCallDelta(0, '{"city":'),
        ToolCallDelta(1, "{}", "b", "get_time"),
        ToolCallDelta(0, '"Paris"}'),
        Usage(10, 5),
        Finished("tool_calls"),
    ]


async def test_two_gemini_calls_without_index_and_id(provider: ScriptedProvider, connect: Connect):
    calls = [{"id": "", "function": {"name": name, "arguments": "{}"}} for name in ("one", "two")]
    provider.chunks = [chunk({"tool_calls": calls}, "stop")]
    first, second, finished = await ask(connect())
    assert isinstance(first, ToolCallDelta)
    assert isinstance(second, ToolCallDelta)
    assert [(first.index, first.name), (second.index, second.name)] == [(0, "one"), (1, "two")]
    assert first.call_id
    assert first.call_id != second.call_id
    assert finished == Finished("tool_calls")


async def test_a_tool_name_that_comes_late(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": "{"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"name": "now", "arguments": "}"}}]}, "tool_calls"),
    ]
    assert await ask(connect()) == [ToolCallDelta(0, "{}", "a", "now"), Finished("tool_calls")]


async def test_deepseek_reasoning_content(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [
        chunk({"role": "assistant", "content": None, "reasoning_content": "hmm"}),
        chunk({"content": None, "reasoning_content": " ok"}),
        chunk({"content": "Hi", "reasoning_content": None}),
        chunk(
            {"content": ""}, "stop", usage={"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 8}
        ),
    ]
    expected = [Reasoning("hmm"), Reasoning(" ok"), Text("Hi"), Usage(10, 5, 8), Finished("stop")]
    assert await ask(connect()) == expected


async def test_vllm_and_ollama_reasoning(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"role": "assistant", "reasoning": "hmm"}), chunk({"content": "Hi"}, "stop"), USAGE]
    assert await ask(connect()) == [Reasoning("hmm"), Text("Hi"), Usage(10, 5), Finished("stop")]


async def test_think_tags_in_the_text(provider: ScriptedProvider, connect: Connect):
    parts = ("<thi", "nk>hm", "m</", "think>\n\nHi", " there <")
    provider.chunks = [*(chunk({"content": part}) for part in parts), chunk({}, "stop")]
    deltas = await ask(connect())
    assert joined(deltas, Reasoning) == "hmm"
    assert joined(deltas, Text) == "Hi there <"
    assert deltas[-1] == Finished("stop")


async def test_a_template_that_opens_the_think_tag(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"content": "hmm</think>Hi"}, "stop")]
    deltas = await ask(connect(starts_thinking=True))
    assert (joined(deltas, Reasoning), joined(deltas, Text)) == ("hmm", "Hi")


async def test_a_server_that_separates_thoughts_needs_no_tags(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"reasoning": "hmm"}), chunk({"content": "Hi"}), chunk({"content": " there"}, "stop")]
    deltas = await ask(connect(starts_thinking=True))
    assert (joined(deltas, Reasoning), joined(deltas, Text)) == ("hmm", "Hi there")


async def test_thoughts_without_an_end_are_never_spoken(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"content": "hmm"}, "stop")]
    deltas = await ask(connect(starts_thinking=True))
    assert (joined(deltas, Reasoning), joined(deltas, Text)) == ("hmm", "")


async def test_a_refusal_of_the_model_is_its_answer(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"refusal": "I cannot"}), chunk({"refusal": " help."}), chunk({}, "stop")]
    assert await ask(connect()) == [Text("I cannot"), Text(" help."), Finished("stop")]


async def test_tokens_of_thought_are_part_of_the_output(provider: ScriptedProvider, connect: Connect):
    details = {"completion_tokens_details": {"reasoning_tokens": 3}}
    provider.chunks = [chunk({"content": "a"}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 5, **details})]
    assert Usage(3, 5, reasoning_tokens=3) in await ask(connect())


async def test_usage_on_every_chunk_is_reported_once(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [
        chunk({"content": text}, usage={"prompt_tokens": 3, "completion_tokens": count})
        for count, text in enumerate(("a", "b"), start=1)
    ] + [chunk({}, "stop")]
    assert [delta for delta in await ask(connect()) if isinstance(delta, Usage)] == [Usage(3, 2)]


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        ("length", "max_output_tokens"),
        ("MAX_TOKENS", "max_output_tokens"),
        ("content_filter", "content_filter"),
        ("content_filter: RECITATION", "content_filter"),
        ("SAFETY", "content_filter"),
        ("eos", "stop"),
    ],
)
async def test_why_it_stopped(provider: ScriptedProvider, connect: Connect, wire: str, reason: str):
    provider.chunks = [chunk({"content": "Hi"}, wire)]
    assert (await ask(connect()))[-1] == Finished(reason)  # type: ignore[arg-type]


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_the_request(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"content": "Hi"}, "stop")]
    model = connect(reasoning_effort="none", extra_body={"thinking": {"type": "disabled"}})
    options = ChatOptions(max_output_tokens=7, tool_choice="get_weather", parallel_tool_calls=False)
    await ask(model, [Message("system", "Be kind."), *HELLO], [WEATHER], options)
    assert provider.requests == [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello!"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 7,
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "get_weather",
                        "description": "Weather of a city",
                        "parameters": WEATHER.parameters,
                    },
                }
            ],
            "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
            "parallel_tool_calls": False,
            "reasoning_effort": "none",
            "thinking": {"type": "disabled"},
        }
    ]


async def test_the_options_of_a_request_are_sent(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"content": "Hi"}, "stop")]
    sampling: dict[str, Any] = {"temperature": 0.0, "top_p": 0.5, "seed": 7}
    sampling |= {"frequency_penalty": 0.0, "presence_penalty": -1.0, "logit_bias": {"42": -100}}
    fields = {"response_format": {"type": "json_object"}, "user": "u"}
    tool = Tool("get_weather", strict=True)
    options = ChatOptions(stop=("one", "two"), reasoning_effort="high", provider_fields=fields, **sampling)
    await ask(connect(reasoning_effort="none"), [Message("user", "Hi", name="Ann")], [tool], options)
    [request] = provider.requests
    assert request == request | sampling | fields | {"stop": ["one", "two"], "reasoning_effort": "high"}
    assert request["messages"] == [{"role": "user", "content": "Hi", "name": "Ann"}]
    assert request["tools"][0]["function"]["strict"] is True


async def test_nothing_optional_is_sent_unasked(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"content": "Hi"}, "stop")]
    await ask(connect())
    assert sorted(provider.requests[0]) == ["messages", "model", "stream", "stream_options"]


async def test_without_a_model_name_the_first_listed_one_is_used(provider: ScriptedProvider, connect: Connect):
    model = connect(model="")
    provider.body = json.dumps({"object": "list", "data": [{"id": "first"}, {"id": "second"}]}).encode()
    await model.warm_up()
    with pytest.raises(Unavailable):  # the answer is no stream, but the request has been made
        await ask(model)
    assert provider.requests[-1]["model"] == "first"


async def test_warming_up_with_a_key_spends_no_tokens(provider: ScriptedProvider, connect: Connect):
    provider.body = b'{"object":"list","data":[]}'
    await connect().warm_up()
    assert provider.paths == ["/v1/models"]
