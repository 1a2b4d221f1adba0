"""Whole calls as each provider makes them, through the webhook and the media socket, with fake engines."""

import asyncio
import base64
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect

from answering import PROVIDERS, RATE, answering, called, gathered, identity, sounding_ms, tone
from serving import RunningServer
from streamsrv.calling.call import CallPlan, CallReport, place_call
from streamsrv.calling.dialling import ring
from streamsrv.calling.impairment import Impairment
from streamsrv.calling.ringing import NotAnswered
from streamsrv.calling.script import Turn
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines

ANSWER = "The answer is forty two and that is rather long."
MS_PER_CHARACTER = 60
"""How fast the fake voice speaks."""


@pytest.fixture(scope="module")
def server():
    chat = ScriptedChatModel(*[ANSWER] * 200)
    with answering(fake_engines(chat=chat), {"waiting_after_ms": 0}) as running:
        yield running


def assert_fine(report: CallReport) -> None:
    assert report.violations == []
    assert report.ended_by == "caller"
    assert all(turn.first_speech_ms is not None for turn in report.turns)


def replies(report: CallReport) -> list[int]:
    """How long each thing was that the caller heard: the greeting, and the answer to each turn."""
    cuts = [0, *(turn.started_ms for turn in report.turns), report.duration_ms]
    rate = report.sample_rate
    # An agent that is interrupted is still heard for a moment after the caller has begun to speak.
    shifts = [0, *((turn.silenced_ms or turn.started_ms) - turn.started_ms for turn in report.turns), 0]
    edges = [(cut + shift) * rate // 1000 for cut, shift in zip(cuts, shifts, strict=True)]
    return [sounding_ms(report.agent[start:end], rate) for start, end in zip(edges[:-1], edges[1:], strict=True)]


async def test_callers_of_every_provider_are_greeted_and_answered(server: RunningServer):
    reports = await gathered(*(called(server, provider, Turn(tone(400))) for provider in PROVIDERS))
    for provider, report in zip(PROVIDERS, reports, strict=True):
        assert report.provider == provider
        assert_fine(report)
        greeting_ms, answer_ms = replies(report)
        assert abs(greeting_ms - len("Hello, this is the desk.") * MS_PER_CHARACTER) < 100
        assert abs(answer_ms - len(ANSWER) * MS_PER_CHARACTER) < 100
    await server.without_sessions()


async def sideband(server: RunningServer, ended: asyncio.Event) -> list[dict[str, Any]]:
    """Listen to the events of the only call that runs."""
    while not (calls := list(server.app.state.live_calls)):
        await server.tasks()
    events: list[dict[str, Any]] = []
    async with connect(f"{server.realtime_url}?call_id={calls[0].id}", max_size=None) as events_of_call:

        async def listen() -> None:
            async for text in events_of_call:
                events.append(json.loads(text))

        listening = asyncio.create_task(listen())
        await ended.wait()
        listening.cancel()
    return events


@pytest.mark.parametrize("provider", ["twilio", "vonage"])  # of which one tells what was cleared, the other does not
async def test_an_interrupted_call_has_in_its_context_what_the_caller_heard(server: RunningServer, provider: str):
    ended = asyncio.Event()
    listening = asyncio.create_task(sideband(server, ended))
    report = await called(server, provider, Turn(tone(400)), Turn(tone(400), barge_in_after_ms=900))
    ended.set()
    events = await listening
    assert_fine(report)
    assert report.turns[1].interrupts
    assert len(report.clears) >= 1
    heard_ms = replies(report)[1]
    assert heard_ms < len(ANSWER) * MS_PER_CHARACTER
    truncated = [event for event in events if event["type"] == "conversation.item.truncated"]
    assert len(truncated) == 1
    assert abs(truncated[0]["audio_end_ms"] - heard_ms) < 150 + report.late_ms
    await server.without_sessions()


async def test_audio_that_is_lost_late_repeated_and_out_of_order_is_still_answered(server: RunningServer):
    bad = Impairment(loss=0.03, jitter_ms=40, repeated=0.05, reordered=0.05, seed=3)
    reports = await gathered(
        *(called(server, provider, Turn(tone(800)), impairment=bad) for provider in ("twilio", "telnyx"))
    )
    for report in reports:
        assert_fine(report)
        assert replies(report)[1] > 1000
    await server.without_sessions()


async def test_a_connection_that_breaks_mid_word_ends_the_call(server: RunningServer):
    report = await called(server, "twilio", Turn(tone(3000), barge_in_after_ms=200), drop_after_ms=600)
    assert report.ended_by == "drop"
    await server.without_sessions()


async def test_a_wrong_signature_is_refused(server: RunningServer):
    for provider in PROVIDERS:
        secret = base64.b64encode(bytes([1] * 32)).decode()  # also a key, but not that of the provider
        with pytest.raises(NotAnswered, match="HTTP 403"):
            await ring(provider, identity(provider), f"http://127.0.0.1:{server.port}", secret)
        with pytest.raises(NotAnswered, match="HTTP 403"):
            await ring(provider, identity(provider), f"http://127.0.0.1:{server.port}")


async def test_a_token_opens_one_stream(server: RunningServer):
    from answering import PATIENT, PUBLIC_URL, SECRETS

    stream = await ring(
        "twilio", identity("twilio"), f"http://127.0.0.1:{server.port}", SECRETS["twilio"], PUBLIC_URL
    )
    plan = CallPlan(stream.url, (), RATE, manners=PATIENT)
    first = await place_call(stream.peer, plan)
    again = await place_call(stream.peer, plan)
    assert (first.ended_by, first.first_sound_ms is not None) == ("caller", True)
    assert (again.ended_by, again.first_sound_ms) == ("server", None)
    assert "1008" in again.reason
    await server.without_sessions()


async def test_a_number_that_nobody_answers_is_refused_the_providers_way(server: RunningServer):
    from answering import CALLER, PUBLIC_URL, SECRETS
    from streamsrv.calling.dialling import new_identity

    call = new_identity("twilio", CALLER, "+4930999")
    with pytest.raises(NotAnswered, match="<Reject reason='rejected'>"):
        await ring("twilio", call, f"http://127.0.0.1:{server.port}", SECRETS["twilio"], PUBLIC_URL)
