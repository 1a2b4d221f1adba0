"""Which sockets of telephone providers are refused or closed, and with what reason."""

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect

from media_sockets import FakeExchange, serving
from stream_starts import EXOTEL_START, TWILIO_START, VONAGE_START, changed
from streamsrv.observability.metrics import Metrics
from streamsrv.transports.telephony import media_socket
from streamsrv.transports.telephony.line import DigitHeard, Line, LineEvent
from streamsrv.transports.telephony.media_line import MAX_MALFORMED
from streamsrv.transports.telephony.media_socket import MediaSockets


def test_too_many_malformed_messages_end_the_stream():
    exchange = FakeExchange()
    with serving(exchange) as sockets, sockets.connected(start=TWILIO_START) as provider:
        for _ in range(MAX_MALFORMED + 1):
            provider.socket.send_text("{")
        assert provider.closed() == (1008, "The provider sends messages that cannot be read.")
    assert exchange.closed == ["The provider sends messages that cannot be read."]


def test_a_connection_that_drops_ends_the_line_after_the_last_audio():
    exchange = FakeExchange()
    with serving(exchange) as sockets, sockets.connected(start=TWILIO_START) as provider:
        provider.media(b"\x10" * 160, 1)
        provider.media(b"\x10" * 160, 3)  # the second one is still waited for
        provider.socket.close(1006)
    assert exchange.audio == b"\x10" * 160 + b"\xff" * 160 + b"\x10" * 160
    assert exchange.closed == ["The provider closed the connection with 1006."]


def test_the_same_call_on_another_socket_ends_the_first_one():
    exchange = FakeExchange()
    with (
        serving(exchange) as sockets,
        sockets.connected(start=TWILIO_START) as first,
        sockets.connected(start=TWILIO_START) as second,
    ):
        assert first.closed() == (1000, "The provider has opened another connection for this call.")
        second.send(event="dtmf", dtmf={"digit": "1"})
        second.stop()
    assert exchange.heard == [DigitHeard("1")]


@pytest.mark.parametrize(
    ("provider", "start", "told"),
    [
        ("twilio", changed(TWILIO_START, "start/customParameters", {"token": "used"}), "The token was used before."),
        ("twilio", changed(TWILIO_START, "start/callSid", 5), "start.callSid: 5 is no text"),
        ("exotel", changed(EXOTEL_START, "start/media_format/sample_rate", "44100"), "44100 Hz cannot be used"),
        ("vonage", changed(VONAGE_START, "content-type", "audio/opus"), "content-type"),
    ],
)
def test_a_stream_that_is_refused_is_told_why(provider: str, start: dict[str, Any], told: str):
    exchange = FakeExchange()
    with serving(exchange) as sockets, sockets.connected(provider, start) as socket:
        code, reason = socket.closed()
    assert code == 1008
    assert told in reason
    assert exchange.lines == []


def test_a_stream_that_does_not_start_is_closed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(media_socket, "START_S", 0.01)
    with serving(FakeExchange()) as sockets, sockets.connected() as provider:
        assert provider.closed() == (1008, "No message has started the stream for 0.01 s.")


def test_audio_for_ever_before_the_start_is_closed():
    with serving(FakeExchange()) as sockets, sockets.connected() as provider:
        for _ in range(media_socket.MAX_EARLY):
            provider.media()
        assert provider.closed()[0] == 1008


def test_providers_that_are_none_and_bad_signatures_are_refused_before_the_upgrade():
    with serving(FakeExchange()) as sockets:
        with pytest.raises(WebSocketDisconnect), sockets.client.websocket_connect("/v1/calls/acme/media"):
            pass
        headers = {"x-signature": "bad"}
        with (
            pytest.raises(WebSocketDisconnect),
            sockets.client.websocket_connect("/v1/calls/twilio/media", headers=headers),
        ):
            pass


def test_of_too_many_sockets_that_say_nothing_the_oldest_is_closed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(media_socket, "MAX_UNSTARTED", 1)
    with serving(FakeExchange()) as sockets, sockets.connected() as silent, sockets.connected() as second:
        assert silent.closed() == (1008, "Too many streams have not started yet.")
        second.send(**TWILIO_START)
        assert second.stop()[0] == 1000


class SilentSocket:
    """A socket on which nothing comes. Keeps the reason it was closed with."""

    reason: str | None = None
    headers: Mapping[str, str] = {}

    async def accept(self) -> None:
        pass

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self, code: int, reason: str) -> None:
        del code
        self.reason = reason


async def test_a_socket_that_is_timing_out_does_not_end_the_one_that_replaces_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(media_socket, "MAX_UNSTARTED", 1)
    monkeypatch.setattr(media_socket, "START_S", 0.0)
    exchange = MediaSockets(FakeExchange(), Metrics())
    first, second = SilentSocket(), SilentSocket()
    waiting = asyncio.ensure_future(exchange.serve(first, "twilio"))  # type: ignore[arg-type]
    for _ in range(2):
        await asyncio.sleep(0)  # until its time is up; its task has not run since
    await exchange.serve(second, "twilio")  # type: ignore[arg-type]
    await waiting
    assert first.reason is not None
    assert second.reason is not None


def test_a_provider_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch):
    def answer(line: Line, event: LineEvent) -> None:
        for _ in range(400):
            line.send(np.zeros(8000, np.int16))

    exchange = FakeExchange(answer)
    with serving(exchange) as sockets, sockets.connected(start=TWILIO_START) as provider:
        provider.send(event="dtmf", dtmf={"digit": "1"})
        assert provider.closed() == (1008, "The provider does not read what it is sent.")


async def test_an_answer_that_fails_closes_the_socket():
    def answer(line: Line, event: LineEvent) -> None:
        raise KeyError("a fault of the session")

    exchange = FakeExchange(answer)
    with pytest.raises(ExceptionGroup), serving(exchange) as sockets, sockets.connected(start=TWILIO_START) as provider:
        provider.send(event="dtmf", dtmf={"digit": "1"})
        assert provider.closed()[0] == 1000
    await asyncio.sleep(0)
