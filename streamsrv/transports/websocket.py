"""The WebSocket transport: `GET /v1/realtime`."""

import asyncio
import logging
from collections.abc import Callable

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.frames import CloseCode

from streamsrv.access.authentication import client_address, identify, offered_subprotocols
from streamsrv.access.principal import Principal
from streamsrv.observability.logging import log_as
from streamsrv.observability.metrics import EndReason
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.channel import ChannelClosed
from streamsrv.runtime.driver import SessionDriver
from streamsrv.runtime.ending import INTERNAL_ERROR
from streamsrv.runtime.observing import Connected
from streamsrv.service import Service
from streamsrv.transports.sideband import attach
from streamsrv.transports.websocket_protocol import EXTENSION

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 17 * 1024 * 1024
"""Longest frame that is read: longer than any event may be, so a slightly long event gets an error and not a close."""
CLOSE_S = 2.0
"""How many seconds a client may take to read the close frame."""


class WebSocketChannel:
    """A `Channel` over a WebSocket."""

    has_microphone = False
    """False: audio comes in events."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._closed: tuple[int, str] = (CloseCode.ABNORMAL_CLOSURE, "")

    def why_closed(self) -> tuple[EndReason, str]:
        """Why the connection has ended, if the session did not end it: a name and a sentence."""
        code, reason = self._closed
        detail = f"closed with {code}{f': {reason}' if reason else ''}"
        match code:
            case CloseCode.SERVICE_RESTART:
                return "server_stopped", detail
            case CloseCode.ABNORMAL_CLOSURE | CloseCode.INTERNAL_ERROR:
                return "connection_lost", detail
            case _:
                return "client_left", detail

    @property
    def address(self) -> str:
        """`host:port` of the client."""
        return client_address(self._websocket)

    def listen(self, take: Callable[[str], bool]) -> None:
        """Offer texts to `take` as they arrive; `receive` returns those for which it returns False."""
        if (extension := self._websocket.scope["extensions"].get(EXTENSION)) is not None:
            extension["listen"](take)

    async def receive(self) -> str | bytes:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            self._closed = message.get("code") or CloseCode.NO_STATUS_RCVD, message.get("reason") or ""
            raise ChannelClosed
        return message.get("text") or message.get("bytes") or ""

    async def send(self, frame: bytes) -> None:
        try:
            await self._websocket.send_text(frame.decode())
        except (WebSocketDisconnect, RuntimeError) as error:  # RuntimeError: closed between two sends
            raise ChannelClosed from error


async def realtime(websocket: WebSocket) -> None:
    """Serve one Realtime session; raises `ProtocolError` before the upgrade.

    Uses up a client secret last, once nothing else can refuse the session.
    """
    if call_id := websocket.query_params.get("call_id"):
        await attach(websocket, call_id)
        return
    service: Service = websocket.app.state.service
    principal = identify(websocket, service.authentication.for_session)
    session = service.opening.requested(principal, websocket.query_params)
    log_as(session=session.id, principal=str(principal))
    with await service.admit(principal):
        service.opening.redeem(principal)
        try:
            await websocket.accept("realtime" if "realtime" in offered_subprotocols(websocket) else None)
        except (WebSocketDisconnect, OSError, RuntimeError):
            return  # the client has gone
        await _serve(websocket, lambda: _start(service, session, principal, WebSocketChannel(websocket)))


def _start(service: Service, session: Session, principal: Principal, channel: WebSocketChannel) -> SessionDriver:
    connected = Connected("websocket", channel.address, channel.why_closed)
    driver = service.start_session(session, principal, channel, connected=connected)
    channel.listen(driver.take_text)
    return driver


async def _serve(websocket: WebSocket, start: Callable[[], SessionDriver]) -> None:
    try:
        outcome = await start().run()
    except Exception:
        logger.exception("a session failed")
        outcome = INTERNAL_ERROR
    if outcome is not None and websocket.client_state is WebSocketState.CONNECTED:
        try:
            async with asyncio.timeout(CLOSE_S):
                await websocket.close(*outcome)
        except (TimeoutError, RuntimeError) as error:
            logger.info("the client did not read the close frame: %r", error)
