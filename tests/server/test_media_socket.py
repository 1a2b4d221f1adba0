"""The sockets of telephone providers, over a fake exchange: what comes of every message, also of odd ones."""

import asyncio
import base64
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamsrv.access.principal import LOOPBACK, Principal
from streamsrv.access.refusal import Refusal
from streamsrv.audio.g711 import decode_mulaw, encode_mulaw
from streamsrv.errors import Unavailable
from streamsrv.http.errors import protocol_error
from streamsrv.observability.metrics import Metrics
from streamsrv.protocol.errors import ProtocolError
from streamsrv.transports.telephony import media_socket
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.line import (
    CallFacts,
    DigitHeard,
    Line,
    LineAudio,
    LineClosed,
    LineEvent,
    MarkPassed,
)
from streamsrv.transports.telephony.media_line import MAX_MALFORMED, CallActions
from streamsrv.transports.telephony.media_socket import Answered, MediaSockets, StreamRefused, media
from test_media_codecs import EXOTEL_START, STARTS, TWILIO_START, VONAGE_START, changed

TWENTY_MS = bytes(128 + number % 120 for number in range(160))


class FakeActions:
    """A fake REST API of a provider."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def hang_up(self, facts: CallFacts) -> None:
        self.ended.append(facts.provider_call_id)

    async def transfer(self, facts: CallFacts, destination: str) -> None:
        if destination == "nobody":
            raise Unavailable("Nobody is there.")


class FakeExchange:
    """Admits every call but those of `refused`, and answers each with `answer`; notes what it heard."""

    def __init__(self, answer: Callable[[Line], Any] | None = None, actions: CallActions | None = None) -> None:
        self.heard: list[LineEvent] = []
        self.lines: list[Line] = []
        self.closed: list[str] = []
        self._answer = answer
        self._actions = actions

    def check_handshake(self, websocket: WebSocket, provider: str) -> None:
        if websocket.headers.get("x-signature") == "bad":
            raise Refusal(403, "invalid_signature", "The signature is not that of the provider.")

    def admit(self, websocket: WebSocket, facts: CallFacts) -> Answered:
        if facts.parameters.get("token") == "used":
            raise StreamRefused("The token was used before.")
        return Answered(facts, Agent("any"), LOOPBACK, self._actions)

    async def serve(self, line: Line, agent: Agent, principal: Principal) -> None:
        self.lines.append(line)
        try:
            while True:
                event = await line.receive()
                self.heard.append(event)
                if self._answer is not None and (outcome := self._answer(line, event)) is not None:  # type: ignore[call-arg]
                    await outcome
        except LineClosed as closed:
            self.closed.append(str(closed))

    @property
    def audio(self) -> bytes:
        pieces = [event.pcm for event in self.heard if isinstance(event, LineAudio)]
        return encode_mulaw(np.concatenate(pieces)).tobytes() if pieces else b""


class Sockets:
    def __init__(self, client: TestClient, exchange: FakeExchange, metrics: Metrics) -> None:
        self.client, self.exchange, self._metrics = client, exchange, metrics

    def ignored(self, reason: str) -> int:
        lines = self._metrics.exposition().decode().splitlines()
        found = [line for line in lines if line.startswith("streamsrv_phone_messages_ignored_total{")]
        return sum(int(float(line.split()[-1])) for line in found if f'reason="{reason}"' in line)

    @contextmanager
    def connected(self, provider: str = "twilio", start: dict[str, Any] | None = None) -> Generator["Provider"]:
        with self.client.websocket_connect(f"/v1/calls/{provider}/media") as socket:
            if start is not None:
                socket.send_text(json.dumps(start))
            yield Provider(socket)


class Provider:
    """A provider's end of a stream of Twilio's kind."""

    def __init__(self, socket: WebSocketTestSession) -> None:
        self.socket = socket
        self._chunks = 0

    def send(self, **message: Any) -> None:
        self.socket.send_text(json.dumps(message))

    def media(self, audio: bytes = TWENTY_MS, chunk: int | None = None) -> None:
        self._chunks = chunk if chunk is not None else self._chunks + 1
        payload = base64.b64encode(audio).decode()
        self.send(event="media", media={"track": "inbound", "chunk": str(self._chunks), "payload": payload})

    def receive(self) -> dict[str, Any]:
        return json.loads(self.socket.receive_text())

    def stop(self) -> tuple[int, str]:
        """End the stream as the provider does; return how the server closes the socket."""
        self.send(event="stop", stop={"callSid": "CA1"})
        return self.closed()

    def closed(self) -> tuple[int, str]:
        """What closes the socket, after all other messages."""
        while (message := self.socket.receive())["type"] == "websocket.send":
            pass
        return message["code"], message["reason"]


@contextmanager
def serving(exchange: FakeExchange) -> Generator[Sockets]:
    metrics = Metrics()
    routes = [WebSocketRoute("/v1/calls/{provider}/media", media)]
    app = Starlette(routes=routes, exception_handlers={ProtocolError: protocol_error})  # type: ignore[dict-item]
    app.state.media_sockets = MediaSockets(exchange, metrics)
    with TestClient(app) as client:
        yield Sockets(client, exchange, metrics)


def echo(line: Line, event: LineEvent) -> None:
    """Send back what is heard, with a mark after each piece; `*` clears, `#` hangs up."""
    match event:
        case LineAudio(pcm):
            line.send(pcm)
            line.mark(f"m{id(event)}")
        case DigitHeard("*"):
            line.clear()
        case DigitHeard("#"):
            line.hang_up()
        case _:
            pass


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
