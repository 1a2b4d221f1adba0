"""Calls over WebRTC with the stock `openai` package and stock `aiortc`."""

from collections.abc import AsyncGenerator, Callable

import pytest
from openai import APIStatusError, AsyncOpenAI

from client_audio import best_of_times, loud, silence, turn
from serving import RunningServer
from streamsrv.testing.fakes import ScriptedChatModel
from streamsrv.testing.lossy_path import LossyPath

pytest.importorskip("aiortc", reason="aiortc is not installed (the extra webrtc)")

from webrtc_talk import calling

GREETING = "Good morning to you. How are you?"
GREETING_MS = 60 * len("Good morning to you." + "How are you?")
"""The fake voice takes 60 ms for each character."""


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """aioice leaves loopback out, and these tests use nothing else."""

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr("aioice.ice.get_host_addresses", addresses)


@pytest.fixture
async def client(server: RunningServer) -> AsyncGenerator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=server.http_url, api_key="any") as opened:
        yield opened


async def test_a_spoken_turn_is_answered_aloud(client: AsyncOpenAI, chat: ScriptedChatModel) -> None:
    chat.answers += [GREETING]
    async with calling(client) as call:
        call.microphone.say(turn())
        done = await call.until("response.done")
        await call.until("output_audio_buffer.stopped")
        await call.speaker.until(0.9 * GREETING_MS)
    assert done["response"]["output"][0]["content"][0]["transcript"] == GREETING
    assert chat.asked[0][-1].content == "hello"
    assert "output_audio_buffer.started" in call.types()
    assert "response.output_audio.delta" not in call.types(), "audio is on the track"


async def test_the_session_of_the_form_is_the_session_of_the_call(client: AsyncOpenAI) -> None:
    session = {"type": "realtime", "instructions": "Be brief.", "audio": {"output": {"speed": 1.25}}}
    async with calling(client, session) as call:
        created = call.events[0]["session"]
    assert (created["instructions"], created["audio"]["output"]["speed"]) == ("Be brief.", 1.25)


async def test_speech_cuts_the_answer_where_it_was_heard(client: AsyncOpenAI, chat: ScriptedChatModel) -> None:
    chat.answers += ["One two three, four five. Six seven eight, nine ten eleven twelve.", "Sorry."]
    async with calling(client) as call:
        call.microphone.say(turn())
        await call.until("output_audio_buffer.started")
        await call.speaker.until(1300)  # later than a user who goes on
        call.microphone.say(loud())
        await call.until("output_audio_buffer.cleared")
        cut = await call.until("conversation.item.truncated")
        call.microphone.say(silence())
        await call.until("response.done")
        await call.until("output_audio_buffer.stopped")
    whole_ms = 60 * len("One two three, four five." + "Six seven eight, nine ten eleven twelve.")
    assert 1300 <= cut["audio_end_ms"] < whole_ms
    (kept,) = [message.content for message in chat.asked[1] if message.role == "assistant"]
    assert kept
    assert kept in "One two three, four five. Six seven eight, nine ten eleven twelve."
    assert "twelve" not in kept


async def test_a_client_secret_opens_one_call(client: AsyncOpenAI, server: RunningServer) -> None:
    made = await client.realtime.client_secrets.create(session={"type": "realtime", "instructions": "Be brief."})
    async with AsyncOpenAI(base_url=server.http_url, api_key=made.value) as browser:
        async with calling(browser) as call:
            assert call.events[0]["session"]["instructions"] == "Be brief."
            assert call.events[0]["session"]["id"] == made.session.id
        with pytest.raises(APIStatusError) as refused:
            await browser.realtime.calls.create(sdp="v=0\r\n")
    assert refused.value.status_code == 401
    assert "used before" in refused.value.message


async def test_an_offer_that_is_refused_does_not_use_a_client_secret_up(
    client: AsyncOpenAI, server: RunningServer
) -> None:
    made = await client.realtime.client_secrets.create()
    async with AsyncOpenAI(base_url=server.http_url, api_key=made.value) as browser:
        with pytest.raises(APIStatusError) as refused:
            await browser.realtime.calls.create(sdp="v=0\r\n")
        assert refused.value.status_code == 400
        async with calling(browser):
            pass


async def test_the_application_joins_the_call_of_a_page(client: AsyncOpenAI, chat: ScriptedChatModel) -> None:
    chat.answers += [GREETING]
    async with calling(client) as call, client.realtime.connect(call_id=call.id) as sideband:
        assert (await sideband.recv()).type == "session.created"
        call.microphone.say(turn())
        async for event in sideband:
            if event.type == "response.done":
                break
        await call.until("response.done")


@pytest.mark.parametrize("end", ["hangup", "page"])
async def test_a_call_that_ends_frees_its_place(client: AsyncOpenAI, server: RunningServer, end: str) -> None:
    async with calling(client) as call:
        assert server.service.sessions == 1
        if end == "hangup":
            await client.realtime.calls.hangup(call.id)
    await server.without_sessions()


@pytest.mark.parametrize("impair", [
    lambda path: setattr(path.uplink, "loss", 0.05),
    lambda path: setattr(path.uplink, "reordered", 0.1),
], ids=["5 % lost", "10 % reordered"])  # fmt: skip
async def test_a_turn_through_a_bad_network_is_answered(
    client: AsyncOpenAI, chat: ScriptedChatModel, impair: Callable[[LossyPath], None]
) -> None:
    chat.answers += [GREETING]
    async with LossyPath(seed=1) as path, calling(client, path=path) as call:
        impair(path)
        call.microphone.say(turn())
        await call.until("response.done")
        await call.until("output_audio_buffer.stopped")
        await call.speaker.until(0.9 * GREETING_MS)


async def test_real_speech_through_a_network_that_loses_packets(real_server: RunningServer) -> None:
    async with (
        AsyncOpenAI(base_url=real_server.http_url, api_key="any") as client,
        LossyPath(seed=2) as path,
        calling(client, {"type": "realtime", "audio": {"input": {"transcription": {}}}}, path) as call,
    ):
        path.uplink.loss = 0.03
        call.microphone.say(best_of_times())
        heard = await call.until("conversation.item.input_audio_transcription.completed")
        await call.until("response.done")
        await call.speaker.until(300)
    assert path.uplink.dropped
    assert "best of times" in heard["transcript"].lower()
