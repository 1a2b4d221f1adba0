"""The engine of Anthropic's Messages API, with the real SDK, against a scripted server on loopback."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest
from scripted_provider import ScriptedMessagesApi, block, start, stop, text, tool_use

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
from streamsrv.errors import Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler

pytest.importorskip("anthropic", reason="needs streamsrv[anthropic]")

from streamsrv.engines.llm.anthropic import AnthropicChatModel, load

KEY = "sk-ant-very-secret-key"
HELLO = [Message("user", "Hello!")]
WEATHER = Tool("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
LOW = ChatOptions(reasoning_effort="low")


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedMessagesApi, None]:
    provider = ScriptedMessagesApi()
    provider.is_strict = True
    provider.chunks = [start(), *text("Hi"), *stop()]
    async with provider.running():
        yield provider


Connect = Callable[..., AnthropicChatModel]


@pytest.fixture
async def connect(provider: ScriptedMessagesApi) -> AsyncGenerator[Connect, None]:
    """Loads the engine for the scripted provider, with options of the entry."""
    scheduler = Scheduler(1)
    async with contextlib.AsyncExitStack() as stack:

        def connect(key: str = KEY, **options: Any) -> AnthropicChatModel:
            options = {"model": "m", "base_url": provider.base_url} | options
            entry = ModelEntry("claude", "chat", "anthropic", options=options, efforts=("none", "low", "high"))
            model = load(entry, LoadContext(scheduler, {}, key))
            stack.push_async_callback(model.aclose)
            return model

        yield connect
    scheduler.close()


async def ask(
    model: AnthropicChatModel,
    messages: Sequence[Message] = HELLO,
    tools: Sequence[Tool] = (),
    options: ChatOptions | None = None,
) -> list[Delta]:
    return [delta async for delta in model.stream(messages, tools, options or ChatOptions())]


async def test_an_answer_and_its_request(provider: ScriptedMessagesApi, connect: Connect):
    provider.chunks = [start(cache_read_input_tokens=90), {"type": "ping"}, *text("Hi", " there"), *stop()]
    system = Message("system", "Be kind.")
    assert await ask(connect(), [system, *HELLO], options=ChatOptions(temperature=0.5)) == [
        Text("Hi"),
        Text(" there"),
        Usage(100, 5, 90),
        Finished("stop"),
    ]
    cached = {"type": "ephemeral"}
    assert provider.requests == [
        {
            "model": "m",
            "max_tokens": 4096,
            "system": [{"type": "text", "text": "Be kind.", "cache_control": cached}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello!", "cache_control": cached}]}],
            "stream": True,
            "temperature": 0.5,
        }
    ]
    assert provider.paths == ["/v1/messages"]
    headers = provider.received_headers[0]  # newer versions of the SDK use another one
    assert KEY in (headers.get("x-api-key"), headers.get("authorization", "").removeprefix("bearer "))


async def test_the_address_of_the_environment(
    provider: ScriptedMessagesApi, connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.base_url + "/")
    assert (await ask(connect(base_url="")))[0] == Text("Hi")


async def test_the_key_goes_to_no_other_machine_unencrypted(connect: Connect):
    with pytest.raises(Unavailable, match="unencrypted"):
        connect(base_url="http://example.com")


async def test_the_key_does_not_follow_a_redirect(provider: ScriptedMessagesApi, connect: Connect):
    other = ScriptedMessagesApi()
    async with other.running():
        provider.status, provider.chunks = 307, None
        provider.headers = {"location": f"{other.base_url}/v1/messages"}
        with pytest.raises(Unavailable):
            await ask(connect())
    assert other.paths == []


async def test_parallel_calls_in_pieces(provider: ScriptedMessagesApi, connect: Connect):
    two = tool_use("{}", index=2, call_id="toolu_2")
    provider.chunks = [start(), *text("Wait."), *tool_use('{"city":', '"Paris"}', index=1), *two, *stop("tool_use")]
    assert await ask(connect(), HELLO, [WEATHER]) == [
        Text("Wait."),
        ToolCallDelta(0, "", "toolu_1", "get_weather"),
        ToolCallDelta(0, '{"city":'),
        ToolCallDelta(0, '"Paris"}'),
        ToolCallDelta(1, "", "toolu_2", "get_weather"),
        ToolCallDelta(1, "{}"),
        Usage(10, 5),
        Finished("tool_calls"),
    ]


def thinking(index: int = 0) -> list[dict[str, Any]]:
    deltas = ({"type": "thinking_delta", "thinking": "hmm"}, {"type": "signature_delta", "signature": "SIGNED"})
    return block(index, "thinking", *deltas, thinking="", signature="")


THOUGHT = {"type": "thinking", "thinking": "hmm", "signature": "SIGNED"}


async def called(provider: ScriptedMessagesApi, model: AnthropicChatModel) -> list[Message]:
    """A conversation in which the model has thought and called a function."""
    provider.chunks = [start(), *thinking(), *tool_use('{"city":"Paris"}', index=1), *stop("tool_use")]
    reasoning, call, *_ = await ask(model, HELLO, [WEATHER], LOW)
    assert reasoning == Reasoning("hmm")
    assert isinstance(call, ToolCallDelta)
    made = ToolCall(call.call_id, call.name, '{"city":"Paris"}', call.provider_data)
    provider.chunks = [start(), *text("Sunny."), *stop()]
    return [*HELLO, Message("assistant", "", (made,)), Message("tool", "sunny", call_id=call.call_id)]


@pytest.mark.parametrize("mode", ["budget", "adaptive"])
async def test_what_it_thought_comes_back_with_its_call(provider: ScriptedMessagesApi, connect: Connect, mode: str):
    model = connect(thinking=mode)
    assert (await ask(model, await called(provider, model), [WEATHER], LOW))[0] == Text("Sunny.")
    assert provider.requests[-1]["messages"][1]["content"][0] == THOUGHT
    assert provider.refused == []


@pytest.mark.parametrize("mode", ["budget", "adaptive"])
async def test_thinking_that_the_provider_refuses_is_left_out(
    provider: ScriptedMessagesApi, connect: Connect, monkeypatch: pytest.MonkeyPatch, mode: str
):
    model = connect(thinking=mode)
    talk = await called(provider, model)

    def refuse(request: dict[str, Any]) -> str | None:
        is_thought = any(each["type"] == "thinking" for turn in request["messages"] for each in turn["content"])
        return "Invalid `signature` in `thinking` block." if is_thought else None

    monkeypatch.setattr(provider, "_refusal", refuse)
    assert (await ask(model, talk, [WEATHER], LOW))[0] == Text("Sunny.")
    assert len(provider.refused) == 1
    assert ("thinking" in provider.requests[-1]) is (mode == "adaptive")


async def test_a_refusal_of_something_else_is_not_repeated(
    provider: ScriptedMessagesApi, connect: Connect, monkeypatch: pytest.MonkeyPatch
):
    model = connect(thinking="adaptive")
    talk = await called(provider, model)
    monkeypatch.setattr(provider, "_refusal", lambda _: "max_tokens: too many")
    before = len(provider.requests)
    with pytest.raises(Rejected, match="too many"):
        await ask(model, talk, [WEATHER], LOW)
    assert len(provider.requests) == before + 1


async def test_a_pause_of_the_providers_own_tools_goes_on(provider: ScriptedMessagesApi, connect: Connect):
    search = block(1, "server_tool_use", {"type": "input_json_delta", "partial_json": '{"q":"x"}'}, id="s", name="web")
    search[0]["content_block"]["input"] = {}
    pause = [start(), *text("Let me see."), *search, *stop("pause_turn")]
    model = connect()
    deltas: list[Delta] = []
    provider.is_strict, provider.chunks = False, pause
    stream = model.stream(HELLO, (), ChatOptions())
    deltas.append(await anext(stream))
    provider.chunks = [start(), *text("Found."), *stop()]  # the first answer is on its way already
    deltas += [delta async for delta in stream]
    assert deltas == [Text("Let me see."), Text("Found."), Usage(20, 10), Finished("stop")]
    assert provider.requests[1]["messages"][1] == {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Let me see."},
            {"type": "server_tool_use", "id": "s", "name": "web", "input": {"q": "x"}},
        ],
    }


async def test_an_answer_that_pauses_without_end_is_over_at_last(provider: ScriptedMessagesApi, connect: Connect):
    provider.is_strict, provider.chunks = False, [start(), *text("Hm."), *stop("pause_turn")]
    deltas = await ask(connect())
    assert deltas[-1] == Finished("stop")
    assert len(provider.requests) == 6
    assert len(provider.requests[-1]["messages"]) == 2


async def test_a_refusal_of_the_model_is_told(provider: ScriptedMessagesApi, connect: Connect):
    provider.chunks = [start(), *text("I"), *stop("refusal")]
    assert (await ask(connect()))[-1] == Finished("content_filter")


async def test_warming_up_with_a_key_spends_no_tokens(provider: ScriptedMessagesApi, connect: Connect):
    provider.chunks, provider.body = None, b'{"data": [], "has_more": false}'
    await connect().warm_up()
    assert provider.paths == ["/v1/models"]


async def test_warming_up_without_a_key_makes_the_server_load_its_model(
    provider: ScriptedMessagesApi, connect: Connect
):
    await connect(key="").warm_up()
    assert provider.requests[0]["max_tokens"] == 1


async def test_a_wrong_option(connect: Connect):
    with pytest.raises(Unavailable, match="temprature"):
        connect(temprature=1)


@pytest.mark.parametrize(
    ("status", "error", "kind", "code"),
    [
        (400, {"type": "invalid_request_error", "message": "prompt is too long: 2 tokens > 1 maximum"}, Rejected,
         "context_length_exceeded"),
        (400, {"type": "invalid_request_error", "message": "Your credit balance is too low"}, Unavailable, None),
        (400, {"type": "invalid_request_error", "message": "x", "details": {"error_code": "spend_limit_reached"}},
         Unavailable, None),
        (413, {"type": "request_too_large", "message": "x"}, Rejected, None),
    ],
)  # fmt: skip
async def test_errors_of_claude(
    provider: ScriptedMessagesApi, connect: Connect, status: int, error: dict[str, Any], kind: type, code: str | None
):
    provider.status, provider.chunks = status, None
    provider.body = json.dumps({"type": "error", "error": error}).encode()
    with pytest.raises(kind, match=f"claude: {error['message']}") as raised:
        await ask(connect())
    assert getattr(raised.value, "code", None) == code


async def test_closing_the_iterator_closes_the_connection(provider: ScriptedMessagesApi, connect: Connect):
    provider.chunks, provider.stays_open = [start(), *text("Hi")], True
    deltas = connect().stream(HELLO, (), ChatOptions())
    assert await anext(deltas) == Text("Hi")
    assert not provider.disconnected.is_set()
    await deltas.aclose()
    async with asyncio.timeout(5):
        await provider.disconnected.wait()
