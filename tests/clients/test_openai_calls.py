"""OpenAI's call API with the stock `openai` package: an application decides about telephone calls and joins them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from openai import APIStatusError
from websockets.asyncio.client import connect

from call_application import SECRET, SECRET_VARIABLE, CallApplication
from phone_server import PATIENCE_S, PhoneServer, hung_up, phone_server, question
from streamsrv.core.call_rules import CallRules
from streamsrv.errors import Rejected, Unavailable
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from streamsrv.transports.telephony import ringing
from streamsrv.transports.telephony.agent import Agent, Application
from streamsrv.transports.telephony.application import delivery

NO_TELEPHONES = (
    "+14155550123", "http://example.com", "sip:", "sip:a@", "tel:", "sip:a@b\r\nX: 1", "sip:a b@c", "sip:<a@b>", ""
)  # fmt: skip
MULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
QUIET_RULES = CallRules(silence_ms=0, waiting_after_ms=0)


@pytest.fixture
def chat() -> ScriptedChatModel:
    return ScriptedChatModel()


@pytest.fixture
async def server(chat: ScriptedChatModel) -> AsyncGenerator[PhoneServer]:
    async with phone_server(fake_engines(chat)) as running:
        yield running


@pytest.fixture
async def application(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[CallApplication]:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    async with CallApplication().running() as running:
        yield running


@pytest.fixture
def agent(application: CallApplication) -> Agent:
    session = {"instructions": "You are the desk.", "audio": {"output": {"speed": 1.25}}}
    return Agent("desk", session, QUIET_RULES, application=Application(application.url, SECRET_VARIABLE))


def with_application(agent: Agent, **fields: Any) -> Agent:
    assert agent.application is not None
    return replace(agent, application=replace(agent.application, **fields))


async def until(connection: Any, event_type: str) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while (event := await connection.recv()).type != event_type:
            assert event.type != "error", event
    return event


async def test_the_application_accepts_a_call_and_joins_it(
    server: PhoneServer, application: CallApplication, agent: Agent, chat: ScriptedChatModel
) -> None:
    chat.answers += ["Good morning."]
    async with server.ring(agent) as line:
        call_id = await application.next_call()
        headers = {header.name: header.value for header in application.events[0].data.sip_headers}
        assert headers["From"] == "sip:+491701234567@fake.invalid"
        assert headers["To"] == "sip:+4930123456@fake.invalid"
        await server.client.realtime.calls.accept(call_id, type="realtime", instructions="Be brief.")
        async with server.client.realtime.connect(call_id=call_id) as sideband:
            created = await until(sideband, "session.created")
            assert created.session.instructions == "Be brief."
            assert created.session.audio.output.speed == 1.25, "what the application leaves out is the agent's"
            assert created.session.audio.output.format.type == "audio/pcmu"
            line.speak(question())
            await until(sideband, "output_audio_buffer.stopped")
            assert abs(line.heard()).max() > 1000
        await server.client.realtime.calls.hangup(call_id)
        await hung_up(line)


async def test_the_application_may_accept_before_it_answers_the_webhook(
    server: PhoneServer, application: CallApplication, agent: Agent
) -> None:
    async def accept(call_id: str) -> None:
        await server.client.realtime.calls.accept(call_id, type="realtime")

    application.on_call = accept
    async with server.ring(agent):
        call_id = await application.next_call()
        async with server.client.realtime.connect(call_id=call_id) as sideband:
            await until(sideband, "session.created")
    assert len(application.events) == 1


async def test_a_sideband_may_join_while_the_call_rings_and_gets_its_session_later(
    server: PhoneServer, application: CallApplication, agent: Agent, chat: ScriptedChatModel
) -> None:
    chat.answers += ["Welcome."]
    async with server.ring(agent):
        call_id = await application.next_call()
        async with server.client.realtime.connect(call_id=call_id) as sideband:
            await sideband.session.update(session={"type": "realtime", "instructions": "Greet."})
            await sideband.response.create()
            await server.client.realtime.calls.accept(call_id, type="realtime")
            await until(sideband, "session.created")
            assert (await until(sideband, "session.updated")).session.instructions == "Greet."
            await until(sideband, "output_audio_buffer.stopped")


async def test_a_rejected_caller_hears_a_busy_line(
    server: PhoneServer, application: CallApplication, agent: Agent
) -> None:
    async with server.ring(agent) as line:
        call_id = await application.next_call()
        await server.client.realtime.calls.reject(call_id, status_code=486)
        before_ms = line.heard_ms
        async with asyncio.timeout(PATIENCE_S):
            while line.heard_ms < before_ms + 400:
                await asyncio.sleep(0.02)
        spectrum = abs(np.fft.rfft(line.heard()[-8 * 200 :]))
        assert {480, 620} == {round(5 * peak) for peak in np.argsort(spectrum)[-2:]}
        with pytest.raises(APIStatusError) as refused:
            await server.client.realtime.calls.refer(call_id, target_uri="tel:+1")
        assert (refused.value.status_code, refused.value.code) == (409, "call_not_referable")
        await server.client.realtime.calls.hangup(call_id)
        for late in (server.client.realtime.calls.hangup, server.client.realtime.calls.accept):
            with pytest.raises(APIStatusError) as refused:
                await late(call_id, **({"type": "realtime"} if late.__name__ == "accept" else {}))
            assert refused.value.status_code == 404


async def test_a_call_that_rings_can_be_hung_up(
    server: PhoneServer, application: CallApplication, agent: Agent
) -> None:
    async with server.ring(agent) as line:
        await server.client.realtime.calls.hangup(await application.next_call())
        await hung_up(line)


async def test_a_call_that_is_hung_up_while_it_is_accepted_ends(
    server: PhoneServer, application: CallApplication, agent: Agent
) -> None:
    calls = server.client.realtime.calls
    async with server.ring(agent) as line:
        call_id = await application.next_call()
        await asyncio.gather(calls.accept(call_id, type="realtime"), calls.hangup(call_id), return_exceptions=True)
        await hung_up(line)


@pytest.mark.parametrize("accepted", [False, True])
async def test_a_call_is_referred_before_and_after_it_is_accepted(
    server: PhoneServer, application: CallApplication, agent: Agent, accepted: bool
) -> None:
    async with server.ring(agent) as line:
        call_id = await application.next_call()
        if accepted:
            await server.client.realtime.calls.accept(call_id, type="realtime")
        for error, status in ((Unavailable("The trunk is down."), 502), (Rejected("Nobody is there."), 400)):
            line.transfer_error = error
            with pytest.raises(APIStatusError, match=str(error)) as refused:
                await server.client.realtime.calls.refer(call_id, target_uri="tel:+14155550123")
            assert refused.value.status_code == status
        line.transfer_error = None
        await server.client.realtime.calls.refer(call_id, target_uri="sip:agent@example.com")
        assert line.transfers == ["tel:+14155550123"] * 2 + ["sip:agent@example.com"]
        async with asyncio.timeout(PATIENCE_S):
            while len(server.app.state.live_calls):
                await asyncio.sleep(0)


async def test_a_target_that_is_no_telephone_is_refused(
    server: PhoneServer, application: CallApplication, agent: Agent
) -> None:
    async with server.ring(agent) as line:
        call_id = await application.next_call()
        for target in NO_TELEPHONES:
            with pytest.raises(APIStatusError, match="target_uri") as refused:
                await server.client.realtime.calls.refer(call_id, target_uri=target)
            assert (refused.value.status_code, line.transfers) == (400, []), target


async def test_a_session_that_is_refused_lets_the_call_ring_on(
    server: PhoneServer, application: CallApplication, agent: Agent
) -> None:
    wrong: list[dict[str, Any]] = [
        {"type": "transcription"},
        {"instructions": 7},
        {"audio": {"output": {"voice": "nobody's"}}},
        {"audio": {"input": {"format": {"type": "audio/mp3"}}}},
        {"colour": "red"},
        {"model": ["a"]},
    ]
    async with server.ring(agent):
        call_id = await application.next_call()
        for fields in wrong:
            body: Any = {"type": "realtime", **fields}
            with pytest.raises(APIStatusError) as refused:
                await server.client.post(f"/realtime/calls/{call_id}/accept", body=body, cast_to=object)
            assert (refused.value.status_code, refused.value.param.startswith("session")) == (400, True), fields
        for status_code in (200, 399, 700):
            with pytest.raises(APIStatusError, match="status_code"):
                await server.client.realtime.calls.reject(call_id, status_code=status_code)
        audio: Any = {side: {"format": {"type": "audio/pcm", "rate": 24000}} for side in ("input", "output")}
        await server.client.realtime.calls.accept(call_id, type="realtime", audio=audio)
        async with server.client.realtime.connect(call_id=call_id) as sideband:
            created = await until(sideband, "session.created")
            assert created.session.audio.input.format.type == "audio/pcmu", "the line has its own format"


async def test_what_comes_too_late_is_a_conflict_and_what_is_over_is_not_found(
    server: PhoneServer, application: CallApplication, agent: Agent
) -> None:
    calls = server.client.realtime.calls
    async with server.ring(agent):
        call_id = await application.next_call()
        await calls.accept(call_id, type="realtime")
        for late in (calls.accept(call_id, type="realtime"), calls.reject(call_id)):
            with pytest.raises(APIStatusError) as refused:
                await late
            assert (refused.value.status_code, refused.value.code) == (409, "call_not_ringing")
    for over in (
        calls.accept(call_id, type="realtime"),
        calls.reject(call_id),
        calls.refer(call_id, target_uri="tel:+1"),
        calls.hangup(call_id),
    ):
        with pytest.raises(APIStatusError) as refused:
            await over
        assert (refused.value.status_code, refused.value.code) == (404, "call_not_found")


async def test_a_caller_who_leaves_while_it_rings_leaves_nothing_behind(
    server: PhoneServer, application: CallApplication, agent: Agent
) -> None:
    async with server.ring(agent):
        call_id = await application.next_call()
        assert server.app.state.service.sessions == 1
        async with asyncio.timeout(PATIENCE_S), server.client.realtime.connect(call_id=call_id) as sideband:
            pass
    assert server.app.state.service.sessions == 0
    del sideband


async def test_the_caller_hears_it_ring(server: PhoneServer, application: CallApplication, agent: Agent) -> None:
    async with server.ring(agent) as line:
        call_id = await application.next_call()
        async with asyncio.timeout(PATIENCE_S):
            while line.heard_ms < 200:
                await asyncio.sleep(0.02)
        spectrum = abs(np.fft.rfft(line.heard()[: 8 * 200]))
        assert {440, 480} == {round(5 * peak) for peak in np.argsort(spectrum)[-2:]}
        await server.client.realtime.calls.accept(call_id, type="realtime")
        async with server.client.realtime.connect(call_id=call_id) as sideband:
            await until(sideband, "session.created")
            heard = len(line.heard())
            await asyncio.sleep(0)
            assert not abs(line.heard()[heard + 8 * 100 :]).any()


@pytest.mark.parametrize("statuses", [[500, 503], [302, 404, 410]])
async def test_the_webhook_is_sent_again_until_the_application_takes_it(
    server: PhoneServer,
    application: CallApplication,
    agent: Agent,
    statuses: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "PAUSES_S", (0.01, 0.01, 0.01))
    application.answer_headers = f"location: {application.url}/elsewhere\r\n"
    application.statuses += statuses
    async with server.ring(agent):
        call_id = await application.next_call(len(statuses) + 1)
        await server.client.realtime.calls.accept(call_id, type="realtime")
    assert len({headers["webhook-id"] for headers in application.headers}) == 1
    assert len(application.events) == len(statuses) + 1


@pytest.mark.parametrize(
    ("cause", "otherwise"),
    [
        ("refuses", "answer"),
        ("does not listen", "answer"),
        ("has no secret", "reject"),
        ("is silent", "answer"),
        ("is silent", "reject"),
    ],
)
async def test_without_an_answer_of_the_application_the_agent_answers_or_the_call_is_rejected(
    server: PhoneServer,
    application: CallApplication,
    agent: Agent,
    cause: str,
    otherwise: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "PAUSES_S", (0.01,))
    match cause:
        case "refuses":
            application.statuses += [500, 500]
        case "does not listen":
            agent = with_application(agent, url="http://127.0.0.1:1/webhook")
        case "has no secret":
            monkeypatch.delenv(SECRET_VARIABLE)
        case _:
            agent = with_application(agent, ring_s=0.2)
    monkeypatch.setattr(ringing, "busy_tone", lambda rate: np.ones(rate // 50, np.int16))
    agent = replace(with_application(agent, otherwise=otherwise), rules=replace(QUIET_RULES, greeting="Good day."))
    async with server.ring(agent) as line:
        if otherwise == "reject":
            await hung_up(line)
        else:
            async with asyncio.timeout(PATIENCE_S):
                while not (calls := [call for call in server.app.state.live_calls if call.summary.state == "active"]):
                    await asyncio.sleep(0)
            async with server.client.realtime.connect(call_id=calls[0].id) as sideband:
                created = await until(sideband, "session.created")
                assert created.session.instructions == "You are the desk."


async def test_the_running_calls_are_listed_without_the_numbers_of_callers(
    server: PhoneServer, application: CallApplication, agent: Agent
) -> None:
    async def listed() -> list[dict[str, Any]]:
        return (await server.client.get("/streamsrv/calls", cast_to=dict[str, Any]))["data"]

    assert await listed() == []
    async with server.ring(agent):
        call_id = await application.next_call()
        (call,) = await listed()
        assert (call["id"], call["provider"], call["agent"], call["state"]) == (call_id, "fake", "desk", "ringing")
        assert "1701234567" not in str(call)
        await server.client.realtime.calls.accept(call_id, type="realtime")
        async with server.client.realtime.connect(call_id=call_id) as sideband:
            await until(sideband, "session.created")
        assert (await listed())[0]["state"] == "active"


async def test_a_call_over_the_socket_of_a_provider_to_a_number_of_the_settings(
    chat: ScriptedChatModel, application: CallApplication
) -> None:
    number = {"numbers": ["+4930*"], "name": "desk", "silence_ms": 0, "application": application.url}
    tables = [{**number, "application_secret_variable": SECRET_VARIABLE}]
    parameters = {"from": "+491701234567", "to": "+4930123456", "shop": "7"}
    start = {"streamSid": "MZ1", "callSid": "CA1", "accountSid": "AC1", "tracks": ["inbound"]}
    start |= {"customParameters": parameters, "mediaFormat": MULAW}
    async with phone_server(fake_engines(chat), phone_number=tables) as server:
        calls = server.client.realtime.calls
        async with connect(f"ws://127.0.0.1:{server.port}/v1/calls/twilio/media") as provider:
            await provider.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            await provider.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": start}))
            call_id = await application.next_call()
            headers = {header.name: header.value for header in application.events[0].data.sip_headers}
            assert (headers["Call-ID"], headers["shop"]) == ("CA1", "7")
            async with asyncio.timeout(PATIENCE_S):
                assert json.loads(await provider.recv())["event"] == "media", "it rings"
            with pytest.raises(APIStatusError) as refused:
                await calls.refer(call_id, target_uri="tel:+14155550123")
            assert refused.value.status_code in (400, 502), "no REST API is configured"
            await calls.accept(call_id, type="realtime")
            async with server.client.realtime.connect(call_id=call_id) as sideband:
                created = await until(sideband, "session.created")
                assert created.session.audio.input.format.type == "audio/pcmu"
            await calls.hangup(call_id)
            async with asyncio.timeout(PATIENCE_S):
                await provider.wait_closed()
