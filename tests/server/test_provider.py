"""A session and a REST request over a provider that refuses what OpenAI refuses, with another model behind it."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from scripted_provider import USAGE, ScriptedProvider, chunk

from rest import post_json
from serving import RunningServer, serving
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.llm.openai_compatible import OpenAICompatibleChatModel, OpenAICompatibleOptions
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import Wire, wire

HELLO = [{"role": "user", "content": "Hello!"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
SPOKEN = [chunk({"content": "It is sunny."}), chunk({}, "stop"), USAGE]


def called(*call_ids: str) -> list[dict[str, Any]]:
    function = {"name": "weather", "arguments": "{}"}
    calls = [{"index": n, "id": call_id, "function": function} for n, call_id in enumerate(call_ids)]
    return [chunk({"tool_calls": calls}), chunk({}, "tool_calls")]


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedProvider]:
    provider = ScriptedProvider()
    provider.is_strict, provider.chunks = True, SPOKEN
    async with provider.running():
        yield provider


@pytest.fixture
def server(provider: ScriptedProvider):
    options = OpenAICompatibleOptions(model="m", base_url=provider.base_url)
    models = [OpenAICompatibleChatModel("provider", options, "sk-test"), ScriptedChatModel(name="stand-in")]
    with serving(fake_engines(FallbackChatModel(models))) as running:
        yield running


async def respond(client: Wire) -> dict[str, Any]:
    await client.send("response.create")
    return (await client.until("response.done"))["response"]


async def create(client: Wire, **item: Any) -> None:
    await client.send("conversation.item.create", item=item)


async def say(client: Wire, text: str) -> None:
    await create(client, type="message", role="user", content=[{"type": "input_text", "text": text}])


async def output(client: Wire, call_id: str) -> None:
    await create(client, type="function_call_output", call_id=call_id, output="sun")


async def call_twice(client: Wire, provider: ScriptedProvider) -> list[str]:
    """Have the model call two functions at once; returns the ids of the items."""
    tools = [{"type": "function", "name": "weather", "parameters": {}}]
    await client.send("session.update", session={"type": "realtime", "output_modalities": ["text"], "tools": tools})
    provider.chunks = called("a", "b")
    response = await respond(client)
    provider.chunks = SPOKEN
    return [item["id"] for item in response["output"]]


async def words_before_outputs(client: Wire, items: list[str]) -> None:
    await say(client, "wait")
    await output(client, "a")
    await output(client, "b")


async def no_output(client: Wire, items: list[str]) -> None: ...


async def one_output(client: Wire, items: list[str]) -> None:
    await output(client, "b")


async def a_deleted_call(client: Wire, items: list[str]) -> None:
    await output(client, "a")
    await output(client, "b")
    await client.send("conversation.item.delete", item_id=items[0])


async def an_output_twice(client: Wire, items: list[str]) -> None:
    for call_id in "abb":
        await output(client, call_id)


async def reversed_with_words_between(client: Wire, items: list[str]) -> None:
    await output(client, "b")
    await say(client, "well?")
    await output(client, "a")


@pytest.mark.parametrize(
    "disturb",
    [words_before_outputs, no_output, one_output, a_deleted_call, an_output_twice, reversed_with_words_between],
)
async def test_a_strict_provider_answers_whatever_became_of_the_calls(
    server: RunningServer, provider: ScriptedProvider, disturb
):
    async with wire(f"{server.realtime_url}?model=gpt-realtime") as client:
        await disturb(client, await call_twice(client, provider))
        for _ in range(2):
            done = await respond(client)
            assert (done["status"], done["streamsrv"]["model"]) == ("completed", "provider")
            await say(client, "and now?")
    assert provider.refused == []


async def test_an_output_of_an_unknown_call_gets_an_error(server: RunningServer):
    async with wire(server.realtime_url) as client:
        item = {"type": "function_call_output", "call_id": "x", "output": "sun"}
        await client.send("conversation.item.create", event_id="mine", item=item)
        error = await client.error()
    assert (error["code"], error["event_id"]) == ("invalid_tool_call_id", "mine")


def fail(provider: ScriptedProvider, status: int, **error: Any) -> None:
    provider.status, provider.chunks, provider.body = status, None, json.dumps({"error": error}).encode()


FAILURES = [(429, "exceeded your quota"), (500, "broken"), (503, "loading"), (401, "wrong key"), (403, "not allowed")]


@pytest.mark.parametrize(("status", "message"), FAILURES)
@pytest.mark.parametrize("stream", [False, True])
async def test_rest_names_the_model_that_stands_in(
    server: RunningServer, provider: ScriptedProvider, status: int, message: str, stream: bool
):
    fail(provider, status, message=message)
    answer = await post_json(server, "/chat/completions", {"model": "any", "messages": HELLO, "stream": stream})
    assert answer.status == 200
    objects = answer.events[:-1] if stream else [answer.json]
    for wired in objects:
        assert wired["model"] == "stand-in"
        assert wired["streamsrv"]["fallback"] == {"from": "provider", "reason": f"provider: {message}"}


@pytest.mark.parametrize("stream", [False, True])
async def test_rest_gives_the_refusal_of_the_provider(server: RunningServer, provider: ScriptedProvider, stream: bool):
    messages = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [CALL]}, *HELLO]
    answer = await post_json(server, "/chat/completions", {"model": "any", "messages": messages, "stream": stream})
    assert (answer.status, answer.error["param"]) == (400, "messages")
    assert provider.refused[-1] in answer.error["message"]
    assert answer.error["type"] == "invalid_request_error"


async def test_rest_names_the_provider_that_answers(server: RunningServer):
    answer = await post_json(server, "/chat/completions", {"model": "any", "messages": HELLO})
    assert answer.json["model"] == "provider"
    assert "fallback" not in answer.json.get("streamsrv", {})


@pytest.mark.parametrize(("status", "message"), FAILURES)
async def test_a_session_names_the_fallback_model(
    server: RunningServer, provider: ScriptedProvider, status: int, message: str
):
    fail(provider, status, message=message)
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
        done = await respond(client)
    assert done["status"] == "completed"
    fallback = {"from": "provider", "reason": f"provider: {message}"}
    assert (done["streamsrv"]["model"], done["streamsrv"]["fallback"]) == ("stand-in", fallback)


NUMBER_AS_ID = {"index": 0, "id": 7, "function": {"name": "weather", "arguments": "{}"}}
UNREADABLE = {
    "a list as content": chunk({"content": ["Hello"]}),
    "a list as reasoning": chunk({"reasoning_content": ["Hello"]}),
    "a number as the id of a call": chunk({"tool_calls": [NUMBER_AS_ID]}),
    "a list as finish reason": chunk({}) | {"choices": [{"index": 0, "delta": {}, "finish_reason": ["stop"]}]},
    "calls without end": chunk({"tool_calls": [{"index": n, "function": {"name": "weather"}} for n in range(200)]}),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_cannot_be_read_is_stood_in_for(
    server: RunningServer, provider: ScriptedProvider, name: str, caplog: pytest.LogCaptureFixture
):
    provider.chunks = [UNREADABLE[name], *SPOKEN]
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
        done = await respond(client)
        assert (done["status"], done["streamsrv"]["model"]) == ("completed", "stand-in")
    answer = await post_json(server, "/chat/completions", {"model": "any", "messages": HELLO})
    assert (answer.status, answer.json["model"]) == (200, "stand-in")
    assert "Traceback" not in caplog.text


async def test_json_that_is_nested_too_deeply_is_stood_in_for(
    server: RunningServer, provider: ScriptedProvider, caplog: pytest.LogCaptureFixture
):
    provider.chunks, provider.tail = [], b"data: " + b"[" * 100_000 + b"\n\n"
    answer = await post_json(server, "/chat/completions", {"model": "any", "messages": HELLO})
    assert (answer.status, answer.json["model"]) == (200, "stand-in")
    assert "cannot be read" in answer.json["streamsrv"]["fallback"]["reason"]
    assert "Traceback" not in caplog.text


USAGES = [
    {"prompt_tokens": -5},
    {"prompt_tokens": 1e300},
    {"completion_tokens": "x"},
    {"completion_tokens": 10**400},
    [],
]


@pytest.mark.parametrize("usage", USAGES, ids=lambda usage: str(usage)[:30])
async def test_a_usage_that_cannot_be_changes_nothing(
    server: RunningServer, provider: ScriptedProvider, usage: Any, caplog: pytest.LogCaptureFixture
):
    told = {"prompt_tokens": 10, "completion_tokens": 5, **usage} if isinstance(usage, dict) else usage
    provider.chunks = [*SPOKEN[:2], chunk(usage=told)]
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
        done = await respond(client)
    assert (done["status"], done["streamsrv"]["model"], done["usage"]) == ("completed", "provider", None)
    assert done["streamsrv"]["cost"]["estimated"]
    assert "Traceback" not in caplog.text


async def test_half_of_a_surrogate_pair_ends_no_session(server: RunningServer, provider: ScriptedProvider):
    provider.chunks = [chunk({"content": "Sunny \ud83d"}), *SPOKEN]
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
        for _ in range(2):  # the second request has the first answer in it
            done = await respond(client)
            assert (done["status"], done["streamsrv"]["model"]) == ("completed", "provider")
            assert done["output"][0]["content"][0]["text"] == "Sunny \ufffdIt is sunny."


async def test_a_call_with_a_long_id_can_be_answered(server: RunningServer, provider: ScriptedProvider):
    async with wire(server.realtime_url) as client:
        tools = [{"type": "function", "name": "weather", "parameters": {}}]
        await client.send("session.update", session={"type": "realtime", "output_modalities": ["text"], "tools": tools})
        provider.chunks = called("x" * 500)
        (call,) = (await respond(client))["output"]
        await output(client, call["call_id"])
        provider.chunks = SPOKEN
        assert (await respond(client))["status"] == "completed"
    assert provider.requests[-1]["messages"][-1]["content"] == "sun"


async def test_a_session_gets_the_refusal_of_the_provider(server: RunningServer, provider: ScriptedProvider):
    fail(provider, 400, message="Your prompt was flagged.", code="content_policy_violation")
    async with wire(server.realtime_url) as client:
        done = await respond(client)
    assert (done["status"], done["streamsrv"]["model"]) == ("failed", "provider")
    assert done["status_details"]["error"] == {
        "type": "invalid_request_error",
        "code": "content_policy_violation",
        "message": "provider: Your prompt was flagged.",
    }


async def test_a_provider_that_cannot_be_reached_is_stood_in_for():
    options = OpenAICompatibleOptions(model="m", base_url="http://127.0.0.1:9/v1")
    models = [OpenAICompatibleChatModel("provider", options, "sk-test"), ScriptedChatModel(name="stand-in")]
    with serving(fake_engines(FallbackChatModel(models))) as server:
        answer = await post_json(server, "/chat/completions", {"model": "any", "messages": HELLO})
        assert answer.json["model"] == "stand-in"
        assert "cannot be reached" in answer.json["streamsrv"]["fallback"]["reason"]


@pytest.fixture
async def lonely_server(provider: ScriptedProvider) -> AsyncGenerator[RunningServer]:
    """A server whose provider nothing stands in for (`chat_fallback = "none"`)."""
    options = OpenAICompatibleOptions(model="m", base_url=provider.base_url)
    chat = FallbackChatModel([OpenAICompatibleChatModel("provider", options, "sk-test")])
    with serving(fake_engines(chat)) as server:
        yield server


REFUSED = [(401, 502, "provider_unauthorized"), (403, 502, "provider_unauthorized"), (500, 503, "engine_unavailable")]


@pytest.mark.parametrize(("status", "answered", "code"), REFUSED)
async def test_without_a_stand_in_rest_gets_the_failure(
    lonely_server: RunningServer, provider: ScriptedProvider, status: int, answered: int, code: str
):
    fail(provider, status, message="no")
    answer = await post_json(lonely_server, "/chat/completions", {"model": "any", "messages": HELLO})
    assert (answer.status, answer.error["code"], answer.error["type"]) == (answered, code, "server_error")


@pytest.mark.parametrize(("status", "code"), [(401, "provider_unauthorized"), (500, "server_error")])
async def test_without_a_stand_in_a_session_gets_the_failure(
    lonely_server: RunningServer, provider: ScriptedProvider, status: int, code: str
):
    fail(provider, status, message="no")
    async with wire(lonely_server.realtime_url) as client:
        done = await respond(client)
    assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", code)
    assert done["streamsrv"].keys() == {"model", "cost"}
