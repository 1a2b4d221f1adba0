"""The WebSocket transport: `GET /v1/realtime`."""

import asyncio
import logging
from collections.abc import Callable

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from streamsrv.access.authentication import identify, offered_subprotocols
from streamsrv.access.principal import Principal
from streamsrv.log_context import log_as
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.channel import ChannelClosed
from streamsrv.runtime.driver import SessionDriver
from streamsrv.runtime.ending import INTERNAL_ERROR
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

    def listen(self, take: Callable[[str], bool]) -> None:
        """Offer texts to `take` as they arrive; `receive` returns those for which it returns False."""
        if (extension := self._websocket.scope["extensions"].get(EXTENSION)) is not None:
            extension["listen"](take)

    async def receive(self) -> str | bytes:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
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
    log_as(session.id, str(principal))
    with await service.admit(principal):
        service.opening.redeem(principal)
        try:
            await websocket.accept("realtime" if "realtime" in offered_subprotocols(websocket) else None)
        except (WebSocketDisconnect, OSError, RuntimeError):
            return  # the client has gone
        await _serve(websocket, lambda: _start(service, session, principal, WebSocketChannel(websocket)))


def _start(service: Service, session: Session, principal: Principal, channel: WebSocketChannel) -> SessionDriver:
    driver = service.start_session(session, principal, channel)
    channel.listen(driver.take_text)
    return driver


async def _serve(websocket: WebSocket, start: Callable[[], SessionDriver]) -> None:
    try:
        outcome = await start().run()
    except Exception:
        logger.exception("a session failed")
        outcome = INTERNAL_ERROR
    logger.info("the session has ended: %s", outcome[1] if outcome else "the client left")
    if outcome is not None and websocket.client_state is WebSocketState.CONNECTED:
        try:
            await asyncio.wait_for(websocket.close(*outcome), CLOSE_S)
        except (TimeoutError, RuntimeError) as error:
            logger.info("the client did not read the close frame: %r", error)
