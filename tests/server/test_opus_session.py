"""Sessions that speak and hear Opus, over a WebSocket; what is loud is speech, and the reply is a tone."""

import base64

import numpy as np
import pytest

from opus_wire import BOTH_WAYS, OPUS, audio, packets
from serving import serving
from streamsrv.audio import opus
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import Wire, quiet, tone, wire

ANSWER = "Good morning to you. How are you?"
MS_A_CHARACTER = 60
"""Of the tone that is the reply."""


@pytest.fixture
def chat() -> ScriptedChatModel:
    return ScriptedChatModel(ANSWER, ANSWER)


@pytest.fixture
def server(chat: ScriptedChatModel):
    with serving(fake_engines(chat)) as running:
        yield running


async def set_audio(client: Wire, **sides: object) -> dict:
    await client.send("session.update", session={"audio": sides})
    return (await client.until("session.updated"))["session"]["audio"]


async def say(client: Wire, pcm: bytes) -> None:
    for packet in packets(np.frombuffer(pcm, "<i2")):
        await client.append(packet)


def deltas(client: Wire) -> list[dict]:
    return [event for event in client.received if event["type"] == "response.output_audio.delta"]


def reply(client: Wire) -> np.ndarray:
    return audio((base64.b64decode(event["delta"]), event.get("streamsrv", {})) for event in deltas(client))


def spoken_samples(text: str) -> int:
    between_sentences = text.count(". ")
    return 24 * MS_A_CHARACTER * (len(text) - between_sentences)


async def test_a_turn_is_heard_and_answered_in_opus(server):
    async with wire(server.realtime_url) as client:
        agreed = await set_audio(client, **BOTH_WAYS)
        assert agreed["input"]["format"] == agreed["output"]["format"] == {"type": "audio/opus", "rate": 24000}
        await say(client, tone(640) + quiet(960))
        done = (await client.until("response.done"))["response"]
    assert done["audio"]["output"]["format"] == {"type": "audio/opus", "rate": 24000}
    assert done["output"][0]["content"][0]["transcript"] == ANSWER
    heard = reply(client)
    assert len(heard) == spoken_samples(ANSWER), "to the sample"
    spectrum = np.abs(np.fft.rfft(heard))
    assert np.argmax(spectrum) * 24_000 / len(heard) == pytest.approx(440, abs=2)
    assert [event["audio_start_ms"] for event in client.received if "audio_start_ms" in event] == [0]


async def test_only_the_first_and_the_last_packet_of_a_reply_have_cuts(server):
    async with wire(server.realtime_url) as client:
        await set_audio(client, **BOTH_WAYS)
        await client.send("response.create")
        await client.until("response.done")
    first, *between, last = deltas(client)
    assert first["streamsrv"] == {"pre_skip": 156}
    assert set(last["streamsrv"]) <= {"end_trim"}
    assert not any("streamsrv" in event for event in between)


async def test_the_length_of_speech_is_counted_in_audio(server):
    async with wire(server.realtime_url) as client:
        await set_audio(client, input={"format": OPUS, "turn_detection": None})
        await say(client, quiet(80))
        await client.send("input_audio_buffer.commit")
        assert "buffer only has 96.00ms" in (await client.error())["message"], "80 ms, filled up to whole frames"


async def test_each_direction_has_its_own_format(server):
    async with wire(server.realtime_url) as client:
        await set_audio(client, input={"format": OPUS})
        await say(client, tone(640) + quiet(960))
        await client.until("response.done")
    assert sum(len(base64.b64decode(event["delta"])) for event in deltas(client)) == 2 * spoken_samples(ANSWER)


async def test_the_format_changes_in_the_middle_of_a_turn(server):
    async with wire(server.realtime_url) as client:
        await client.append(tone(400))
        await set_audio(client, **BOTH_WAYS)
        await say(client, tone(400) + quiet(400))
        await set_audio(client, input={"format": {"type": "audio/pcm"}})
        await client.append(quiet(960))
        await client.until("response.done")
    stopped = next(event for event in client.received if event["type"] == "input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] == pytest.approx(800 + 500, abs=64), "the pause that ends a turn included"
    assert len(reply(client)) == spoken_samples(ANSWER)


async def test_a_reply_that_has_begun_keeps_its_format(server, chat: ScriptedChatModel):
    async with wire(server.realtime_url) as client:
        await set_audio(client, **BOTH_WAYS)
        await client.send("response.create")
        await client.send("session.update", session={"audio": {"output": {"format": {"type": "audio/pcm"}}}})
        await client.until("response.done")
        assert len(reply(client)) == spoken_samples(ANSWER)
        client.received.clear()
        await client.send("response.create")
        await client.until("response.done")
    assert sum(len(base64.b64decode(event["delta"])) for event in deltas(client)) == 2 * spoken_samples(ANSWER)


async def test_one_response_may_ask_for_it(server):
    async with wire(server.realtime_url) as client:
        await client.send("response.create", response={"audio": {"output": {"format": OPUS}}})
        await client.until("response.done")
    assert len(reply(client)) == spoken_samples(ANSWER)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x03",
        bytes([31 << 3]) + bytes(1300),  # a frame longer than any
        bytes([(31 << 3) | 3, 48]),  # almost a second
        bytes(100_000),
    ],
)
async def test_what_is_no_packet_gets_an_error_and_the_session_goes_on(server, packet: bytes):
    async with wire(server.realtime_url) as client:
        await set_audio(client, **BOTH_WAYS)
        await say(client, tone(320))
        await client.send("input_audio_buffer.append", audio=base64.b64encode(packet).decode(), event_id="bad")
        error = await client.error()
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "audio", "bad")
        assert error["message"] == f"Invalid audio: {len(packet)} bytes that are no Opus packet."
        await say(client, tone(320) + quiet(960))
        assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_noise_as_packets_does_no_harm(server):
    random = np.random.default_rng(3)
    async with wire(server.realtime_url) as client:
        await set_audio(client, input={"format": OPUS, "turn_detection": None})
        for length in random.integers(1, 400, 300):
            await client.append(random.bytes(int(length)))
        await set_audio(client, **BOTH_WAYS)
        await client.send("response.create")
        assert (await client.until("response.done"))["response"]["status"] == "completed"
    assert all(event["error"]["param"] == "audio" for event in client.received if event["type"] == "error")


async def test_audio_in_an_item_is_refused_where_the_session_speaks_opus(server):
    async with wire(server.realtime_url) as client:
        await set_audio(client, **BOTH_WAYS)
        content = [{"type": "input_audio", "audio": base64.b64encode(packets(np.zeros(480, np.int16))[0]).decode()}]
        await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        error = await client.error()
        assert (error["code"], error["param"]) == ("invalid_value", "item.content")
        text = [{"type": "input_text", "text": "Hello."}]
        await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": text})
        await client.until("conversation.item.done")


@pytest.mark.parametrize("rate", [8000, 48000, "24000"])
async def test_another_rate_is_refused_with_the_one_there_is(server, rate: object):
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"audio": {"output": {"format": {**OPUS, "rate": rate}}}})
        error = await client.error()
    assert error["param"] == "session.audio.output.format.rate"
    assert "24000" in error["message"]


async def test_a_server_without_libopus_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(opus, "is_available", lambda: False)
    with serving(fake_engines()) as server:
        async with wire(server.realtime_url) as client:
            await client.send("session.update", session={"audio": BOTH_WAYS})
            error = await client.error()
            assert (error["code"], error["param"]) == ("invalid_value", "session.audio.input.format")
            assert "accepted are 'audio/pcm', 'audio/pcma', 'audio/pcmu'" in error["message"]
            await client.send("response.create", response={"audio": {"output": {"format": OPUS}}})
            assert (await client.error())["param"] == "response.audio.output.format"
            await client.send("response.create")
            assert (await client.until("response.done"))["response"]["status"] == "completed"
