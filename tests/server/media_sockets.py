"""The sockets of telephone providers over a fake exchange, and the providers' end of them."""

import base64
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocket

from streamsrv.access.principal import LOOPBACK, Principal
from streamsrv.access.refusal import Refusal
from streamsrv.audio.g711 import encode_mulaw
from streamsrv.errors import Unavailable
from streamsrv.http.errors import protocol_error
from streamsrv.observability.metrics import Metrics
from streamsrv.protocol.errors import ProtocolError
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.line import CallFacts, DigitHeard, Line, LineAudio, LineClosed, LineEvent
from streamsrv.transports.telephony.media_line import CallActions
from streamsrv.transports.telephony.media_socket import Answered, MediaSockets, StreamRefused, media

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
