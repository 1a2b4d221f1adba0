"""The WebRTC transport: calls, each a session whose media is in a media process."""

import asyncio
import importlib.util
import logging
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.config import Settings, is_loopback
from streamsrv.core.inputs import Input, PlaybackEnded, PlaybackReported
from streamsrv.errors import Unavailable
from streamsrv.ids import new_id
from streamsrv.log_context import log_as
from streamsrv.media.messages import (
    Answer,
    Clear,
    Configure,
    Ended,
    Event,
    HangUp,
    Hold,
    IceServer,
    Message,
    Microphone,
    Opened,
    PlayedUntil,
    Refused,
    Resume,
    Speech,
    SpeechFinished,
)
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session, session_to_wire
from streamsrv.runtime.channel import ChannelClosed
from streamsrv.runtime.driver import SessionDriver
from streamsrv.runtime.send_queue import SendQueue
from streamsrv.runtime.speech_encoder import encode_event
from streamsrv.service import Service
from streamsrv.transports.webrtc.incoming import IncomingQueue
from streamsrv.transports.webrtc.pool import Line, MediaPool

logger = logging.getLogger(__name__)

ANSWER_S = 20.0
"""How long a media process may take to answer an offer: twice what it grants itself."""


def webrtc_is_installed() -> bool:
    """Whether media processes can be started: they need aiortc, which this process never imports."""
    return importlib.util.find_spec("aiortc") is not None


class Call:
    """A call as its session sees it: the channel for events and the microphone, and the speaker."""

    def __init__(self, call_id: str, principal: Principal) -> None:
        self.id = call_id
        self.principal = principal
        """Who opened it."""
        self.hears = True
        """Whether the client takes audio."""
        self.driver: SessionDriver | None = None
        """The session, once the client is connected."""
        self.on_played: Callable[[Input], None] = lambda _: None
        """Hears what was played."""
        self._line: Line | None = None
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._opened = asyncio.Event()
        self._incoming = IncomingQueue()
        self._listeners: list[SendQueue] = []
        self._max_event_bytes = sys.maxsize
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why the call has ended; None while it goes on."""
        return self._reason

    async def connect(self, pool: MediaPool, sdp: str) -> str:
        """Offer to answer; raises `ProtocolError` for a bad offer, `Unavailable` without a media process."""
        self._line = await pool.open(sdp, self._take)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._answer
        except TimeoutError:
            raise Unavailable(f"The media process did not answer within {ANSWER_S:g} seconds.") from None

    async def opened(self) -> None:
        """Until events can be sent; raises `ChannelClosed`."""
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
        for listener in self._listeners.copy():
            if not listener.put(frame):
                self.detach(listener)

    def play(self, item_id: str, pcm: NDArray[np.int16], sample_rate: int) -> None:
        self._tell(Speech(self._call, item_id, sample_rate, pcm.tobytes()))

    def finish(self, item_id: str) -> None:
        self._tell(SpeechFinished(self._call, item_id))

    def hold(self) -> None:
        self._tell(Hold(self._call))

    def resume(self) -> None:
        self._tell(Resume(self._call))

    def clear(self) -> None:
        self._tell(Clear(self._call))

    def attach(self) -> SendQueue:
        """Another connection to the session: it gets every event from now on, and ends with the call."""
        listener = SendQueue()
        if self.driver is not None:
            session = session_to_wire(self.driver.session)
            listener.put(encode_event({"type": "session.created", "event_id": new_id("event"), "session": session}))
        self._listeners.append(listener)
        return listener

    def detach(self, listener: SendQueue) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
            listener.end()

    async def take_attached_event(self, text: str) -> bool:
        """Take an event of a connection that is attached, once there is room; return False when the call has ended."""
        return await self._incoming.put_event_later(text)

    def hang_up(self, reason: str) -> None:
        """End the call."""
        self._tell(HangUp(self._call))
        self._end(reason)

    def _take(self, message: Message) -> None:
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
            case Answer(sdp=sdp, max_event_bytes=limit, hears=hears):
                self._max_event_bytes = limit or sys.maxsize
                self.hears = hears
                if not self._answer.done():
                    self._answer.set_result(sdp)
            case Refused(code=code, text=text):
                self._refuse(ProtocolError(code, text, "sdp"))
            case _:
                logger.error("a media process said %s", type(message).__name__)

    def _tell(self, message: Message) -> None:
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
        for listener in self._listeners.copy():
            self.detach(listener)
        self._refuse(Unavailable(reason))

    def _refuse(self, error: ProtocolError | Unavailable) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)
            self._answer.exception()  # whoever asked may have gone: it is no accident that nobody hears of it


class Calls:
    """All calls of a server."""

    def __init__(self, service: Service, tasks: asyncio.TaskGroup) -> None:
        self._service = service
        self._tasks = tasks
        self._pool = MediaPool(service.settings.webrtc_processes, _configuration(service.settings))
        self._calls: dict[str, Call] = {}

    @property
    def media_pids(self) -> list[int]:
        """Process ids of the media processes."""
        return self._pool.pids

    @property
    def cpu_s(self) -> float:
        """CPU time that media processes used."""
        return self._pool.cpu_s

    def find(self, call_id: str, principal: Principal) -> Call:
        """A call that goes on, for a client that may control it; raises `Refusal`."""
        call = self._calls.get(call_id)
        if call is None or not principal.may_reach(call.principal):
            message = f"There is no call '{call_id}'."
            if principal.secret_id is not None:
                message = f"This client secret has opened no call '{call_id}' that goes on."
            raise Refusal(404, "call_not_found", message, "call_id")
        return call

    def prepare(self) -> None:
        """A call is to be expected: have a media process ready for it."""
        if not self._pool.pids:
            self._tasks.create_task(self._prepare())

    async def open(self, sdp: str, session: Session, principal: Principal) -> tuple[str, str]:
        """Take an offer in; return the call's id and the answer. Raises `ProtocolError` and `Unavailable`.

        The client's secret is used up once nothing else can be in the way.
        """
        place = await self._service.admit(principal)
        call = Call(new_id("rtc"), principal)
        try:
            answer = await call.connect(self._pool, sdp)
            _check_speakable(session, call)
            self._service.opening.redeem(principal)
            task = self._tasks.create_task(self._serve(call, session))
        except BaseException:
            place.leave()
            call.hang_up("The call was refused.")
            raise
        self._calls[call.id] = call
        task.add_done_callback(lambda _: place.leave())
        return call.id, answer

    async def aclose(self) -> None:
        """End all calls and media processes."""
        for call in list(self._calls.values()):
            call.hang_up("The server stops.")
        await self._pool.aclose()

    async def _prepare(self) -> None:
        try:
            await self._pool.prepare()
        except Unavailable as error:
            logger.warning("%s", error)  # the call will say so to its client

    async def _serve(self, call: Call, session: Session) -> None:
        log_as(call.id, session.id, str(call.principal))
        reason = "The session ended."
        try:
            await call.opened()
            outcome = await self._drive(call, session)
            reason = outcome[1] if outcome else reason
        except ChannelClosed:
            pass
        except Exception:
            logger.exception("call %s failed", call.id)
            reason = "Internal error."
        finally:
            del self._calls[call.id]
            call.hang_up(reason)
            logger.info("call %s ended: %s", call.id, call.reason)

    async def _drive(self, call: Call, session: Session) -> tuple[int, str] | None:
        driver = self._service.start_session(session, call.principal, call, speaker=call)
        call.driver = driver
        call.on_played = driver.handle
        return await driver.run()


def _check_speakable(session: Session, call: Call) -> None:
    """Raises `ProtocolError` if the call cannot carry what the session says."""
    if call.hears or session.type == "transcription" or session.output_modalities != ["audio"]:
        return
    message = (
        "The audio section of the SDP offer takes no audio: make it sendrecv, or ask for a session of type "
        "'transcription' or with output_modalities ['text']."
    )
    raise ProtocolError("invalid_value", message, "sdp")


def _too_long(frame: bytes, limit: int) -> bytes:
    """The error that a client gets in place of an event that its data channel does not take."""
    event_type = msgspec.json.decode(frame)["type"]
    message = f"An event '{event_type}' of {len(frame)} bytes; the client's data channel takes {limit}."
    error = {"type": "server_error", "code": "event_too_long", "message": message, "param": None, "event_id": None}
    return encode_event({"type": "error", "event_id": new_id("event"), "error": error})


@asynccontextmanager
async def serving_calls(service: Service) -> AsyncGenerator[Calls]:
    """Calls may be opened within this block; at its end they are ended."""
    async with asyncio.TaskGroup() as tasks:
        calls = Calls(service, tasks)
        try:
            yield calls
        finally:
            await calls.aclose()


def _configuration(settings: Settings) -> Configure:
    servers = [IceServer(url) for url in (settings.stun_server,) if url]
    if settings.turn_server:
        password = settings.turn_password.get_secret_value() if settings.turn_password else None
        servers.append(IceServer(settings.turn_server, settings.turn_username, password))
    hosts = [str(host) for host in settings.webrtc_hosts]
    return Configure(hosts, servers, offer_loopback=is_loopback(settings.host))
