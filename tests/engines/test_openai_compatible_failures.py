"""What the OpenAI-compatible engine makes of errors, of answers that break off or never end, and of cancellation."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from scripted_provider import ScriptedProvider, chunk

from streamsrv.engines.llm.base import ChatOptions, Finished, Text
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable

pytest.importorskip("openai", reason="needs streamsrv[openai]")

from openai_compatible_engine import HELLO, KEY, Connect, ask, connecting


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedProvider, None]:
    async with ScriptedProvider().running() as provider:
        yield provider


@pytest.fixture
async def connect(provider: ScriptedProvider) -> AsyncGenerator[Connect, None]:
    async with connecting(provider) as connect:
        yield connect


async def test_a_stream_that_ends_without_a_reason_is_broken_off(provider: ScriptedProvider, connect: Connect):
    provider.chunks = [chunk({"content": "Hi"})]
    with pytest.raises(Unavailable, match="broke off"):
        await ask(connect())


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
