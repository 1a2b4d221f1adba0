"""Bad input gets the documented error, and the session lives on."""

import asyncio
import base64

import pytest
from websockets.exceptions import ConnectionClosed

from serving import serving
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import PATIENCE_S, quiet, tone, wire


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines()) as running:
        yield running


async def still_works(client) -> None:
    """The session answers as if nothing had happened."""
    await client.send("session.update", event_id="alive", session={"instructions": "Be brief."})
    updated = await client.until("session.updated")
    assert updated["session"]["instructions"] == "Be brief."


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        ('{"type": "conversation.item.create", "item": {"type": "message", "id": "root", "role": "user", "content": []}'
         "}", "invalid_value", "item.id"),
        ("not json", "invalid_event", None),
        ("[]", "invalid_event", None),
        ("null", "invalid_event", None),
        ("", "invalid_event", None),
        ('{"type": "dance"}', "invalid_value", "type"),
        ('{"no": "type"}', "missing_required_parameter", "type"),
        ('{"type": "input_audio_buffer.append", "audio": "not base64!"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.commit"}', "input_audio_buffer_commit_empty", None),
        ('{"type": "session.update", "session": 3}', "invalid_value", "session"),
        ('{"type": "session.update", "session": {"audio": {"output": {"speed": 40}}}}', "invalid_value",
         "session.audio.output.speed"),
        ('{"type": "conversation.item.delete", "item_id": "gone"}', "item_delete_invalid_item_id", "item_id"),
        ('{"type": "conversation.item.truncate", "item_id": "gone", "content_index": 0, "audio_end_ms": 1}',
         "item_truncate_invalid_item_id", "item_id"),
        ('{"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "gone"}]}}',
         "item_retrieve_invalid_item_id", "item_id"),
        ('{"type": "response.create", "response": {"audio": {"output": {"speed": "fast"}}}}', "invalid_value",
         "response.audio.output.speed"),
    ],
)  # fmt: skip
async def test_each_gets_its_error_and_the_session_lives_on(server, frame: str, code: str, param: str | None):
    async with wire(server.realtime_url) as client:
        await client.connection.send(frame)
        error = await client.error()
        assert (error["code"], error["param"]) == (code, param)
        await still_works(client)


async def test_a_binary_frame_is_read_as_json_too(server):
    async with wire(server.realtime_url) as client:
        await client.connection.send(b"\x00\x01\x02")
        assert (await client.error())["code"] == "invalid_event"
        await still_works(client)


async def test_a_text_frame_that_is_not_utf_8_closes_the_connection_without_a_traceback(
    server, caplog: pytest.LogCaptureFixture
):
    async with wire(server.realtime_url) as client:
        await client.connection.send(b'{"type": "\xff\xfe"}', text=True)
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1007
    await server.without_sessions()
    assert not [record for record in caplog.records if record.exc_info]


async def test_errors_are_linked_to_the_event_that_caused_them(server):
    async with wire(server.realtime_url) as client:
        await client.send("response.cancel", event_id="mine")
        assert (await client.error())["event_id"] == "mine"


async def test_a_frame_of_16_mib_gets_an_error_and_the_session_lives_on(server):
    async with wire(server.realtime_url) as client:
        await client.send("input_audio_buffer.append", audio="A" * (16 * 1024 * 1024 - 100), event_id="big")
        error = await client.error()
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "audio", "big")
        await still_works(client)


async def test_a_frame_that_is_far_too_long_closes_the_connection(server):
    with pytest.raises(ConnectionClosed) as closed:
        async with wire(server.realtime_url) as client:
            await client.send("input_audio_buffer.append", audio="A" * 20 * 1024 * 1024)
            await client.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_fifteen_mib_of_base64_are_taken(server):
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"audio": {"input": {"turn_detection": None}}})
        await client.append(bytes(15 * 1024 * 1024 * 3 // 4))
        await client.send("input_audio_buffer.commit")
        await client.until("input_audio_buffer.committed")


async def test_a_client_that_stops_reading_is_closed_and_others_notice_nothing(caplog: pytest.LogCaptureFixture):
    long_text = [{"type": "input_text", "text": "A rather long sentence. " * 8000}]
    with serving(fake_engines(ScriptedChatModel("Fine."))) as server:
        async with wire(server.realtime_url) as deaf:
            deaf.connection.transport.pause_reading()
            item = {"id": "long", "type": "message", "role": "user", "content": long_text}
            await deaf.send("conversation.item.create", item=item)
            for _ in range(100):
                await deaf.send("conversation.item.retrieve", item_id="long")
            async with wire(server.realtime_url) as other:
                await other.send("response.create", response={"output_modalities": ["text"]})
                assert (await other.until("response.done"))["response"]["status"] == "completed"
            async with asyncio.timeout(PATIENCE_S):
                while "does not read" not in caplog.text:
                    await asyncio.sleep(0)
            deaf.connection.transport.resume_reading()
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await deaf.next()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
                1008,
                "The client does not read what it is sent.",
            )


async def test_a_client_that_vanishes_mid_speech_leaves_nothing_behind(server):
    async with wire(server.realtime_url) as client:
        await client.append(tone(1000))
        await client.until("input_audio_buffer.speech_started")
        client.connection.transport.abort()
    await server.without_sessions()


async def test_an_interruption_reaches_the_provider():
    chat = ScriptedChatModel("First sentence here. Second sentence.", "Fine.")
    with serving(fake_engines(chat)) as server:
        chat.hold = asyncio.Event()  # never set: the answer does not end by itself
        async with wire(server.realtime_url) as client:
            await client.append(tone(1000) + quiet(1000))
            await client.until("response.output_audio.delta")
            chat.hold = None
            await client.append(tone(500))
            done = await client.until("response.done")
            assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
            await client.append(quiet(1000))
            assert (await client.until("response.done"))["response"]["status"] == "completed"
        assert chat.cancelled == 1


async def test_a_field_that_is_not_known_is_refused_and_nothing_of_its_event_is_done(server):
    async with wire(server.realtime_url) as client:
        audio = base64.b64encode(quiet(20)).decode()
        await client.send("input_audio_buffer.append", audio=audio, codec={"x": [1]}, event_id="e")
        error = await client.error()
        assert (error["code"], error["param"], error["event_id"]) == ("unknown_parameter", "codec", "e")
        await client.send("session.update", session={"instructions": "x", "audio": {"input": {"gain": 3}}})
        error = await client.error()
        assert (error["code"], error["param"]) == ("unknown_parameter", "session.audio.input.gain")
        await client.send("session.update", session={})
        assert (await client.until("session.updated"))["session"]["instructions"] != "x"
