"""Whole calls as each provider makes them, through its webhook and its media socket, with fake engines.

All calls of a test run at once, because each takes as long as what is said in it.
"""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from websockets.asyncio.client import connect

from answering import (
    CALLER,
    PROVIDERS,
    PUBLIC_URL,
    QUICK,
    RATE,
    SECRETS,
    answering,
    called,
    gathered,
    identity,
    sounding_ms,
    tone,
)
from serving import RunningServer
from streamsrv.calling.call import CallPlan, CallReport, place_call
from streamsrv.calling.dialling import new_identity, ring
from streamsrv.calling.impairment import Impairment
from streamsrv.calling.ringing import NotAnswered
from streamsrv.calling.script import Turn
from streamsrv.engines.llm.base import ChatOptions, Delta, Message, Tool
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines

LONG, SHORT = "The answer is forty two and that is rather long.", "Yes."
MS_PER_CHARACTER = 60
"""How fast the fake voice speaks."""
INTERRUPTED_AFTER_MS = 1500


class LongThenShort(ScriptedChatModel):
    """A fake language model that answers the first turn of each conversation at length."""

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        self.answers = [LONG if sum(message.role == "user" for message in messages) == 1 else SHORT]
        async for delta in super().stream(messages, tools, options):
            yield delta


@pytest.fixture(scope="module")
def chat() -> LongThenShort:
    return LongThenShort()


@pytest.fixture(scope="module")
def server(chat: LongThenShort):
    with answering(fake_engines(chat=chat), {"greeting": "Hello.", "waiting_after_ms": 0}) as running:
        yield running


def url(server: RunningServer) -> str:
    return f"http://127.0.0.1:{server.port}"


def answer_ms(report: CallReport) -> int:
    """How much of the first answer the caller heard, until he was answered again."""
    first, second = report.turns
    assert first.first_speech_ms is not None
    assert second.ended_ms is not None
    edges = [at * report.sample_rate // 1000 for at in (first.first_speech_ms - 20, second.ended_ms)]
    return sounding_ms(report.agent[slice(*edges)], report.sample_rate)


async def truncations(server: RunningServer, number: int, ended: asyncio.Event) -> dict[str, list[dict[str, Any]]]:
    """Join all calls as sidebands; return what was cut off in each, by its provider."""
    while len(server.app.state.live_calls) < number:
        await server.tasks()
    found: dict[str, list[dict[str, Any]]] = {}

    async def listen(call_id: str, cut: list[dict[str, Any]]) -> None:
        async with connect(f"{server.realtime_url}?call_id={call_id}", max_size=None) as sideband:
            async for text in sideband:
                event = json.loads(text)
                if event["type"] == "conversation.item.truncated":
                    cut.append(event)

    async with asyncio.TaskGroup() as group:
        live = list(server.app.state.live_calls)
        tasks = [group.create_task(listen(call.id, found.setdefault(call.summary.provider, []))) for call in live]
        await ended.wait()
        for task in tasks:
            task.cancel()
    return found


async def test_callers_of_every_provider_are_greeted_and_interrupt_what_is_then_in_the_context_as_they_heard_it(
    server: RunningServer, chat: LongThenShort
):
    ended = asyncio.Event()
    listening = asyncio.create_task(truncations(server, len(PROVIDERS), ended))
    turns = Turn(tone(400)), Turn(tone(400), barge_in_after_ms=INTERRUPTED_AFTER_MS)
    reports = await gathered(*(called(server, provider, *turns) for provider in PROVIDERS))
    ended.set()
    cut = await listening
    for provider, report in zip(PROVIDERS, reports, strict=True):
        assert report.provider == provider
        assert report.violations == []
        assert report.ended_by == "caller"
        assert all(turn.first_speech_ms is not None for turn in report.turns)
        first = report.turns[0].started_ms * report.sample_rate // 1000
        assert abs(sounding_ms(report.agent[:first], report.sample_rate) - len("Hello.") * MS_PER_CHARACTER) < 100
        assert report.turns[1].interrupts
        assert report.clears
        assert report.dropped_ms > 0
        heard_ms = answer_ms(report)
        assert INTERRUPTED_AFTER_MS - 100 < heard_ms < len(LONG) * MS_PER_CHARACTER - 100
        assert len(cut[provider]) == 1
        assert abs(cut[provider][0]["audio_end_ms"] - heard_ms) < 150 + report.late_ms
    contexts = [asked for asked in chat.asked if sum(message.role == "user" for message in asked) == 2]
    for asked in contexts:
        (said,) = [message.content for message in asked if message.role == "assistant" and message.content != "Hello."]
        assert LONG.startswith(said.rstrip(".… "))
        assert said != LONG
    await server.without_sessions()


async def test_keys_reach_the_language_model_and_bad_networks_do_not_keep_callers_from_being_answered(
    server: RunningServer, chat: LongThenShort
):
    """Audio is lost, late, repeated and, where the provider does not keep the order, out of order."""
    bad = Impairment(loss=0.03, jitter_ms=40, repeated=0.05, reordered=0.05, seed=3)
    heard, pressed = len(chat.asked), Turn(digits="42#")
    reports = await gathered(
        *(called(server, name, Turn(tone(800)), impairment=bad) for name in ("twilio", "telnyx")),
        *(called(server, name, pressed) for name in PROVIDERS),
    )
    for report in reports:
        assert report.violations == []
        assert report.turns[0].first_speech_ms is not None
    assert any(report.lost_chunks for report in reports)
    said = [message.content for asked in chat.asked[heard:] for message in asked if message.role == "user"]
    assert sum("42" in text for text in said) >= len(PROVIDERS)
    await server.without_sessions()


async def test_a_connection_that_breaks_mid_word_ends_the_call(server: RunningServer):
    report = await called(server, "twilio", Turn(tone(3000), barge_in_after_ms=200), drop_after_ms=600)
    assert (report.ended_by, len(report.turns)) == ("drop", 1)
    await server.without_sessions()


async def test_a_wrong_signature_is_refused(server: RunningServer):
    other = base64.b64encode(bytes([1] * 32)).decode()  # also a key, but not that of the provider
    for provider in PROVIDERS:
        for secret in (other, ""):
            with pytest.raises(NotAnswered, match="HTTP 403"):
                await ring(provider, identity(provider), url(server), secret, PUBLIC_URL)


async def test_a_signature_for_another_address_is_refused(server: RunningServer):
    for provider in ("twilio", "plivo"):
        with pytest.raises(NotAnswered, match="HTTP 403"):
            await ring(provider, identity(provider), url(server), SECRETS[provider], "https://elsewhere.example.org")


async def test_a_token_opens_one_stream(server: RunningServer):
    async def call_twice(provider: str) -> tuple[CallReport, CallReport]:
        stream = await ring(provider, identity(provider), url(server), SECRETS[provider], PUBLIC_URL)
        plan = CallPlan(stream.url, (), RATE, manners=QUICK)
        return await place_call(stream.peer, plan), await place_call(stream.peer, plan)

    providers = [name for name in PROVIDERS if name != "twilio"]  # whose handshake is signed, too
    for first, again in await asyncio.gather(*map(call_twice, providers)):
        assert first.first_sound_ms is not None
        assert (again.ended_by, again.first_sound_ms) == ("server", None)
        assert "1008" in again.reason
    await server.without_sessions()


async def test_a_stream_without_its_signed_handshake_is_refused(server: RunningServer):
    stream = await ring("twilio", identity("twilio"), url(server), SECRETS["twilio"], PUBLIC_URL)
    report = await place_call(stream.peer, CallPlan(stream.url, (), RATE, manners=QUICK))
    assert (report.ended_by, report.first_sound_ms) == ("server", None)


async def test_a_number_that_nobody_answers_is_refused_the_providers_way(server: RunningServer):
    call = new_identity("twilio", CALLER, "+4930999")
    with pytest.raises(NotAnswered, match="<Reject reason='rejected'>"):
        await ring("twilio", call, url(server), SECRETS["twilio"], PUBLIC_URL)
