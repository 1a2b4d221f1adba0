"""What a response, a turn and a session cost, and what happens at a limit of cost: as clients see it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date

import pytest

from rest import Answer, ask, post_json
from serving import RunningServer, serving
from streamsrv.engines.llm.base import ChatOptions, Delta, Message, Tool
from streamsrv.engines.loaded import Engines, LoadedModel
from streamsrv.engines.model_entry import Kind, ModelEntry, Price
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import Wire, quiet, tone, wire

HELLO = [{"role": "user", "content": "Hello!"}]
KEY = {"Authorization": "Bearer sk-ada"}
ANSWER_USD = 10 * 0.001 + 2 * 0.01
"""Of an answer of two words, by the script's count of tokens."""


class RoutedChatModel(ScriptedChatModel):
    """Keeps the options of its requests."""

    def __init__(self, *answers, **named) -> None:
        super().__init__(*answers, **named)
        self.options: list[ChatOptions] = []

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        self.options.append(options)
        async for delta in super().stream(messages, tools, options):
            yield delta


def priced(kind: Kind, name: str, *prices: tuple[float, str]) -> LoadedModel:
    """A model of the catalogue with this name, and its price."""
    stated = tuple(Price(amount, "USD", per, date(2026, 11, 1)) for amount, per in prices)  # type: ignore[arg-type]
    return LoadedModel((ModelEntry(name, kind, "fake", price=stated, hardware="remote"),), object())


def engines(chat: ScriptedChatModel | None = None) -> Engines:
    """Fakes with prices in USD: 0.001 a token of input, 0.01 a token of output, 0.1 a second, 1 a character."""
    made = fake_engines(chat)
    tokens = ((1000, "million input tokens"), (10_000, "million output tokens"))
    return replace(
        made,
        loaded=(
            *(priced("chat", name, *tokens) for name in (made.chat.name, "cheap", "pinned")),
            priced("recognizer", made.recognizers.loaded[0].name, (6, "minute")),
            priced("synthesizer", made.synthesizer.name, (1_000_000, "million characters")),
        ),
    )


@pytest.fixture
def serve() -> Generator[Callable[..., RunningServer]]:
    """Serves until the end of the test."""
    with ExitStack() as stack:
        yield lambda chat=None, **settings: stack.enter_context(serving(engines(chat), **settings))


async def written(client: Wire) -> dict:
    """The response object of a written answer to some words."""
    content = [{"type": "input_text", "text": "Hello!"}]
    await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    await client.send("response.create", response={"output_modalities": ["text"]})
    return (await client.until("response.done"))["response"]


async def complete(server: RunningServer, **fields) -> Answer:
    return await post_json(server, "/chat/completions", {"model": "gpt-5", "messages": HELLO, **fields}, headers=KEY)


async def test_a_response_tells_what_it_the_turn_and_the_session_have_cost(serve):
    server = serve(ScriptedChatModel("Good morning.", "Good night."))
    async with wire(server.realtime_url) as client:
        first = (await written(client))["streamsrv"]["cost"]
        second = (await written(client))["streamsrv"]["cost"]
    assert first == {"usd": ANSWER_USD, "turn_usd": ANSWER_USD, "session_usd": ANSWER_USD}
    assert second == {"usd": ANSWER_USD, "turn_usd": ANSWER_USD, "session_usd": 2 * ANSWER_USD}


async def test_a_spoken_turn_costs_its_recognition_and_its_speech_too(serve):
    server = serve(ScriptedChatModel("Good morning."))
    async with wire(server.realtime_url) as client:
        await client.append(quiet(500) + tone(1000) + quiet(1500))
        cost = (await client.until("response.done"))["response"]["streamsrv"]["cost"]
    assert cost["usd"] == pytest.approx(ANSWER_USD + len("Good morning."))
    assert cost["turn_usd"] == cost["session_usd"] > cost["usd"] + 0.1


async def test_an_interrupted_response_tells_an_estimate_and_the_turns_add_up_to_the_session(serve):
    chat = ScriptedChatModel("Good morning to you.", "Good night.")
    server = serve(chat)
    chat.hold = asyncio.Event()
    async with wire(server.realtime_url) as client:
        await client.send("response.create", response={"output_modalities": ["text"]})
        await client.until("response.output_text.delta")
        await client.send("response.cancel")
        cancelled = (await client.until("response.done"))["response"]
        server.loop.call_soon_threadsafe(chat.hold.set)
        second = (await written(client))["streamsrv"]["cost"]
    first = cancelled["streamsrv"]["cost"]
    assert cancelled["status"] == "cancelled"
    assert first["estimated"] is True
    assert first["usd"] > 0
    assert first["turn_usd"] + second["turn_usd"] == pytest.approx(second["session_usd"])


async def test_an_answer_that_is_asked_for_again_costs_both_requests(serve):
    server = serve(ScriptedChatModel("", "Good morning."))
    async with wire(server.realtime_url) as client:
        response = await written(client)
    assert response["status"] == "completed"
    assert response["streamsrv"]["cost"]["usd"] == pytest.approx(ANSWER_USD + 10 * 0.001)


async def test_a_chat_completion_tells_its_cost(serve):
    server = serve(ScriptedChatModel("Good morning.", "Good morning."), api_keys="sk-ada")
    assert (await complete(server)).json["streamsrv"] == {"cost": {"usd": ANSWER_USD}}
    *_, last, _ = (await complete(server, stream=True)).events
    assert last["streamsrv"] == {"cost": {"usd": ANSWER_USD}}


async def test_a_model_without_a_price_says_so(serve):
    made = fake_engines(ScriptedChatModel("Good morning."))
    with serving(replace(made, loaded=(priced("chat", made.chat.name),))) as server:
        assert (await post_json(server, "/chat/completions", {"model": "x", "messages": HELLO})).json["streamsrv"] == {
            "cost": {"usd": 0, "unpriced": True}
        }


async def test_a_session_is_warned_then_gets_the_cheapest_model_then_is_refused(serve):
    chat = RoutedChatModel(*["Good morning."] * 9)
    server = serve(chat, max_cost_per_session=str(4 * ANSWER_USD), cost_warn_at=0.3, cost_save_at=0.5)
    async with wire(server.realtime_url) as client:
        responses = [await written(client) for _ in range(5)]
    costs = [response["streamsrv"]["cost"] for response in responses]
    assert [cost.get("limit", {}).get("level") for cost in costs] == [None, "saving", "saving", "spent", "spent"]
    assert [options.routing.policy for options in chat.options] == ["", "", "cheapest", "cheapest"]
    assert [options.routing.is_saving for options in chat.options] == [False, False, True, True]
    refused = responses[-1]
    assert refused["status"] == "failed"
    error = refused["status_details"]["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
    assert "that this session may cost is spent" in error["message"]
    assert costs[-1]["usd"] == 0


async def test_a_session_that_saves_is_answered_by_the_router_also_if_it_has_pinned_a_model(serve):
    router, pinned = RoutedChatModel("Cheap answer.", name="cheap"), RoutedChatModel("Good morning.", name="pinned")
    made = replace(engines(router), chat_by_name={"pinned": pinned})
    with serving(made, max_cost_per_session="0.04", cost_save_at=0.5, cost_warn_at=0.1) as server:
        async with wire(server.realtime_url + "?model=pinned") as client:
            assert (await written(client))["streamsrv"]["model"] == "pinned"
            second = await written(client)
    assert second["streamsrv"]["model"] == "cheap"
    assert len(pinned.asked) == len(router.asked) == 1


async def test_a_key_that_has_spent_its_day_is_refused_everywhere_and_another_is_not(serve):
    chat = ScriptedChatModel(*["Good morning."] * 3)
    server = serve(chat, api_keys="sk-ada,sk-bob", max_cost_per_key_per_day=str(ANSWER_USD))
    assert (await complete(server)).status == 200
    spoken = {"model": "x", "input": "Hi.", "voice": "tone"}
    for refused in (await complete(server), await post_json(server, "/audio/speech", spoken, headers=KEY)):
        assert refused.status == 429
        assert (refused.error["type"], refused.error["code"]) == ("insufficient_quota", "insufficient_quota")
        assert refused.headers["x-should-retry"] == "false"
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}  # fmt: skip
    opened = await ask(server, "GET", "/realtime?model=x", headers=upgrade | KEY)
    assert (opened.status, opened.error["code"]) == (429, "insufficient_quota")
    assert 0 < int(opened.headers["retry-after"]) <= 86_400
    assert len(chat.asked) == 1
    bob = {"Authorization": "Bearer sk-bob"}
    assert (await post_json(server, "/chat/completions", {"model": "x", "messages": HELLO}, headers=bob)).status == 200
    page = (await ask(server, "GET", "/metrics", headers=bob, below="")).body.decode()
    assert f'streamsrv_cost_usd_total{{model="scripted-model",stage="chat"}} {2 * ANSWER_USD}' in page
    assert 'streamsrv_cost_limits_reached_total{level="spent",scope="key"} 2.0' in page
    assert 'streamsrv_refusals_total{reason="quota"} 3.0' in page


async def test_when_all_is_spent_a_recogniser_that_costs_is_not_asked_and_the_client_is_told(serve):
    server = serve(ScriptedChatModel("Good morning."), max_cost_per_session=str(ANSWER_USD))
    async with wire(server.realtime_url) as client:
        transcriber = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}, "type": "realtime"}
        await client.send("session.update", session=transcriber)
        await written(client)
        await client.append(quiet(500) + tone(1000) + quiet(1500))
        failed = await client.until("conversation.item.input_audio_transcription.failed")
    assert "may cost is spent" in failed["error"]["message"]


@pytest.mark.parametrize("limit", ["-1", "much", "1e99"])
def test_a_wrong_limit_names_the_setting(limit: str):
    with pytest.raises(ValueError, match="max_cost_per_session"):
        Settings(max_cost_per_session=limit)  # type: ignore[arg-type]
