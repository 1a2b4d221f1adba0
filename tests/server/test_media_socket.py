"""What comes of every message on the socket of a telephone provider, also of odd ones, over a fake exchange."""

import base64
from typing import Any

import numpy as np
import pytest

from media_sockets import TWENTY_MS, FakeActions, FakeExchange, echo, serving
from stream_starts import STARTS, TWILIO_START
from streamsrv.audio.g711 import decode_mulaw, encode_mulaw
from streamsrv.errors import Unavailable
from streamsrv.transports.telephony.line import DigitHeard, Line, LineAudio, LineEvent, MarkPassed


def test_a_whole_call():
    exchange = FakeExchange(echo)
    with serving(exchange) as sockets, sockets.connected() as provider:
        provider.send(event="connected", protocol="Call", version="1.0.0")
        provider.send(**TWILIO_START)
        provider.media()
        sent, mark = provider.receive(), provider.receive()
        assert (sent["event"], sent["streamSid"], mark["event"]) == ("media", "MZ1", "mark")
        np.testing.assert_array_equal(
            decode_mulaw(np.frombuffer(base64.b64decode(sent["media"]["payload"]), np.uint8)),
            decode_mulaw(np.frombuffer(TWENTY_MS, np.uint8)),
        )
        provider.send(**mark)
        provider.send(event="dtmf", dtmf={"digit": "5"})
        assert provider.stop() == (1000, "The provider ended the stream.")
    assert exchange.lines[0].facts.provider_call_id == "CA1"
    assert exchange.heard[1:] == [MarkPassed(mark["mark"]["name"]), DigitHeard("5")]
    assert exchange.closed == ["The provider ended the stream."]


def test_chunks_out_of_order_and_repeated_are_heard_once_and_in_order():
    exchange = FakeExchange()
    chunks = {number: bytes([number]) * 160 for number in range(1, 7)}
    with serving(exchange) as sockets, sockets.connected(start=TWILIO_START) as provider:
        for number in (2, 1, 1, 4, 3, 2, 6, 5):
            provider.media(chunks[number], number)
        provider.stop()
    assert exchange.audio == b"".join(chunks.values())


def test_a_chunk_that_never_comes_is_silence():
    exchange = FakeExchange()
    with serving(exchange) as sockets, sockets.connected(start=TWILIO_START) as provider:
        provider.media(b"\x10" * 160, 1)
        provider.media(b"\x10" * 160, 3)
        provider.stop()
    assert exchange.audio == b"\x10" * 160 + b"\xff" * 160 + b"\x10" * 160


def test_a_clear_drops_what_waits_and_passes_all_marks():
    exchange = FakeExchange(echo)
    with serving(exchange) as sockets, sockets.connected(start=TWILIO_START) as provider:
        provider.media()
        media_, mark = provider.receive(), provider.receive()
        provider.send(event="dtmf", dtmf={"digit": "*"})
        assert (media_["event"], provider.receive()) == ("media", {"event": "clear", "streamSid": "MZ1"})
        provider.send(**mark)  # Twilio returns the marks of what it dropped
        provider.stop()
    assert exchange.heard[1:] == [DigitHeard("*"), MarkPassed(mark["mark"]["name"])], "a mark passes once"


def test_marks_that_were_not_sent_mean_nothing_and_lost_ones_pass_with_later_ones():
    def answer(line: Line, event: LineEvent) -> None:
        if isinstance(event, DigitHeard):
            for name in "abc":
                line.mark(name)

    exchange = FakeExchange(answer)
    with serving(exchange) as sockets, sockets.connected(start=TWILIO_START) as provider:
        provider.send(event="dtmf", dtmf={"digit": "1"})
        for name in ("x", "b", "a", "b", "c"):
            provider.send(event="mark", mark={"name": name})
        provider.stop()
    assert exchange.heard == [DigitHeard("1"), MarkPassed("a"), MarkPassed("b"), MarkPassed("c")]


def test_a_call_that_the_server_ends():
    actions = FakeActions()
    with serving(FakeExchange(echo, actions)) as sockets, sockets.connected(start=TWILIO_START) as provider:
        provider.send(event="dtmf", dtmf={"digit": "#"})
        assert provider.closed() == (1000, "The server ended the call.")
    assert actions.ended == ["CA1"]


def test_audio_before_the_start_is_ignored_and_counted():
    exchange = FakeExchange()
    with serving(exchange) as sockets, sockets.connected() as provider:
        for _ in range(3):
            provider.media()
        provider.send(**TWILIO_START)
        provider.media(b"\x20" * 160, 4)
        provider.stop()
        assert sockets.ignored("early") == 3
    assert exchange.audio == b"\x20" * 160


def test_unknown_and_malformed_messages_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    exchange = FakeExchange()
    with serving(exchange) as sockets, sockets.connected(start=TWILIO_START) as provider:
        for _ in range(5):
            provider.send(event="somethingNew")
            provider.send(event="media", media={"payload": 7})
            provider.send(event=["start"])
        provider.send(**TWILIO_START)  # a second start
        provider.media()
        provider.stop()
        assert (sockets.ignored("unknown"), sockets.ignored("malformed")) == (5, 11)
    assert exchange.audio == TWENTY_MS
    assert sum("somethingNew" in record.getMessage() for record in caplog.records) == 1
    assert sum("media.payload" in record.getMessage() for record in caplog.records) == 1


def test_a_transfer_without_the_providers_api_is_told():
    told: list[str] = []

    def answer(line: Line, event: LineEvent) -> Any:
        async def transfer() -> None:
            try:
                await line.transfer("nobody")
            except Unavailable as error:
                told.append(str(error))

        return transfer()

    for actions in (None, FakeActions()):
        with serving(FakeExchange(answer, actions)) as sockets, sockets.connected(start=TWILIO_START) as provider:
            provider.send(event="dtmf", dtmf={"digit": "1"})
            provider.stop()
    assert "the REST API of twilio is not configured" in told[0]
    assert told[1:] == ["Nobody is there."]


@pytest.mark.parametrize("provider", STARTS)
def test_every_provider_is_heard_and_answered(provider: str):
    exchange = FakeExchange(echo)
    pcm = (8000 * np.sin(np.arange(320) * 0.1)).astype(np.int16)
    with serving(exchange) as sockets, sockets.connected(provider, STARTS[provider]) as stream:
        linear = provider in ("vonage", "exotel")
        audio = pcm.tobytes() if linear else encode_mulaw(pcm).tobytes()
        if provider == "vonage":
            stream.socket.send_bytes(audio)
            assert stream.socket.receive_bytes() == audio
        else:
            stream.media(audio)
            assert base64.b64decode(stream.receive()["media"]["payload"]) == audio
        stream.socket.close()
    assert isinstance(exchange.heard[0], LineAudio)
    np.testing.assert_allclose(exchange.heard[0].pcm, pcm, atol=0 if linear else 700)
