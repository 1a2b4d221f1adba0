"""The OpenAI-compatible engine against every wire shape that providers send, replayed over real HTTP on loopback."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest
from scripted_provider import USAGE, ScriptedProvider, chunk

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.base import (
    ChatOptions,
    Delta,
    Finished,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from streamsrv.engines.loading import LoadContext
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler

pytest.importorskip("openai", reason="needs streamsrv[openai]")

from streamsrv.engines.llm.openai_compatible import OpenAICompatibleChatModel, load

KEY = "sk-very-secret-key"
HELLO = [Message("user", "Hello!")]
WEATHER = Tool("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedProvider, None]:
    provider = ScriptedProvider()
    async with provider.running():
        yield provider


Connect = Callable[..., OpenAICompatibleChatModel]


@pytest.fixture
async def connect(provider: ScriptedProvider) -> AsyncGenerator[Connect, None]:
    """Loads the engine for the scripted provider, with options of the entry."""
    scheduler = Scheduler(1)
    async with contextlib.AsyncExitStack() as stack:

        def connect(**options: Any) -> OpenAICompatibleChatModel:
            entry = ModelEntry(
                "scripted", "chat", "openai_compatible", options={"model": "m", "base_url": provider.base_url} | options
            )
            model = load(entry, LoadContext(scheduler, {}, KEY))
            stack.push_async_callback(model.aclose)
            return model

        yield connect
    scheduler.close()


async def ask(
    model: OpenAICompatibleChatModel,
    messages: Sequence[Message] = HELLO,
    tools: Sequence[Tool] = (),
    options: ChatOptions | None = None,
) -> list[Delta]:
    return [delta async for delta in model.stream(messages, tools, options or ChatOptions())]


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


GEMINI_CALL = {
    "id": "a1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city":'},
    "extra_content": {"google": {"thought_signature": "SIGNATURE"}},
}


SIGNATURE = {"scripted": {"extra_content": GEMINI_CALL["extra_content"]}}


async def test_gemini_tool_call_without_index_and_with_stop(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [
        chunk({"role": "assistant", "tool_calls": [GEMINI_CALL]}),
        chunk({"tool_calls": [{"function": {"arguments": '"Paris"}'}}]}),
        chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 9}),
    ]
    assert await ask(connect()) == [
        ToolCallDelta(0, '{"city":', "a1", "get_weather", SIGNATURE),
        ToolCallDelta(0, '"Paris"}'),
        Usage(3, 6, reasoning_tokens=4),  # the rest of the total is what it thought
        Finished("tool_calls"),
    ]


async def test_gemini_gets_its_thought_signature_back(provider: ScriptedProvider, connect: Connect):
    model = connect()
    provider.chunks = [chunk({"tool_calls": [GEMINI_CALL]}, "stop")]
    (called, _) = await ask(model)
    assert isinstance(called, ToolCallDelta)
    provider.chunks = [chunk({"content": "Sunny."}, "stop")]
    call = ToolCall("a1", "get_weather", '{"city":"Paris"}', called.provider_data)
    await ask(model, [*HELLO, Message("assistant", "", (call,)), Message("tool", "sunny", call_id="a1")])
    assert provider.requests[-1]["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "a1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                    "extra_content": {"google": {"thought_signature": "SIGNATURE"}},
                }
            ],
        },
        {"role": "tool", "content": "sunny", "tool_call_id": "a1"},
    ]


WEATHER_CALL = ToolCall("a1", "get_weather", "{}", {"another-model": {"extra_content": "another provider's"}})


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        ("gemini-3.8-flash", {"google": {"thought_signature": "skip_thought_signature_validator"}}),
        ("models/gemini-4-flash", {"google": {"thought_signature": "skip_thought_signature_validator"}}),
        ("gemini-2.5-flash", None),
        ("gpt-4o-mini", None),
    ],
)
async def test_a_call_without_a_signature_is_one_that_gemini_accepts(
    provider: ScriptedProvider, connect: Connect, model: str, extra: Any
):
    provider.chunks = [chunk({"content": "Sunny."}, "stop")]
    second = ToolCall("a2", "get_weather", "{}")
    results = [Message("tool", "sunny", call_id=call_id) for call_id in ("a1", "a2")]
    await ask(connect(model=model), [*HELLO, Message("assistant", "", (WEATHER_CALL, second)), *results])
    calls = provider.requests[0]["messages"][1]["tool_calls"]
    assert [call.get("extra_content") for call in calls] == [extra, None]


async def test_a_signature_of_one_parallel_call_is_enough(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"content": "Sunny."}, "stop")]
    signed = ToolCall("a2", "get_weather", "{}", SIGNATURE)
    results = [Message("tool", "sunny", call_id=call_id) for call_id in ("a1", "a2")]
    await ask(connect(model="gemini-3.8-flash"), [*HELLO, Message("assistant", "", (WEATHER_CALL, signed)), *results])
    calls = provider.requests[0]["messages"][1]["tool_calls"]
    assert [call.get("extra_content") for call in calls] == [None, GEMINI_CALL["extra_content"]]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_what_was_thought_before_a_call_goes_back_with_it(
    provider: ScriptedProvider, connect: Connect, field: str
):
    model = connect(returns_reasoning=True)
    call = {"index": 0, "id": "a1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    provider.chunks = [chunk({field: "Paris is"}), chunk({field: " a city."}), chunk({"tool_calls": [call]}, "stop")]
    [called] = [delta for delta in await ask(model) if isinstance(delta, ToolCallDelta)]
    provider.chunks = [chunk({"content": "Sunny."}, "stop")]
    made = Message("assistant", "", (ToolCall("a1", "get_weather", "{}", called.provider_data),))
    await ask(model, [*HELLO, made, Message("tool", "sunny", call_id="a1")])
    sent = provider.requests[-1]["messages"][1]
    assert sent[field] == "Paris is a city."
    assert set(sent["tool_calls"][0]) == {"id", "type", "function"}


async def test_a_provider_that_does_not_want_it_is_not_shown_what_was_thought(
    provider: ScriptedProvider, connect: Connect
):
    call = {"index": 0, "id": "a1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    provider.chunks = [chunk({"reasoning": "hmm"}), chunk({"tool_calls": [call]}, "stop")]
    [called] = [delta for delta in await ask(connect()) if isinstance(delta, ToolCallDelta)]
    assert called.provider_data == {}


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


async def test_tokens_of_thought_are_part_of_the_output(provider: ScriptedProvider, connect: Connect):
    details = {"completion_tokens_details": {"reasoning_tokens": 3}}
    provider.chunks = [chunk({"content": "a"}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 5, **details})]
    assert Usage(3, 5, reasoning_tokens=3) in await ask(connect())


async def test_a_stream_that_ends_without_a_reason_is_broken_off(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"content": "Hi"})]
    with pytest.raises(Unavailable, match="broke off"):
        await ask(connect())


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


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"message": "bad input"}, Rejected),
        (400, {"code": 400, "message": "no key", "details": [{"reason": "API_KEY_INVALID"}]}, Unavailable),
        (401, {"message": f"Incorrect API key provided: {KEY}"}, Unavailable),
        (402, {"message": "Insufficient Balance"}, Unavailable),
        (403, {"message": "not in your country"}, Unavailable),
        (413, {"message": "too large"}, Rejected),
        (404, {"message": "model 'm' not found, try pulling it first"}, Unavailable),
        (422, {"message": "cannot be processed"}, Rejected),
        (429, {"message": "too fast", "code": "rate_limit_exceeded"}, Overloaded),
        (429, {"message": "no money", "code": "insufficient_quota", "type": "insufficient_quota"}, Unavailable),
        (500, {"message": "broken"}, Unavailable),
        (503, {"message": "loading model"}, Unavailable),
    ],
)
async def test_status_codes(
    provider: ScriptedProvider, connect: Connect, status: int, error: dict[str, str], kind: type[EngineError]
):
    provider.status, provider.body = status, json.dumps({"error": error}).encode()
    with pytest.raises(EngineError) as raised:
        await ask(connect())
    assert type(raised.value) is kind
    assert error["message"].replace(KEY, "***") in str(raised.value)
    assert KEY not in str(raised.value)
    assert len(provider.requests) == 1, "a failed request must not be repeated"


@pytest.mark.parametrize(
    ("error", "code", "param"),
    [
        ({"message": "no", "code": "invalid_value", "param": "messages[1].role"}, "invalid_value", "messages[1].role"),
        ({"message": "no", "code": 400, "type": "invalid_request_error"}, None, None),
        ({"message": "too long", "code": "context_length_exceeded"}, "context_length_exceeded", "messages"),
        ({"message": "too long", "code": 400, "type": "exceed_context_size_error"}, "context_length_exceeded",
         "messages"),
        ({"message": "This model's maximum context length is 8192 tokens."}, "context_length_exceeded", "messages"),
    ],
)  # fmt: skip
async def test_a_refusal_keeps_its_code_and_the_field_at_fault(
    provider: ScriptedProvider, connect: Connect, error: dict[str, Any], code: str | None, param: str | None
):
    provider.status, provider.body = 400, json.dumps({"error": error}).encode()
    with pytest.raises(Rejected) as raised:
        await ask(connect())
    assert (raised.value.code, raised.value.param) == (code, param)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'[{"error": {"code": 400, "message": "from a list"}}]', "from a list"),
        (b'{"detail": "from a detail"}', "from a detail"),
        (b'{"error": "plain"}', "plain"),
        (b"<html>" + b"long " * 1000, "<html>"),
        (b"", "400"),
    ],
)
async def test_shapes_of_error_bodies(provider: ScriptedProvider, connect: Connect, body: bytes, sentence: str):
    provider.status, provider.body = 400, body
    with pytest.raises(Rejected) as raised:
        await ask(connect())
    assert sentence in str(raised.value)
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize(("code", "kind"), [(503, Unavailable), (None, Unavailable), (429, Overloaded)])
async def test_an_error_in_the_middle(
    provider: ScriptedProvider, connect: Connect, code: int | None, kind: type[EngineError]
):
    provider.chunks = [chunk({"content": "Hi"}), {"error": {"message": "it broke", "code": code}}]
    deltas = connect().stream(HELLO, (), ChatOptions())
    assert await anext(deltas) == Text("Hi")
    with pytest.raises(kind, match="it broke"):
        await anext(deltas)


async def test_an_answer_that_ends_before_it_begins(provider: ScriptedProvider, connect: Connect):
    provider.chunks = []
    with pytest.raises(Unavailable, match="before it began"):
        await ask(connect())


async def test_a_silent_server_times_out(provider: ScriptedProvider, connect: Connect):
    provider.chunks, provider.stays_open = [chunk({"content": "Hi"})], True
    with pytest.raises(Unavailable, match="in time"):
        await ask(connect(read_timeout_s=0.1))


async def test_keep_alive_comments_and_empty_chunks_are_no_answer(provider: ScriptedProvider, connect: Connect):
    provider.chunks, provider.keeps_alive = [chunk({"content": ""})], True
    with pytest.raises(Unavailable, match="in time"):
        await ask(connect(read_timeout_s=0.2))


async def test_a_stream_that_stays_open_after_the_reason_to_stop_is_complete(
    provider: ScriptedProvider, connect: Connect
):
    provider.chunks, provider.stays_open = [chunk({"content": "Hi"}, "stop")], True
    assert await ask(connect(read_timeout_s=0.1)) == [Text("Hi"), Finished("stop")]


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([chunk({"content": "Hi"}), chunk({}, "error")], r"broke off its answer \(error\)"),
        ([chunk({"content": "Hi"}), chunk({}, "insufficient_system_resource")], "broke off its answer"),
        ([chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}, "tool_calls")], "without naming it"),
        ([chunk({"function_call": {"name": "f", "arguments": "{}"}}, "function_call")], "without naming it"),
    ],
)
async def test_an_answer_that_the_server_could_not_complete(
    provider: ScriptedProvider, connect: Connect, chunks: list[dict[str, Any]], message: str
):
    provider.chunks = chunks
    with pytest.raises(Unavailable, match=message):
        await ask(connect())


@pytest.mark.parametrize("field", ["content", "reasoning_content", "refusal"])
async def test_an_answer_without_an_end_is_given_up(provider: ScriptedProvider, connect: Connect, field: str):
    provider.chunks = [chunk({field: "a" * 100_000})] * 11
    deltas = connect().stream(HELLO, (), ChatOptions())
    for _ in range(10):
        await anext(deltas)
    with pytest.raises(Unavailable, match="does not stop"):
        await anext(deltas)


async def test_a_refusal_of_the_model_is_its_answer(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"refusal": "I cannot"}), chunk({"refusal": " help."}), chunk({}, "stop")]
    assert await ask(connect()) == [Text("I cannot"), Text(" help."), Finished("stop")]


async def test_no_server(connect: Connect):
    with pytest.raises(Unavailable, match="cannot be reached at http://127"):
        await ask(connect(base_url="http://127.0.0.1:9/v1"))


async def test_a_connection_that_the_server_closed_is_replaced_once(provider: ScriptedProvider, connect: Connect):
    provider.chunks, provider.hangs_up = [chunk({"content": "Hi"}, "stop")], 1
    assert await ask(connect()) == [Text("Hi"), Finished("stop")]
    provider.hangs_up = 2
    with pytest.raises(Unavailable, match="cannot be reached"):
        await ask(connect())


async def test_a_wrong_option(connect: Connect):
    with pytest.raises(Unavailable, match="temprature"):
        connect(temprature=1)


async def test_closing_the_iterator_closes_the_connection(provider: ScriptedProvider, connect: Connect):
    provider.chunks, provider.stays_open = [chunk({"content": "Hi"})], True
    deltas = connect().stream(HELLO, (), ChatOptions())
    assert await anext(deltas) == Text("Hi")
    assert not provider.disconnected.is_set()
    await deltas.aclose()
    async with asyncio.timeout(5):
        await provider.disconnected.wait()


async def test_cancelling_the_task_closes_the_connection(provider: ScriptedProvider, connect: Connect):
    provider.chunks, provider.stays_open = [chunk({"content": "Hi"})], True
    task = asyncio.create_task(ask(connect()))
    async with asyncio.timeout(5):
        await provider.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await provider.disconnected.wait()
