"""Audio and events of a client are taken in the order in which they came."""

import pytest

from serving import serving
from streamsrv.testing.fakes import fake_engines
from wire import quiet, tone, wire


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines()) as running:
        yield running


async def test_speech_before_turn_detection_is_turned_on_starts_no_turn(server):
    """Although it is too short to have been heard when the update comes."""
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session=turn_detection(None))
        await client.append(quiet(5000))
        await client.append(tone(96))
        await client.send("session.update", session=turn_detection({"type": "server_vad"}))
        await client.append(quiet(1000))
        await client.send("conversation.item.retrieve", item_id="none")
        await client.until("error")
    assert "input_audio_buffer.speech_started" not in [event["type"] for event in client.received]


async def test_an_event_behind_audio_is_answered_after_the_audio(server):
    async with wire(server.realtime_url) as client:
        await client.append(quiet(5000))
        await client.append(tone(99))
        await client.send("conversation.item.retrieve", item_id="none")
        await client.until("error")
    assert [event["type"] for event in client.received] == [
        "session.created",
        "input_audio_buffer.speech_started",
        "error",
    ]


def turn_detection(detection: dict | None) -> dict:
    return {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
