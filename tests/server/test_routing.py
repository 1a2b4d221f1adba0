"""A server with several language models, which are fakes: who answers, and what clients are told."""

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from rest import post_json
from serving import RunningServer, serving
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.chat_models import ROUTED, ChatEntries, assemble, candidate_of, combined
from streamsrv.engines.llm.abilities import abilities_of
from streamsrv.engines.llm.base import ChatAbilities
from streamsrv.engines.llm.routing.latency import FirstTokens
from streamsrv.engines.model_entry import ModelEntry
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import Wire, wire

CHEAP = ModelEntry("cheap", "chat", "openai_compatible", hardware="remote", strength=55)
STRONG = ModelEntry("strong", "chat", "openai_compatible", hardware="remote", strength=90)
EMBEDDED = load_catalogue()["smollm2-135m"]


def script(entry: ModelEntry) -> ScriptedChatModel:
    model = ScriptedChatModel(name=entry.name)
    model.abilities = abilities_of(entry)
    return model


def served(stand_ins: list[ModelEntry]) -> Generator[RunningServer]:
    models = {entry.name: script(entry) for entry in (CHEAP, STRONG, *stand_ins)}
    chat, by_name = assemble(
        models, ChatEntries([CHEAP, STRONG], stand_ins=stand_ins), Breakers(lambda: 0.0), FirstTokens()
    )
    with serving(replace(fake_engines(chat), chat_by_name=by_name)) as running:
        yield running


@pytest.fixture
def server() -> Generator[RunningServer]:
    yield from served([EMBEDDED])


@pytest.fixture
def remote_server() -> Generator[RunningServer]:
    """Without a model on this machine."""
    yield from served([])


async def answer(client: Wire, text: str) -> dict[str, Any]:
    """What `response.done` says of streamsrv's own after these words."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    await client.send("conversation.item.create", item=item)
    await client.send("response.create", response={"output_modalities": ["text"]})
    return (await client.until("response.done"))["response"]["streamsrv"]


async def route(client: Wire, routing: dict[str, Any] | None) -> dict[str, Any]:
    """The answer to a `session.update`."""
    await client.send("session.update", session={"type": "realtime", "streamsrv": {"routing": routing}})
    while (event := await client.next())["type"] not in ("session.updated", "error"):
        pass
    return event


WRITE_CODE = "Write a Python function that merges two sorted lists."


async def test_who_answers_depends_on_what_is_asked_and_the_response_says_why(server: RunningServer):
    async with wire(server.realtime_url) as client:
        told = await answer(client, WRITE_CODE)
        assert (told["model"], told["routing"]["policy"]) == ("strong", "balanced")
        assert told["routing"]["complexity"] == "hard"
        assert told["routing"]["models"] == ["strong", "cheap", EMBEDDED.name]
        assert "strong is the strongest of 2 models" in told["routing"]["reason"]
        assert "fallback" not in told


async def test_a_session_sets_and_unsets_its_policy_and_privacy(server: RunningServer):
    async with wire(server.realtime_url) as client:
        updated = await route(client, {"policy": "best"})
        assert updated["session"]["streamsrv"]["routing"] == {"policy": "best"}
        assert (await answer(client, "hello"))["model"] == "strong"
        updated = await route(client, {"local_only": True})
        assert updated["session"]["streamsrv"]["routing"] == {"policy": "best", "local_only": True}
        told = await answer(client, WRITE_CODE)
        assert (told["model"], told["routing"]["models"]) == (EMBEDDED.name, [EMBEDDED.name])
        await route(client, None)
        assert (await answer(client, WRITE_CODE))["model"] == "strong"


@pytest.mark.parametrize("model", ["cheap", "strong", EMBEDDED.name])
async def test_a_session_that_names_a_model_is_answered_by_it(server: RunningServer, model: str):
    async with wire(f"{server.realtime_url}?model={model}") as client:
        told = await answer(client, WRITE_CODE)
        assert (told["model"], told["routing"]["policy"]) == (model, "pinned")
        refused = await route(client, {"policy": "fastest"})
        assert refused["error"]["param"] == "session.streamsrv.routing.policy"
        assert "leaves nothing to choose" in refused["error"]["message"]


async def test_a_name_of_no_model_leaves_the_choice_to_the_router(server: RunningServer):
    for name in ("gpt-realtime", ROUTED):
        async with wire(f"{server.realtime_url}?model={name}") as client:
            assert (await answer(client, WRITE_CODE))["routing"]["policy"] == "balanced"


@pytest.mark.parametrize(
    ("routing", "param"),
    [
        ({"policy": "cleverest"}, "policy"),
        ({"local_only": "yes"}, "local_only"),
        ({"language": "elvish"}, "language"),
        ({"model": "strong"}, "model"),
    ],
)
async def test_what_cannot_be_asked_is_refused(server: RunningServer, routing: dict[str, Any], param: str):
    async with wire(server.realtime_url) as client:
        refused = await route(client, routing)
        assert refused["error"]["param"] == f"session.streamsrv.routing.{param}"
    over_http = await post_json(server, "/chat/completions", {"messages": HELLO, "streamsrv": {"routing": routing}})
    assert (over_http.status, over_http.error["param"]) == (400, f"streamsrv.routing.{param}")


async def test_privacy_is_refused_where_no_model_runs_on_this_machine(remote_server: RunningServer):
    async with wire(remote_server.realtime_url) as client:
        for routing, param in (({"local_only": True}, "local_only"), ({"policy": "local"}, "policy")):
            refused = await route(client, routing)
            assert refused["error"]["param"] == f"session.streamsrv.routing.{param}"
            assert "no language model on the server's machine" in refused["error"]["message"]


async def test_a_remote_model_cannot_be_named_together_with_privacy(server: RunningServer):
    async with wire(f"{server.realtime_url}?model=strong") as client:
        refused = await route(client, {"local_only": True})
        assert EMBEDDED.name in refused["error"]["message"]


HELLO = [{"role": "user", "content": "Hello!"}]


async def test_over_http_the_end_of_an_answer_says_why(server: RunningServer):
    async def ask(**fields: Any) -> dict[str, Any]:
        answered = await post_json(server, "/chat/completions", {"messages": HELLO, **fields})
        assert answered.status == 200
        return answered.json

    best = await ask(streamsrv={"routing": {"policy": "best"}})
    assert (best["model"], best["streamsrv"]["routing"]["policy"]) == ("strong", "best")
    named = await ask(model="cheap")
    assert (named["model"], named["streamsrv"]["routing"]["policy"]) == ("cheap", "pinned")
    assert (await ask(streamsrv={"routing": {"local_only": True}}))["model"] == EMBEDDED.name
    streamed = await post_json(server, "/chat/completions", {"messages": HELLO, "stream": True})
    chunks = [json.loads(line[6:]) for line in streamed.body.decode().splitlines() if line.startswith("data: {")]
    assert ["routing" in chunk.get("streamsrv", {}) for chunk in chunks] == [*[False] * (len(chunks) - 1), True]


def test_a_model_is_local_where_its_address_is():
    entry = ModelEntry("m", "chat", "openai_compatible", options={"model": "m", "base_url": "https://a.example/v1"})
    assert not candidate_of(entry).is_local
    assert candidate_of(replace(entry, options={"base_url": "http://localhost:11434/v1"}, hardware="remote")).is_local
    assert not candidate_of(replace(entry, options={})).is_local
    assert candidate_of(EMBEDDED).cost_usd(1000, "hard") == 0


def test_a_routed_chat_can_do_what_one_of_its_models_can():
    can = combined([ChatAbilities(context_tokens=10, languages=("en",)), ChatAbilities(calls_tools=True)])
    assert can == ChatAbilities(context_tokens=0, calls_tools=True)
    assert combined([ChatAbilities(is_local=True), ChatAbilities()]).is_local is False
