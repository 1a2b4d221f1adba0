"""One WebRTC call: the channel for its session's events and microphone audio."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamsrv.access.admission import FULL_RETRY_S
from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.core.inputs import Input, PlaybackEnded, PlaybackReported
from streamsrv.errors import Unavailable
from streamsrv.ids import new_id
from streamsrv.media.messages import (
    Answer,
    CallMessage,
    Ended,
    Event,
    HangUp,
    Microphone,
    Opened,
    PlayedUntil,
    Refused,
)
from streamsrv.protocol.errors import ProtocolError
from streamsrv.runtime.channel import ChannelClosed
from streamsrv.runtime.driver import SessionDriver
from streamsrv.runtime.send_queue import SendQueue
from streamsrv.runtime.speech_encoder import encode_event
from streamsrv.transports.incoming import IncomingQueue
from streamsrv.transports.listeners import Listeners
from streamsrv.transports.live_calls import CallSummary
from streamsrv.transports.webrtc.negotiation import Negotiation
from streamsrv.transports.webrtc.pool import Line, MediaPool
from streamsrv.transports.webrtc.speaker import CallSpeaker

logger = logging.getLogger(__name__)


class Call:
    """One call, from its offer to its end."""

    def __init__(self, call_id: str, principal: Principal, address: str = "") -> None:
        self.id = call_id
        self.principal = principal
        """The client that opened the call."""
        self.address = address
        """Where its offer came from: `host:port`."""
        self.receives_audio = True
        """Whether the client receives audio."""
        self.has_microphone = True
        """Whether the client sends audio."""
        self.driver: SessionDriver | None = None
        """Runs the session; None until the client is connected."""
        self.on_played: Callable[[Input], None] = lambda _: None
        """Called with each report of playback."""
        self.sdp = ""
        """The SDP answer to the client's offer; empty until there is one."""
        self._line: Line | None = None
        self._negotiation = Negotiation()
        self._opened = asyncio.Event()
        self._incoming = IncomingQueue()
        self._listeners = Listeners()
        self._max_event_bytes = sys.maxsize
        self._began_at = time.time()
        self._reason: str | None = None

    async def connect(self, pool: MediaPool, sdp: str) -> None:
        """Get an offer answered; raises `ProtocolError` for a bad offer, `Refusal` if no port is free,
        `Unavailable` without a media process."""
        self._line = await pool.open(sdp, self._take)
        answer = await self._negotiation.answer()
        self.sdp, self.receives_audio, self.has_microphone = answer.sdp, answer.receives_audio, answer.has_microphone
        self._max_event_bytes = answer.max_event_bytes or sys.maxsize

    @property
    def reason(self) -> str | None:
        """The reason why the call has ended; None while it goes on."""
        return self._reason

    @property
    def speaker(self) -> CallSpeaker:
        return CallSpeaker(self._call, self._tell)

    async def opened(self) -> None:
        """Wait until events can be sent; raises `ChannelClosed` if the call ends before."""
        await self._opened.wait()
        if self._reason is not None:
            raise ChannelClosed

    async def receive(self) -> str | NDArray[np.int16]:
        frame = await self._incoming.get()
        if frame is None:
            raise ChannelClosed
        return frame

    async def send(self, frame: bytes) -> None:
        if self._reason is not None:
            raise ChannelClosed
        sent = frame if len(frame) <= self._max_event_bytes else _too_long(frame, self._max_event_bytes)
        self._tell(Event(self._call, sent.decode()))
        self._listeners.send(frame)

    def attach(self) -> SendQueue:
        """Join the session: return a queue that gets every event from now on, and ends with the call."""
        return self._listeners.join(self.driver)

    def detach(self, queue: SendQueue) -> None:
        """Stop giving events to the queue; the session goes on."""
        self._listeners.detach(queue)

    async def take_attached_event(self, text: str) -> bool:
        """Add an event of an attached connection once there is room; return False if the call has ended."""
        return await self._incoming.put_event_later(text)

    def hang_up(self, reason: str) -> None:
        """End the call."""
        self._tell(HangUp(self._call))
        self._end(reason)

    async def refer(self, target: str) -> None:
        raise Refusal(409, "call_not_referable", "A WebRTC call has no telephone that could be transferred.", "call_id")

    @property
    def summary(self) -> CallSummary:
        return CallSummary("webrtc", self._began_at)

    def _take(self, message: CallMessage) -> None:
        match message:
            case Microphone(pcm=pcm):
                self._incoming.put_audio(np.frombuffer(pcm, np.int16))
            case Event(text=text):
                if not self._incoming.put_event(text):
                    self.hang_up("The client sends events faster than they are handled.")
            case PlayedUntil(item_id=item_id, audio_ms=audio_ms, ended=ended):
                self.on_played((PlaybackEnded if ended else PlaybackReported)(item_id, audio_ms))
            case Opened():
                self._opened.set()
            case Ended(reason=reason):
                self._end(reason)
            case Answer():
                self._negotiation.succeed(message)
            case Refused(code=code, text=text, is_full=True):
                self._negotiation.fail(Refusal(503, code, text, retry_after_s=FULL_RETRY_S))
            case Refused(code=code, text=text):
                self._negotiation.fail(ProtocolError(code, text, "sdp"))
            case _:
                logger.error("a media process sent %s, which no call expects", type(message).__name__)

    def _tell(self, message: CallMessage) -> None:
        if self._line is not None and self._reason is None:
            self._line.send(message)

    @property
    def _call(self) -> int:
        return self._line.call if self._line is not None else 0

    def _end(self, reason: str) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        self._incoming.close()
        self._opened.set()
        self._listeners.end()
        self._negotiation.fail(Unavailable(reason))


def _too_long(frame: bytes, limit: int) -> bytes:
    """Return the error that replaces an event longer than the client's data channel takes."""
    event_type = msgspec.json.decode(frame)["type"]
    message = f"An event '{event_type}' of {len(frame)} bytes was not sent: the client's data channel takes {limit}."
    error = {"type": "server_error", "code": "event_too_long", "message": message, "param": None, "event_id": None}
    return encode_event({"type": "error", "event_id": new_id("event"), "error": error})
