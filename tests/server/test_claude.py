"""A session over Claude, as the catalogue describes it: a scripted server demands what Anthropic demands."""

from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from scripted_provider import ScriptedMessagesApi, block, start, stop, text, tool_use

from rest import post_json
from serving import RunningServer, serving
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import Wire, wire

pytest.importorskip("anthropic", reason="needs streamsrv[anthropic]")

CLAUDE = [entry for entry in load_catalogue().entries() if entry.engine == "anthropic"]
TOOLS = [{"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}]
THOUGHT = {"type": "thinking", "thinking": "hmm", "signature": "SIGNED"}
SPOKEN = [start(), *text("It is sunny."), *stop()]


@pytest.fixture(params=CLAUDE, ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest) -> ModelEntry:
    return request.param


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedMessagesApi]:
    provider = ScriptedMessagesApi()
    provider.is_strict, provider.chunks = True, SPOKEN
    async with provider.running():
        yield provider


@pytest.fixture
def server(
    entry: ModelEntry, provider: ScriptedMessagesApi, monkeypatch: pytest.MonkeyPatch
) -> Generator[RunningServer]:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.base_url)
    scheduler = Scheduler(1)
    claude = load_engine(entry, LoadContext(scheduler, {}, "sk-ant-test"))
    with serving(fake_engines(FallbackChatModel([claude, ScriptedChatModel(name="stand-in")]))) as running:
        yield running
    scheduler.close()


async def respond(client: Wire) -> dict[str, Any]:
    await client.send("response.create")
    return (await client.until("response.done"))["response"]


async def create(client: Wire, **item: Any) -> None:
    await client.send("conversation.item.create", item=item)


async def test_two_calls_with_thinking_and_words_in_between(
    server: RunningServer, provider: ScriptedMessagesApi, entry: ModelEntry
):
    deltas = ({"type": "thinking_delta", "thinking": "hmm"}, {"type": "signature_delta", "signature": "SIGNED"})
    thinking = block(0, "thinking", *deltas, thinking="", signature="")
    calls = [*tool_use("{}", index=1, call_id="toolu_1"), *tool_use("{}", index=2, call_id="toolu_2")]
    session = {"type": "realtime", "output_modalities": ["text"], "tools": TOOLS, "reasoning": {"effort": "low"}}
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session=session)
        provider.chunks = [start(), *thinking, *calls, *stop("tool_use")]
        response = await respond(client)
        assert [item["call_id"] for item in response["output"]] == ["toolu_1", "toolu_2"]
        await create(client, type="function_call_output", call_id="toolu_2", output="sun")
        await create(client, type="message", role="user", content=[{"type": "input_text", "text": "Well?"}])
        await create(client, type="function_call_output", call_id="toolu_1", output="rain")
        provider.chunks = SPOKEN
        response = await respond(client)
    assert response["output"][0]["content"][0]["text"] == "It is sunny."
    assert response["streamsrv"]["model"] == entry.name
    assert provider.refused == []
    turns = provider.requests[-1]["messages"]
    assert turns[1]["content"][0] == THOUGHT
    assert [each["type"] for each in turns[2]["content"]] == ["tool_result", "tool_result", "text"]


async def test_a_refusal_without_words_is_told_to_the_client(server: RunningServer, provider: ScriptedMessagesApi):
    provider.chunks = [start(), *stop("refusal")]
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
        response = await respond(client)
    assert response["status"] == "incomplete"
    assert response["status_details"]["reason"] == "content_filter"


async def test_over_http_what_claude_cannot_obey_is_refused_by_name(
    server: RunningServer, provider: ScriptedMessagesApi
):
    body = {"model": "any", "messages": [{"role": "user", "content": "Hello!"}]}
    answer = await post_json(server, "/chat/completions", body)
    assert (answer.status, answer.json["choices"][0]["message"]["content"]) == (200, "It is sunny.")
    answer = await post_json(server, "/chat/completions", body | {"seed": 1})
    assert (answer.status, answer.error["param"]) == (400, "seed")
    assert len(provider.requests) == 1
