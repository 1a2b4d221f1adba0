"""The WebSocket transport: `GET /v1/realtime`."""

import asyncio
import logging

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from streamsrv.access.authentication import offered_subprotocols, refusal
from streamsrv.access.opening import begin_now, max_session_ms, new_id, refusal_when_full, requested_session
from streamsrv.core.session import SessionCore
from streamsrv.http.errors import describe
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.channel import ChannelClosed
from streamsrv.runtime.driver import SessionDriver
from streamsrv.service import Service
from streamsrv.transports.sideband import attach

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 17 * 1024 * 1024
"""The longest frame read: more than any event may hold, so that a little too much gets an error and not a close."""
CLOSE_S = 2.0
"""How long a client may take to read the close frame."""


class WebSocketChannel:
    """A WebSocket as the session driver sees it."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

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
    """Serve one Realtime session, or refuse it before the upgrade."""
    service: Service = websocket.app.state.service
    if call_id := websocket.query_params.get("call_id"):
        await attach(websocket, call_id)
        return
    opened = _open(websocket, service)
    if isinstance(opened, Response):
        await websocket.send_denial_response(opened)
        return
    with service.session():
        await websocket.accept("realtime" if "realtime" in offered_subprotocols(websocket) else None)
        core = SessionCore(
            begin_now(opened, service.settings),
            new_id=new_id,
            responses_per_minute=service.settings.responses_per_minute,
            speculative=service.settings.speculative,
            max_session_ms=max_session_ms(opened, service.settings),
        )
        await _serve(websocket, _driver(websocket, service, core))


def _open(websocket: WebSocket, service: Service) -> Session | Response:
    """The session to serve, or why there is none. A client secret is used up only if nothing else is in the way."""
    if (denial := refusal(websocket, service.settings, service.client_secrets)) is not None:
        return denial
    if (denial := refusal_when_full(service)) is not None:
        return denial
    try:
        return requested_session(websocket, service)
    except ProtocolError as error:
        return describe(error)


def _driver(websocket: WebSocket, service: Service, core: SessionCore) -> SessionDriver:
    return SessionDriver(core, service.engines, WebSocketChannel(websocket), new_id, service.metrics, service.rooms)


async def _serve(websocket: WebSocket, driver: SessionDriver) -> None:
    try:
        outcome = await driver.run()
    except Exception:
        logger.exception("a session failed")
        outcome = (1011, "Internal error.")
    if outcome is not None and websocket.client_state is WebSocketState.CONNECTED:
        try:
            await asyncio.wait_for(websocket.close(*outcome), CLOSE_S)
        except (TimeoutError, RuntimeError) as error:
            logger.info("the client did not take the close: %r", error)
