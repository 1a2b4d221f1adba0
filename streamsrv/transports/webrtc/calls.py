"""The WebRTC transport: opens, finds and ends the calls of a server. Media processes carry their media."""

import asyncio
import importlib.util
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from streamsrv.access.admission import Place
from streamsrv.access.principal import Principal
from streamsrv.audio import opus
from streamsrv.errors import Unavailable
from streamsrv.ids import new_id
from streamsrv.media.messages import Configure, IceServer
from streamsrv.observability.logging import log_as
from streamsrv.observability.metrics import EndReason
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.channel import ChannelClosed
from streamsrv.runtime.ending import INTERNAL_ERROR
from streamsrv.runtime.observing import Connected
from streamsrv.service import Service
from streamsrv.setting_values import port_range
from streamsrv.settings import Settings
from streamsrv.transports.live_calls import LiveCalls
from streamsrv.transports.webrtc.call import Call
from streamsrv.transports.webrtc.pool import MediaPool
from streamsrv.web_addresses import is_loopback

logger = logging.getLogger(__name__)

END_S = 5.0
"""How many seconds sessions may take to end when the server stops."""


def webrtc_is_installed() -> bool:
    """Whether media processes can run. They need libopus and aiortc, which this process never imports."""
    return importlib.util.find_spec("aiortc") is not None and opus.is_available()


class Calls:
    """All WebRTC calls of a server; each is in `live` while it runs."""

    def __init__(self, service: Service, live: LiveCalls) -> None:
        self._service = service
        self._live = live
        self._pool = MediaPool(
            service.settings.webrtc_processes, _configuration(service.settings), service.metrics.media_failures.inc
        )
        self._calls: dict[str, Call] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._preparing: asyncio.Task[None] | None = None
        service.metrics.calls.set_function(lambda: len(self._calls))
        service.metrics.media_processes.set_function(lambda: len(self.media_pids))

    @property
    def media_pids(self) -> list[int]:
        """Process ids of the media processes."""
        return self._pool.pids

    def prepare(self) -> None:
        """Start a media process ahead of an expected call."""
        if not self._pool.pids and (self._preparing is None or self._preparing.done()):
            self._preparing = self._service.background.spawn(self._prepare(), "the start of a media process")

    async def open(self, sdp: str, session: Session, principal: Principal, address: str = "") -> Call:
        """Answer an offer and serve the call. Raises `ProtocolError`, `Refusal` and `Unavailable`.

        `address`: where the offer came from.

        Uses up a client secret last, once nothing else can refuse the call.
        """
        place = await self._service.admit(principal)
        call = Call(new_id("rtc"), principal, address)
        try:
            await call.connect(self._pool, sdp)
            _check_speakable(session, call)
            self._service.opening.redeem(principal)
            self._serve(call, session, place)
        except BaseException:
            place.leave()
            call.hang_up("The call was refused.")
            raise
        return call

    def hang_up_all(self, reason: str) -> None:
        """End all calls."""
        for call in list(self._calls.values()):
            call.hang_up(reason)

    async def aclose(self) -> None:
        """End all calls and stop all media processes."""
        self.hang_up_all("The server stops.")
        if self._serving:
            await asyncio.wait(self._serving, timeout=END_S)
        await self._pool.aclose()

    async def _prepare(self) -> None:
        try:
            await self._pool.prepare()
        except Unavailable as error:
            logger.warning("%s", error)  # the call will tell its client

    def _serve(self, call: Call, session: Session, place: Place) -> None:
        """Start the session of a call, and give `place` back when the call ends."""
        task = self._service.background.spawn(self._run(call, session), f"call {call.id}")
        self._calls[call.id] = call
        self._live.add(call)
        self._serving.add(task)

        def ended(_: asyncio.Task[None]) -> None:  # also of a task that was cancelled before its first step
            place.leave()
            self._serving.discard(task)
            del self._calls[call.id]
            self._live.remove(call)
            call.hang_up("The session ended.")
            logger.info("call %s ended: %s", call.id, call.reason)

        task.add_done_callback(ended)

    async def _run(self, call: Call, session: Session) -> None:
        log_as(call=call.id, session=session.id, principal=str(call.principal))
        try:
            await call.opened()
            outcome = await self._drive(call, session)
        except ChannelClosed:
            return
        except Exception:
            logger.exception("call %s failed", call.id)
            outcome = INTERNAL_ERROR
        if outcome is not None:
            call.hang_up(outcome[1])

    async def _drive(self, call: Call, session: Session) -> tuple[int, str] | None:
        connected = Connected("webrtc", call.address, lambda: why_ended(call.reason or ""))
        driver = self._service.start_session(session, call.principal, call, call.speaker, connected)
        call.driver = driver
        call.on_played = driver.handle
        return await driver.run()


def why_ended(reason: str) -> tuple[EndReason, str]:
    """Return the name of the reason why a call ended, and the reason."""
    for start, name in _END_REASONS.items():
        if reason.startswith(start):
            return name, reason
    return "client_left", reason


_END_REASONS: dict[str, EndReason] = {
    "The call was hung up": "hung_up",
    "The server stops": "server_stopped",
    "The media process": "media_failed",
    "Nothing came from the client": "connection_lost",
    "The client sends events faster": "event_flood",
    "The client does not read": "slow_client",
}
"""Names by the beginning of the reason of a call; a call that ended for any other reason was left by its client."""


def _check_speakable(session: Session, call: Call) -> None:
    """Raise `ProtocolError` if the session answers in audio and the call cannot carry it."""
    if call.receives_audio or session.type == "transcription" or session.output_modalities != ["audio"]:
        return
    message = (
        "The audio section of the SDP offer receives no audio: make it sendrecv, or ask for a session of type "
        "'transcription' or with output_modalities ['text']."
    )
    raise ProtocolError("invalid_value", message, "sdp")


@asynccontextmanager
async def serving_calls(service: Service, live: LiveCalls) -> AsyncGenerator[Calls]:
    """Serve calls within this block, and end them all when it ends."""
    calls = Calls(service, live)
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
    ports = port_range(settings.webrtc_ports) if settings.webrtc_ports else None
    public = [str(address) for address in settings.webrtc_public_addresses]
    return Configure(hosts, servers, is_loopback(settings.host), ports, public)
