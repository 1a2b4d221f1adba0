"""The `Line` of a call that a provider streams over a WebSocket."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from streamsrv.audio.wire_formats import encode_audio
from streamsrv.errors import EngineError, Unavailable
from streamsrv.protocol.audio_formats import Samples
from streamsrv.transports.telephony.caller_audio import CallerAudio
from streamsrv.transports.telephony.codec import (
    CodecEvent,
    DigitReceived,
    ErrorReported,
    MalformedMessage,
    MarkReceived,
    MediaCodec,
    MediaReceived,
    StreamStarted,
    StreamStopped,
    UnknownMessage,
)
from streamsrv.transports.telephony.line import CallFacts, DigitHeard, LineAudio, LineEvent, MarkPassed
from streamsrv.transports.telephony.line_events import LineEvents
from streamsrv.transports.telephony.masking import masked
from streamsrv.transports.telephony.oddities import Oddities
from streamsrv.transports.telephony.outgoing import OutgoingMessages

logger = logging.getLogger(__name__)

MAX_PENDING_MARKS = 1024
"""Marks that may be on their way; older ones count as lost."""
MAX_MALFORMED = 50
"""Malformed messages after which the stream is ended."""
CLOSE_S = 2.0
"""How many seconds the provider may take to read what waits for it, and the close frame."""
MAX_REASON_BYTES = 120
"""Bytes of the reason in a close frame, which has room for 123 (RFC 6455, section 5.5)."""
POLICY_VIOLATION = 1008
"""Close code for a stream that breaks the rules (RFC 6455, section 7.4.1)."""


class CallActions(Protocol):
    """What a provider's REST API does with a call. Raises `Unavailable` or `Rejected`."""

    async def hang_up(self, facts: CallFacts) -> None:
        """End the call."""
        ...

    async def transfer(self, facts: CallFacts, destination: str) -> None:
        """Give the call to another telephone."""
        ...


class MediaLine:
    """One stream after its first message; `run` carries it. See `Line`."""

    def __init__(
        self,
        websocket: WebSocket,
        codec: MediaCodec,
        started: StreamStarted,
        oddities: Oddities,
        actions: CallActions | None = None,
        now_ms: Callable[[], float] = lambda: time.monotonic() * 1000,
    ) -> None:
        self._websocket = websocket
        self._codec = codec
        self._started = started
        self._oddities = oddities
        self._actions = actions
        self._now_ms = now_ms
        self._audio = CallerAudio(started.format, started.sample_rate)
        self._outgoing = OutgoingMessages()
        self._events = LineEvents()
        self._ended = asyncio.Event()
        self._marks: dict[str, None] = {}  # on their way, in order
        self._close_code = 1000
        self._hangs_up = False

    @property
    def facts(self) -> CallFacts:
        return self._started.facts

    @property
    def format(self) -> Samples:
        return self._started.format

    @property
    def sample_rate(self) -> int:
        return self._started.sample_rate

    @property
    def buffers(self) -> bool:
        return self._codec.buffers

    @property
    def reason(self) -> str | None:
        """Why the line has ended, as a sentence; None while it goes on."""
        return self._events.reason

    async def receive(self) -> LineEvent:
        return await self._events.take()

    def send(self, pcm: NDArray[np.int16]) -> None:
        self._put(self._codec.media(encode_audio(pcm, self.format)), is_playback=True)

    def mark(self, name: str) -> None:
        while len(self._marks) >= MAX_PENDING_MARKS:
            del self._marks[next(iter(self._marks))]
        self._marks[name] = None
        self._put(self._codec.mark(name), is_playback=True)

    def clear(self) -> None:
        """Drop what was not played. All marks pass at once, whether the provider tells of dropped ones or not."""
        self._outgoing.clear()
        self._put(self._codec.clear())
        self._events.add(*(MarkPassed(name) for name in self._marks))
        self._marks.clear()

    def hang_up(self) -> None:
        if self.reason is None:
            self._hangs_up = True
            self._put(self._codec.hang_up())
            self.end("The server ended the call.")

    async def transfer(self, destination: str) -> None:
        if self._actions is None:
            provider = self.facts.provider
            why = f"the REST API of {provider} is not configured, or the stream was opened without a token"
            raise Unavailable(f"The call cannot be transferred: {why}.")
        await self._actions.transfer(self.facts, destination)

    def end(self, reason: str, close_code: int = 1000) -> None:
        """End the line; what waits is still sent, and what was received can still be taken."""
        if self.reason is None:
            self._close_code = close_code
            self._events.end(reason)
            self._outgoing.end()
            self._ended.set()

    async def run(self) -> None:
        """Carry messages in both directions until the line has ended and the socket is closed."""
        async with asyncio.TaskGroup() as group:
            reading, writing = group.create_task(self._read()), group.create_task(self._write())
            try:
                await self._ended.wait()
                await asyncio.wait([writing], timeout=CLOSE_S)
            finally:
                self.end("The server stops.")
                reading.cancel()
                writing.cancel()
        await self._close()
        if self._hangs_up and self._actions is not None:
            try:
                await self._actions.hang_up(self.facts)
            except EngineError as error:
                logger.warning("%s did not end a call: %s", self.facts.provider, masked(str(error)))

    async def _read(self) -> None:
        while self.reason is None:
            await self._events.room()
            message = await self._next_message()
            if message is None:
                self._hear(self._audio.expire(self._now_ms()))
                continue
            try:
                events = self._codec.read(message)
            except MalformedMessage as error:
                self._oddities.malformed(str(error))
                if self._oddities.malformed_messages > MAX_MALFORMED:
                    self.end("The provider sends messages that cannot be read.", POLICY_VIOLATION)
                continue
            for event in events:
                self._take(event)

    async def _next_message(self) -> str | bytes | None:
        """Return the next message; None if a chunk that was waited for is late. Ends the line with the socket."""
        deadline_ms = self._audio.deadline_ms
        wait_s = None if deadline_ms is None else max(0.0, (deadline_ms - self._now_ms()) / 1000)
        try:
            async with asyncio.timeout(wait_s):
                message = await self._websocket.receive()
        except TimeoutError:
            return None
        if message["type"] == "websocket.disconnect":
            self._hear(self._audio.expire(float("inf")))
            code, reason = message.get("code", 1005), message.get("reason") or ""
            self.end(f"The provider closed the connection with {code}{f': {masked(reason)}' if reason else ''}.")
            return None
        text = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    def _take(self, event: CodecEvent) -> None:
        match event:
            case MediaReceived():
                rate = self._audio.real_rate
                self._hear(self._audio.add(event, self._now_ms()))
                if self._audio.real_rate != rate:
                    self._oddities.wrong_rate(self._audio.real_rate, rate)
            case MarkReceived(name):
                self._pass(name)
            case DigitReceived(digit):
                self._events.add(DigitHeard(digit))
            case StreamStopped(reason):
                self._hear(self._audio.expire(float("inf")))
                self.end(f"The provider ended the stream{f': {masked(reason)}' if reason else ''}.")
            case ErrorReported(text):
                self._oddities.reported(text)
            case UnknownMessage(kind):
                self._oddities.unknown(kind)
            case StreamStarted():
                self._oddities.malformed("a second message that starts a stream")

    def _hear(self, pieces: list[NDArray[np.int16]]) -> None:
        for pcm in pieces:
            if len(pcm):
                self._events.add(LineAudio(pcm))

    def _pass(self, name: str) -> None:
        """Pass a mark, and those before it whose messages were lost; marks that nobody waits for mean nothing."""
        if name not in self._marks:
            return
        while (first := next(iter(self._marks))) != name:
            del self._marks[first]
            self._events.add(MarkPassed(first))
        del self._marks[name]
        self._events.add(MarkPassed(name))

    def _put(self, messages: list[str | bytes], *, is_playback: bool = False) -> None:
        for message in messages:
            if self.reason is None and not self._outgoing.put(message, is_playback=is_playback):
                self.end("The provider does not read what it is sent.", POLICY_VIOLATION)

    async def _write(self) -> None:
        try:
            while (message := await self._outgoing.get()) is not None:
                if isinstance(message, str):
                    await self._websocket.send_text(message)
                else:
                    await self._websocket.send_bytes(message)
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: closed between two sends
            self.end("The provider closed the connection.")

    async def _close(self) -> None:
        states = {self._websocket.application_state, self._websocket.client_state}
        if states != {WebSocketState.CONNECTED}:
            return  # the provider has closed it
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._websocket.close(self._close_code, close_reason(self.reason or ""))
        except TimeoutError:
            logger.info("%s did not read the close frame", self.facts.provider)
        except (RuntimeError, WebSocketDisconnect):
            pass  # the provider has closed it meanwhile


def close_reason(sentence: str) -> str:
    """Return as much of a sentence as a close frame has room for."""
    return sentence.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
