"""The sockets of providers that stream calls: `GET /v1/calls/{provider}/media`, a WebSocket."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.observability.metrics import Metrics
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.codec import MalformedMessage, MediaCodec, StreamStarted
from streamsrv.transports.telephony.codecs import CODECS
from streamsrv.transports.telephony.line import CallFacts, Line
from streamsrv.transports.telephony.media_line import POLICY_VIOLATION, CallActions, MediaLine, close_reason
from streamsrv.transports.telephony.oddities import Oddities

logger = logging.getLogger(__name__)

START_S = 10.0
"""How many seconds a provider may take to say which call it streams."""
MAX_EARLY = 500
"""Messages that may come before the one that starts the stream: 10 s of audio."""
MAX_UNSTARTED = 64
"""Sockets at once that have not said which call they stream: they are not authenticated yet. One more closes the oldest
of them, because a provider says it at once, and sockets that say nothing must not keep out its calls."""


class StreamRefused(Exception):
    """A stream is not served; the text says why, as a sentence."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A stream that may be served: what is known of its call, who talks to the caller, and on whose account.

    `actions`: what can be done with the call; None: nothing, or nobody but the client says that it is the provider's.
    """

    facts: CallFacts
    agent: Agent
    principal: Principal
    actions: CallActions | None = None


class Exchange(Protocol):
    """What a server decides about streams: which ones it serves, and what becomes of them."""

    def check_handshake(self, websocket: WebSocket, provider: str) -> None:
        """Check the signature of the handshake, if the provider signs it; raises `Refusal`."""
        ...

    def admit(self, websocket: WebSocket, facts: CallFacts) -> Answered:
        """Check and use up the token of a stream; raises `StreamRefused` or `Refusal`."""
        ...

    async def serve(self, line: Line, agent: Agent, principal: Principal) -> None:
        """Answer a call, and return when it has ended."""
        ...


class MediaSockets:
    """The streams of one server."""

    def __init__(self, exchange: Exchange, metrics: Metrics) -> None:
        self._exchange = exchange
        self._metrics = metrics
        self._lines: dict[tuple[str, str], MediaLine] = {}
        self._unstarted: dict[asyncio.Timeout, None] = {}  # the oldest first

    async def serve(self, websocket: WebSocket, provider: str) -> None:
        """Serve one socket until it is closed; raises `Refusal` before the upgrade."""
        if provider not in CODECS:
            message = f"No calls are streamed by '{provider}'; {', '.join(CODECS)} do that."
            raise Refusal(404, "provider_not_found", message, "provider")
        self._exchange.check_handshake(websocket, provider)
        await websocket.accept()
        codec = CODECS[provider]()
        oddities = Oddities(provider, lambda oddity: self._metrics.phone_message_ignored(provider, oddity))
        try:
            started = await self._started(websocket, codec, oddities)
        except StreamRefused as refused:
            await _refuse(websocket, provider, str(refused))
            return
        except WebSocketDisconnect:
            logger.info("%s closed a connection before its stream had started", provider)
            return
        await self._answer(websocket, codec, started, oddities)

    async def _started(self, websocket: WebSocket, codec: MediaCodec, oddities: Oddities) -> StreamStarted:
        """Return the message that starts a stream; raises `StreamRefused` or `WebSocketDisconnect`."""
        patience = asyncio.timeout(START_S)
        try:
            async with patience:
                if len(self._unstarted) >= MAX_UNSTARTED:
                    oldest = next(iter(self._unstarted))
                    del self._unstarted[oldest]
                    if not oldest.expired():
                        oldest.reschedule(asyncio.get_running_loop().time())
                self._unstarted[patience] = None
                return await _first_start(websocket, codec, oddities)
        except TimeoutError:
            if patience not in self._unstarted:
                raise StreamRefused("Too many streams have not started yet.") from None
            raise StreamRefused(f"No message has started the stream for {START_S:g} s.") from None
        finally:
            self._unstarted.pop(patience, None)

    async def _answer(
        self, websocket: WebSocket, codec: MediaCodec, started: StreamStarted, oddities: Oddities
    ) -> None:
        provider = codec.provider
        try:
            answered = self._exchange.admit(websocket, started.facts)
        except (StreamRefused, Refusal) as refused:
            await _refuse(websocket, provider, str(refused))
            return
        started = StreamStarted(answered.facts, started.format, started.sample_rate)
        line = MediaLine(websocket, codec, started, oddities, answered.actions)
        key = provider, answered.facts.provider_call_id
        if (earlier := self._lines.get(key)) is not None:
            earlier.end("The provider has opened another connection for this call.")
        self._lines[key] = line
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(line.run())
                try:
                    await self._exchange.serve(line, answered.agent, answered.principal)
                finally:
                    line.end("The call has ended.")
        finally:
            if self._lines.get(key) is line:
                del self._lines[key]


async def _first_start(websocket: WebSocket, codec: MediaCodec, oddities: Oddities) -> StreamStarted:
    for _ in range(MAX_EARLY):
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        text = message.get("text")
        try:
            events = codec.read(text if text is not None else message.get("bytes") or b"")
        except MalformedMessage as error:
            oddities.malformed(str(error))
            if error.ends_stream:
                raise StreamRefused(f"The stream cannot start: {error}.") from error
            continue
        for event in events:
            if isinstance(event, StreamStarted):
                return event
            oddities.early()
    raise StreamRefused(f"None of the first {MAX_EARLY} messages has started the stream.")


async def _refuse(websocket: WebSocket, provider: str, reason: str) -> None:
    logger.warning("a stream of %s is refused: %s", provider, reason)
    with suppress(RuntimeError, WebSocketDisconnect):  # the provider has gone
        await websocket.close(POLICY_VIOLATION, close_reason(reason))


async def media(websocket: WebSocket) -> None:
    """The route."""
    sockets: MediaSockets = websocket.app.state.media_sockets
    await sockets.serve(websocket, websocket.path_params["provider"])
