"""Items and their audio on the wire: truncation, audio in a response's input, deltas of a transcript."""

from collections.abc import Iterator

import pytest

from serving import RunningServer, serving
from streamsrv.engines.asr.base import Transcript
from streamsrv.testing.fakes import ScriptedRecognizer, fake_engines
from wire import Wire, quiet, tone, wire

PCM_BYTES_A_MS = 48


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    heard = ScriptedRecognizer("hello there", partials=[(500, Transcript("hello"))])
    with serving(fake_engines(recognizer=heard)) as running:
        yield running


async def spoken(client: Wire) -> tuple[str, int]:
    """The item of a spoken answer and the ms of its audio."""
    part = {"type": "input_text", "text": "Hello"}
    await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": [part]})
    await client.send("response.create")
    await client.until("response.done")
    deltas = [event for event in client.received if event["type"] == "response.output_audio.delta"]
    audio_bytes = sum(len(event["delta"]) * 3 // 4 - event["delta"].count("=") for event in deltas)
    return deltas[0]["item_id"], audio_bytes // PCM_BYTES_A_MS


async def test_truncation_beyond_the_end_is_an_error_with_the_id_of_the_event(server: RunningServer):
    async with wire(server.realtime_url) as client:
        item_id, end_ms = await spoken(client)
        place = {"item_id": item_id, "content_index": 0}
        for beyond_ms in (85, 40_000):
            await client.send("conversation.item.truncate", event_id="cut", **place, audio_end_ms=end_ms + beyond_ms)
            error = await client.error()
            assert (error["event_id"], error["param"]) == ("cut", "audio_end_ms")
        await client.send("conversation.item.truncate", **place, audio_end_ms=end_ms)
        assert (await client.until("conversation.item.truncated"))["audio_end_ms"] == end_ms
        assert "conversation.item.truncated" not in [event["type"] for event in client.received[:-1]]


async def test_audio_in_the_input_of_a_response_is_refused_by_name(server: RunningServer):
    async with wire(server.realtime_url) as client:
        item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA"}]}
        await client.send("response.create", event_id="ask", response={"conversation": "none", "input": [item]})
        error = await client.error()
        assert (error["event_id"], error["param"]) == ("ask", "response.input[0].content[0]")


async def test_without_turn_detection_a_transcript_begins_after_its_item(server: RunningServer):
    async with wire(server.realtime_url) as client:
        audio = {"input": {"turn_detection": None, "transcription": {}}}
        await client.send("session.update", session={"type": "realtime", "audio": audio})
        for _ in range(30):
            await client.append(tone(100))
        await client.append(quiet(300))
        await client.send("input_audio_buffer.commit")
        await client.until("conversation.item.input_audio_transcription.completed")
        told = [
            event for event in client.received if event["type"] == "input_audio_buffer.committed" or "delta" in event
        ]
        assert [event.get("delta") for event in told] == [None, "hello", " there"]
