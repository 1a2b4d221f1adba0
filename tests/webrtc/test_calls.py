"""Calls over the real server and its real media processes, with fake engines."""

import asyncio
import base64
import json
import re
from collections import Counter

import pytest
from aiortc import RTCSessionDescription
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from caller import Caller, calling, form, request, tone
from rest import post_json
from serving import serving
from streamsrv.runtime import fairness
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines

HELLO = [{"role": "user", "content": "Hello!"}]
LOOPBACK = {"webrtc_hosts": "127.0.0.1", "webrtc_processes": 1}
LONG = "This is a long answer, " * 12 + "and here it ends."


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines(), **LOOPBACK) as running:
        yield running


async def test_a_bare_offer_opens_a_call(server):
    caller = Caller()
    reply = await caller.connect(server)
    assert reply.status == 201
    assert reply.headers["content-type"] == "application/sdp"
    assert reply.headers["location"].startswith("/v1/realtime/calls/rtc_")
    created = await caller.next()
    assert created["type"] == "session.created"
    assert created["session"]["model"] == "scripted-model"
    await caller.close()


async def test_the_form_configures_the_session(server):
    given = {"type": "realtime", "model": "m", "instructions": "Be brief.", "audio": {"output": {"speed": 1.2}}}
    async with calling(server, given) as caller:
        session = caller.received[0]["session"]
        assert session["instructions"] == "Be brief."
        assert session["audio"]["output"]["speed"] == 1.2
        assert session["model"] == "m"


async def test_a_session_can_only_transcribe(server):
    async with calling(server, {"type": "transcription"}) as caller:
        assert caller.received[0]["session"]["type"] == "transcription"
        caller.microphone.say(tone(600))
        completed = await caller.until("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == "hello"


async def test_a_call_speaks_in_a_caption_room(server):
    given = {"type": "transcription", "streamsrv": {"captions": {"room": "calls"}}}
    async with calling(server, given) as caller:
        caller.microphone.say(tone(600))
        await caller.until("conversation.item.input_audio_transcription.completed")
        room = server.service.rooms.find("calls").room
        assert [caption.utterance.text for caption in room.captions] == ["hello"]
    await server.without_sessions()
    assert room.speakers == 0


async def test_events_go_both_ways(server):
    async with calling(server) as caller:
        caller.send("session.update", session={"instructions": "Be kind."})
        assert (await caller.until("session.updated"))["session"]["instructions"] == "Be kind."
        caller.send("session.update", session={"instructions": 3}, event_id="mine")
        assert (await caller.until("error"))["error"]["event_id"] == "mine"


APPEND = {"audio": base64.b64encode(bytes(9600)).decode(), "event_id": "mine"}


async def test_audio_in_events_is_refused_where_there_is_a_microphone(server):
    async with calling(server) as caller, connect(f"{server.realtime_url}?call_id={caller.call_id}") as sideband:
        caller.send("input_audio_buffer.append", **APPEND)
        error = (await caller.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("audio_not_accepted", "type", "mine")
        assert "microphone" in error["message"]
        await sideband.send(json.dumps({"type": "input_audio_buffer.append", **APPEND, "event_id": "aside"}))
        assert (await caller.until("error"))["error"]["event_id"] == "aside"
        caller.microphone.say(tone(600))
        await caller.until("response.created")


async def test_audio_in_events_is_taken_where_there_is_no_microphone(server):
    caller = Caller()
    sdp = (await caller.offer()).replace("a=sendrecv", "a=recvonly")
    given = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    reply = await request(server, "POST", "/v1/realtime/calls", *form(sdp=sdp, session=json.dumps(given)))
    assert reply.status == 201
    await caller.connection.setRemoteDescription(RTCSessionDescription(reply.body.decode(), "answer"))
    await caller.until("session.created")
    caller.send("input_audio_buffer.append", **APPEND)
    caller.send("input_audio_buffer.commit")
    await caller.until("input_audio_buffer.committed")
    assert "error" not in [event["type"] for event in caller.received]
    await caller.close()


async def test_what_is_said_is_answered_aloud(server):
    async with calling(server) as caller:
        caller.microphone.say(tone(600))
        await caller.until("response.created")
        await caller.hears(sound=True)
        await caller.until("output_audio_buffer.stopped")
        kinds = [event["type"] for event in caller.received]
        assert kinds.index("output_audio_buffer.started") < kinds.index("output_audio_buffer.stopped")
        assert "response.output_audio_transcript.done" in kinds
        assert "response.output_audio.delta" not in kinds
        await caller.hears(sound=False)


async def test_an_answer_is_as_long_as_it_was_made():
    """The fake voice speaks 60 ms for each character."""
    with serving(fake_engines(ScriptedChatModel("Twenty characters!!!")), **LOOPBACK) as server:
        async with calling(server) as caller:
            caller.send("response.create")
            await caller.until("output_audio_buffer.stopped")
            await caller.hears(sound=False)
            assert abs(sum(level > 500 for level in caller.heard) - 60) <= 2


async def test_speaking_up_silences_the_answer_and_keeps_what_was_heard():
    with serving(fake_engines(ScriptedChatModel(LONG)), **LOOPBACK) as server:
        async with calling(server) as caller:
            caller.send("response.create")
            await caller.until("output_audio_buffer.started")
            await caller.hears(sound=True, frames=50)
            caller.microphone.say(tone(800))
            await caller.until("output_audio_buffer.cleared")
            await caller.hears(sound=False)
            truncated = await caller.until("conversation.item.truncated")
            heard_ms = 20 * sum(level > 500 for level in caller.heard)
            assert abs(truncated["audio_end_ms"] - heard_ms) < 200


async def test_the_client_can_clear_what_is_being_played():
    with serving(fake_engines(ScriptedChatModel(LONG)), **LOOPBACK) as server:
        async with calling(server) as caller:
            caller.send("response.create")
            await caller.until("output_audio_buffer.started")
            caller.send("output_audio_buffer.clear")
            await caller.until("output_audio_buffer.cleared")
            await caller.hears(sound=False)


@pytest.mark.parametrize(("method", "suffix"), [("POST", "/hangup"), ("DELETE", "")])
async def test_a_call_can_be_ended_by_request(server, method: str, suffix: str):
    async with calling(server) as caller:
        assert (await request(server, method, caller.call_path + suffix)).status == 200
        async with asyncio.timeout(10):
            await caller.closed.wait()
        await server.without_sessions()
        again = await request(server, method, caller.call_path + suffix)
        assert (again.status, again.error["code"]) == (404, "call_not_found")


async def test_a_client_that_leaves_gives_its_place_back(server):
    async with calling(server):
        assert server.service.sessions == 1
    await server.without_sessions()


async def test_a_client_that_vanishes_gives_its_place_back(server):
    async with calling(server) as caller:
        caller.vanish()
        await server.without_sessions()


async def test_a_full_server_refuses_and_says_when_to_come_back():
    with serving(fake_engines(), max_sessions=1, **LOOPBACK) as server:
        async with calling(server):
            refused = await Caller().connect(server)
            assert (refused.status, refused.error["code"]) == (503, "session_limit_reached")
            assert refused.headers["retry-after"] == "5"
        await server.without_sessions()
        async with calling(server):
            pass


async def test_a_hundred_offers_at_once_open_no_more_calls_than_there_is_room_for():
    with serving(fake_engines(), max_sessions=3, **LOOPBACK) as server:
        offer, sdp = (await good_offer()), {"Content-Type": "application/sdp"}
        replies = await asyncio.gather(*(request(server, "POST", "/v1/realtime/calls", offer, sdp) for _ in range(100)))
        assert Counter(reply.status for reply in replies) == {201: 3, 503: 97}
        for reply in replies:
            if reply.status == 201:
                await request(server, "DELETE", reply.headers["location"])
        await server.without_sessions()


async def test_a_client_that_takes_no_audio_can_only_have_text(server):
    caller = Caller()
    offer = (await caller.offer()).replace("a=sendrecv", "a=sendonly")
    spoken = await request(server, "POST", "/v1/realtime/calls", *form(sdp=offer, session="{}"))
    assert (spoken.status, spoken.error["param"]) == (400, "sdp")
    captions = json.dumps({"type": "transcription"})
    written = await request(server, "POST", "/v1/realtime/calls", *form(sdp=offer, session=captions))
    assert written.status == 201
    await request(server, "DELETE", written.headers["location"])
    await caller.close()


async def test_without_aiortc_the_answer_says_what_is_missing(server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamsrv.http.calls.webrtc_is_installed", lambda: False)
    reply = await Caller().connect(server)
    assert (reply.status, reply.error["code"]) == (501, "webrtc_unavailable")
    assert "streamsrv[webrtc]" in reply.error["message"]


async def good_offer() -> str:
    caller = Caller()
    sdp = await caller.offer()
    await caller.close()
    return sdp


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda sdp: "", "no_audio"),
        (lambda sdp: "hello", "no_audio"),
        (lambda sdp: "v=0\r\nm=audio", "invalid_sdp"),
        (lambda sdp: sdp.replace("m=audio", "m=video"), "no_audio"),
        (lambda sdp: sdp.replace("opus/48000", "speex/16000"), "unsupported_codec"),
        (lambda sdp: "\r\n".join(x for x in sdp.split("\r\n") if "fingerprint" not in x), "invalid_sdp"),
        (lambda sdp: "\r\n".join(x for x in sdp.split("\r\n") if "ice-ufrag" not in x), "invalid_sdp"),
        (lambda sdp: re.sub(r"m=audio \d+", "m=audio nine", sdp), "invalid_sdp"),
    ],
)
async def test_a_bad_offer_is_refused_with_the_reason(server, break_it, code: str):
    body = break_it(await good_offer())
    reply = await request(server, "POST", "/v1/realtime/calls", body, {"Content-Type": "application/sdp"})
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, code, "sdp")
    assert server.service.sessions == 0


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ('{"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 7}}}}', "threshold"),
        ('{"type": "song"}', "session.type"),
        ("[1]", "session"),
        ("{", "session"),
    ],
)
async def test_a_bad_session_is_refused_with_the_field(server, session: str, param: str):
    reply = await request(server, "POST", "/v1/realtime/calls", *form(sdp=await good_offer(), session=session))
    assert reply.status == 400
    assert reply.error["param"].endswith(param)
    await server.without_sessions()


async def test_a_form_without_an_offer_is_refused(server):
    reply = await request(server, "POST", "/v1/realtime/calls", *form(session="{}"))
    assert (reply.status, reply.error["code"], reply.error["param"]) == (400, "missing_required_parameter", "sdp")


async def test_another_content_type_is_refused(server):
    reply = await request(server, "POST", "/v1/realtime/calls", "{}", {"Content-Type": "application/json"})
    assert (reply.status, reply.error["code"]) == (415, "unsupported_media_type")


async def test_a_huge_offer_is_refused(server):
    reply = await request(server, "POST", "/v1/realtime/calls", "v" * 200_000, {"Content-Type": "application/sdp"})
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")


async def test_a_key_is_needed_where_there_are_keys():
    with serving(fake_engines(), api_keys="sk-1", **LOOPBACK) as server:
        assert (await Caller().connect(server)).status == 401
        async with calling(server, Authorization="Bearer sk-1") as caller:
            assert (await request(server, "DELETE", caller.call_path)).status == 401


async def test_a_flood_of_events_ends_the_call(server, monkeypatch):
    monkeypatch.setattr(fairness, "EVENTS_PER_S", 1)  # so that the queue fills, however slowly the channel delivers
    monkeypatch.setattr(fairness, "EVENTS_BURST", 10)
    async with calling(server) as caller:
        for _ in range(1500):
            caller.send("input_audio_buffer.clear")
        async with asyncio.timeout(20):
            await caller.closed.wait()
        await server.without_sessions()


async def test_the_sideband_sees_the_events_of_the_call_and_may_send_some(server):
    async with calling(server) as caller, connect(f"{server.realtime_url}?call_id={caller.call_id}") as sideband:
        assert json.loads(await sideband.recv())["type"] == "session.created"
        await sideband.send(json.dumps({"type": "session.update", "session": {"instructions": "From aside."}}))
        updated = await caller.until("session.updated")
        assert updated["session"]["instructions"] == "From aside."
        assert json.loads(await sideband.recv()) == updated


async def test_a_flood_from_the_sideband_waits_and_the_call_goes_on(server):
    """It is read no faster than it is handled; the client's own events have room in the queue."""
    async with calling(server) as caller, connect(f"{server.realtime_url}?call_id={caller.call_id}") as sideband:
        events = asyncio.ensure_future(caller.until("session.updated"))
        for _ in range(1500):
            await sideband.send('{"type": "input_audio_buffer.clear"}')
        caller.send("session.update", session={"instructions": "From the client."})
        async with asyncio.timeout(30):
            assert (await events)["session"]["instructions"] == "From the client."
        assert not caller.closed.is_set()


async def test_the_sideband_ends_with_the_call_and_says_why(server):
    async with calling(server) as caller, connect(f"{server.realtime_url}?call_id={caller.call_id}") as sideband:
        await request(server, "DELETE", caller.call_path)
        await sideband.wait_closed()
        assert sideband.close_reason == "The call was hung up."


async def test_a_call_goes_on_without_its_sideband(server):
    async with calling(server) as caller:
        async with connect(f"{server.realtime_url}?call_id={caller.call_id}") as sideband:
            await sideband.recv()
        caller.send("session.update", session={"instructions": "Still here."})
        await caller.until("session.updated")


async def test_there_is_no_sideband_to_a_call_that_is_not(server):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{server.realtime_url}?call_id=rtc_none"):
            pass
    assert refused.value.response.status_code == 404


async def test_a_noise_holds_the_answer_and_it_goes_on_from_the_same_sample():
    """The fake voice speaks 60 ms for each character: 4 s."""
    said = "Sixty six characters, which take four seconds to say out loud, ok."
    semantic = {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}
    with serving(fake_engines(ScriptedChatModel(said), transcript=""), **LOOPBACK) as server:
        async with calling(server, semantic) as caller:
            caller.send("response.create")
            await caller.hears(sound=True, frames=50)
            caller.microphone.say(tone(150))
            await caller.hears(sound=False, frames=5)
            await caller.until("output_audio_buffer.stopped")
            await caller.hears(sound=False, frames=10)
            assert "output_audio_buffer.cleared" not in [event["type"] for event in caller.received]
            assert abs(sum(level > 500 for level in caller.heard) - len(said) * 3) <= 4


async def test_an_event_that_the_data_channel_does_not_take_becomes_an_error():
    with serving(fake_engines(), **LOOPBACK) as server:
        async with calling(server) as caller, connect(f"{server.realtime_url}?call_id={caller.call_id}") as sideband:
            tools = [{"type": "function", "name": f"f{n}", "description": "x" * 100_000} for n in range(3)]
            await sideband.send(json.dumps({"type": "session.update", "session": {"tools": tools}}))
            assert "takes 262144" in (await caller.until("error"))["error"]["message"]


async def test_calls_end_at_once_when_the_server_stops():
    chat = ScriptedChatModel("One two.")
    chat.hold = asyncio.Event()  # never set: a request keeps the server for as long as requests may
    with serving(fake_engines(chat), **LOOPBACK) as server:
        caller = Caller()
        await caller.connect(server)
        await caller.next()
        chatting = asyncio.create_task(post_json(server, "/chat/completions", {"messages": HELLO}))
        while not chat.asked:
            await server.tasks()
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        await server.without_sessions()
        assert not stopping.done(), "the call did not wait for the request"
        await stopping
        assert (await chatting).status == 503
        await caller.close()


async def test_the_location_of_a_call_is_below_the_root_path():
    with serving(fake_engines(), root_path="/voice", **LOOPBACK) as server:
        async with calling(server) as caller:
            assert caller.call_path.startswith("/voice/v1/realtime/calls/rtc_")
