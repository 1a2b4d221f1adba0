"""Outbound calls that machines answer: their tones on the line, and the providers' reports."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from fake_line import PATIENCE_S, FakeLine
from fake_provider_api import FakeProviderApi
from phone_exchange import AGENT, exchange, quiet, tone
from serving import RunningServer
from streamsrv.access.admission import Admission
from streamsrv.access.principal import LOOPBACK
from streamsrv.calling.call import CallPlan, CallReport, place_call
from streamsrv.calling.peers.base import Identity
from streamsrv.calling.ringing import read_answer
from streamsrv.calling.script import Manners
from streamsrv.calling.signing import sign_twilio
from streamsrv.protocol.json_values import read_json
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from streamsrv.transports.telephony.agent import Agent
from test_outbound_calls import PUBLIC, by_twilio, call, running, send

Pcm16 = NDArray[np.int16]
MESSAGE = "Please call us back."
MESSAGE_MS = 60 * len(MESSAGE)
LEAVING = replace(AGENT, voicemail=MESSAGE)
REQUEST = {"CallSid": "CA-out", "From": "+4930999", "To": "+4915123", "Direction": "outbound-api"}
PATIENT = Manners(pause_ms=20_000, greeting_ms=20_000, patience_ms=20_000)
"""A callee who does not hang up."""
IDENTITY = Identity("CA-out", "+4930999", "+4915123")


def tones(*parts: tuple[Sequence[float], int]) -> Pcm16:
    """Tones of these frequencies (none: silence) and durations in ms."""
    pieces = [
        sum((6000 / len(hz) * np.sin(2 * np.pi * pitch * np.arange(8 * ms) / 8000) for pitch in hz), np.zeros(8 * ms))
        for hz, ms in parts
    ]
    return np.concatenate(pieces).astype(np.int16)


BEEP = tones(([1000], 400), ([], 400))
BUSY = tones(*[([480, 620], 500), ([], 500)] * 3)
CNG = tones(*[([1100], 500), ([], 3000)] * 2)
CED = tones(([2100], 1500), ([], 200))
SIT = tones(([950], 330), ([1400], 330), ([1800], 330), ([], 200))


@pytest.mark.parametrize(
    ("heard", "agent", "reason"),
    [
        (BEEP, AGENT, "An answering machine has answered."),
        (CED, LEAVING, "A fax machine has answered."),
        (BUSY, LEAVING, "The line is busy."),
        (SIT, LEAVING, "The number cannot be reached."),
    ],
)
async def test_the_tone_of_a_machine_ends_an_outbound_call(heard: Pcm16, agent: Agent, reason: str):
    async with exchange(fake_engines()) as world, world.ring(FakeLine(direction="outbound"), agent) as caller:
        caller.line.speak(heard)
        await caller.rest()
        await caller.serving
        assert caller.line.hung_up.is_set()
        assert caller.call.why_ended() == ("machine_answered", reason)


async def test_an_answering_machine_gets_the_message_after_its_beep_and_the_call_ends():
    async with exchange(fake_engines()) as world:
        line = FakeLine(direction="outbound")
        async with world.ring(line, LEAVING) as caller:
            call_id = caller.call.id
            line.speak(np.concatenate([tone(900), BEEP]))  # it speaks before
            await caller.rest()
            async with asyncio.timeout(PATIENCE_S):
                await line.hung_up.wait()
            await caller.serving
        assert caller.call.why_ended()[0] == "machine_answered"
        assert caller.call.id == call_id
        assert line.heard_ms >= MESSAGE_MS, "the message was heard to its end"


async def test_a_fax_machine_whose_first_tone_may_be_a_beep_is_hung_up_on_at_its_second():
    async with exchange(fake_engines()) as world:
        line = FakeLine(direction="outbound")
        long = replace(AGENT, voicemail=MESSAGE * 10)
        async with world.ring(line, long) as caller:
            line.speak(CNG)
            async with asyncio.timeout(PATIENCE_S):
                await line.hung_up.wait()
            await caller.serving
        assert line.heard_ms < 10 * MESSAGE_MS


async def test_tones_of_people_who_call_mean_nothing():
    engines = fake_engines(ScriptedChatModel("Two."), "how many")
    async with exchange(engines) as world, world.ring(FakeLine(), LEAVING) as caller:
        caller.line.speak(np.concatenate([BEEP, BUSY, SIT, tone(600), quiet(1500)]))
        await caller.until("output_audio_buffer.stopped")
        assert caller.call.reason is None


async def test_tones_mean_nothing_late_in_a_call():
    async with exchange(fake_engines()) as world, world.ring(FakeLine(direction="outbound"), LEAVING) as caller:
        caller.line.speak(np.concatenate([quiet(61_000), BEEP]))
        caller.line.press("5")
        await caller.until("input_audio_buffer.dtmf_event_received")
        assert caller.call.reason is None


async def test_tones_mean_nothing_where_machines_are_not_to_be_detected():
    table = {"name": "fake", "detect_machines": False}
    async with exchange(fake_engines()) as world:
        world.service.settings = world.service.settings.model_copy(
            update={"phone_provider": (type("Table", (), table),)}
        )
        async with world.ring(FakeLine(direction="outbound"), LEAVING) as caller:
            caller.line.speak(BEEP)
            caller.line.press("5")
            await caller.until("input_audio_buffer.dtmf_event_received")
            assert caller.call.reason is None


async def streamed(server: RunningServer, url: str, manners: Manners = PATIENT) -> CallReport:
    """Let the callee answer: the provider asks the webhook, and streams the call until the server ends it."""
    twiml = await asyncio.to_thread(by_twilio, server, url, REQUEST)
    stream = read_answer("twilio", IDENTITY, 200, twiml.decode())
    local = stream.url.replace(PUBLIC.replace("http", "ws", 1), f"ws://127.0.0.1:{server.port}")
    plan = CallPlan(local, headers=sign_twilio("token", stream.url), manners=manners, max_s=PATIENCE_S)
    return await place_call(stream.peer, plan)


async def until_active(server: RunningServer, call_id: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while server.app.state.live_calls.get(call_id).summary.state != "active":
            await asyncio.sleep(0.01)


async def begun(server: RunningServer, fake: FakeProviderApi, agent: str) -> tuple[str, dict[str, str]]:
    status, answer = await asyncio.to_thread(call, server, agent=agent)
    assert status == 201
    assert answer["id"].startswith("rtc_")
    return answer["id"], (await asyncio.to_thread(fake.next)).form


@pytest.fixture(scope="module")
def pair():
    with running() as both:
        yield both


async def test_a_machine_that_the_provider_reports_hears_the_message_in_the_same_call(
    pair: tuple[RunningServer, FakeProviderApi],
):
    server, fake = pair
    call_id, asked = await begun(server, fake, "reminder")
    callee = asyncio.ensure_future(streamed(server, asked["Url"]))
    await until_active(server, call_id)
    report = {"CallSid": "CA-out", "AnsweredBy": "machine_end_beep"}
    await asyncio.to_thread(by_twilio, server, asked["AsyncAmdStatusCallback"], report)
    heard = await callee
    assert heard.ended_by == "server"
    assert heard.played_ms >= MESSAGE_MS
    ended = await asyncio.to_thread(fake.next)
    assert ended.form == {"Status": "completed"}, "and not another stream"
    await asyncio.to_thread(by_twilio, server, asked["StatusCallback"], {**REQUEST, "CallStatus": "completed"})


@pytest.mark.parametrize(("agent", "by"), [("desk", "machine_start"), ("reminder", "fax")])
async def test_a_machine_without_a_message_and_a_fax_are_hung_up_on(
    pair: tuple[RunningServer, FakeProviderApi], agent: str, by: str
):
    server, fake = pair
    call_id, asked = await begun(server, fake, agent)
    callee = asyncio.ensure_future(streamed(server, asked["Url"]))
    await until_active(server, call_id)
    await asyncio.to_thread(by_twilio, server, asked["AsyncAmdStatusCallback"], {"CallSid": "CA-out", "AnsweredBy": by})
    assert (await callee).ended_by == "server"
    assert (await asyncio.to_thread(fake.next)).form == {"Status": "completed"}


@pytest.mark.parametrize("has_asked", [False, True])
async def test_a_fax_that_is_reported_before_the_stream_has_begun_is_hung_up_on(
    pair: tuple[RunningServer, FakeProviderApi], has_asked: bool
):
    server, fake = pair
    call_id, asked = await begun(server, fake, "reminder")
    twiml = await asyncio.to_thread(by_twilio, server, asked["Url"], REQUEST) if has_asked else b""
    report = {"CallSid": "CA-out", "AnsweredBy": "fax"}
    await asyncio.to_thread(by_twilio, server, asked["AsyncAmdStatusCallback"], report)
    assert (await asyncio.to_thread(fake.next)).form == {"Status": "completed"}
    assert server.app.state.live_calls.get(call_id) is None
    if not has_asked:
        assert b"<Hangup" in await asyncio.to_thread(by_twilio, server, asked["Url"], REQUEST)
        return
    stream = read_answer("twilio", IDENTITY, 200, twiml.decode())
    local = stream.url.replace(PUBLIC.replace("http", "ws", 1), f"ws://127.0.0.1:{server.port}")
    report = await place_call(stream.peer, CallPlan(local, headers=sign_twilio("token", stream.url), max_s=PATIENCE_S))
    assert (report.ended_by, "before its stream began" in report.reason) == ("server", True)


async def test_an_application_joins_a_call_before_it_is_answered_and_stays(
    pair: tuple[RunningServer, FakeProviderApi],
):
    server, fake = pair
    call_id, asked = await begun(server, fake, "desk")
    headers = {"authorization": "Bearer secret"}
    url = f"ws://127.0.0.1:{server.port}/v1/realtime?call_id={call_id}"
    async with connect(url, additional_headers=headers) as sideband, asyncio.timeout(PATIENCE_S):
        callee = asyncio.ensure_future(streamed(server, asked["Url"]))
        assert read_json(await sideband.recv())["type"] == "session.created"
        await asyncio.to_thread(control, server, call_id, "hangup")
        async for _ in sideband:
            pass
        assert (sideband.close_code, sideband.close_reason) == (1000, "The call was hung up.")
    assert (await callee).ended_by == "server"
    await asyncio.to_thread(fake.next)


async def test_a_call_that_nobody_has_answered_is_listed_and_hung_up_by_its_id(
    pair: tuple[RunningServer, FakeProviderApi],
):
    server, fake = pair
    call_id, asked = await begun(server, fake, "desk")
    summary = server.app.state.live_calls.get(call_id).summary
    assert (summary.state, summary.direction, summary.agent) == ("ringing", "outbound", "desk")
    assert await asyncio.to_thread(control, server, call_id, "refer", '{"target_uri": "tel:+491"}') == 409
    assert await asyncio.to_thread(control, server, call_id, "hangup") == 200
    assert (await asyncio.to_thread(fake.next)).form == {"Status": "completed"}
    assert await asyncio.to_thread(control, server, call_id, "hangup") == 404
    assert b"<Hangup" in await asyncio.to_thread(by_twilio, server, asked["Url"], REQUEST)


def control(server: RunningServer, call_id: str, act: str, body: str = "") -> int:
    path = f"/v1/realtime/calls/{call_id}/{act}"
    return send(server, path, body, authorization="Bearer secret", content_type="application/json")[0]


async def test_a_caller_hears_ringing_while_the_load_is_measured(monkeypatch: pytest.MonkeyPatch):
    measured = asyncio.Event()
    monkeypatch.setattr(Admission, "is_measuring", lambda *_: not measured.is_set())
    async with exchange(fake_engines()) as world:
        line = FakeLine()
        monkeypatch.setattr(world.service, "_measured", measured)
        serving = asyncio.ensure_future(world.calls.serve(line, AGENT, LOOPBACK))
        async with asyncio.timeout(PATIENCE_S):
            while not line.sends:
                await asyncio.sleep(0)
            assert not len(world.live)
            measured.set()
            while not len(world.live):
                await asyncio.sleep(0)
        line.close("The caller hung up.")
        await serving


async def test_a_callee_who_hangs_up_is_not_logged_as_one_who_does_not_read(
    pair: tuple[RunningServer, FakeProviderApi], caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    server, fake = pair
    _, asked = await begun(server, fake, "desk")
    report = await streamed(server, asked["Url"], Manners(pause_ms=100, greeting_ms=5000, patience_ms=5000))
    assert report.ended_by == "caller"
    async with asyncio.timeout(PATIENCE_S):
        while "the telephone call has ended" not in caplog.text:
            await asyncio.sleep(0.01)
    assert "close frame" not in caplog.text
