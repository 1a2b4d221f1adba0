"""The WebSocket transport: `GET /v1/realtime`."""

import asyncio
import logging
import secrets
import time

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from streamsrv.api.auth import offered_subprotocols, refusal
from streamsrv.api.errors import error_response
from streamsrv.realtime.session_object import Session, transcription_session
from streamsrv.service import Service
from streamsrv.session.core import MAX_SESSION_MS, SessionCore
from streamsrv.session.driver import ChannelClosed, SessionDriver

logger = logging.getLogger(__name__)

MAX_FRAME_BYTES = 17 * 1024 * 1024
"""The longest frame read: more than any event may hold, so that a little too much gets an error and not a close."""
CLOSE_S = 2.0
"""How long a client may take to read the close frame."""


def new_id(prefix: str) -> str:
    """An id such as `item_9c1f0e...`."""
    return f"{prefix}_{secrets.token_hex(10)}"


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
    denial = refusal(websocket, service.settings)
    if denial is None and websocket.query_params.get("call_id"):
        denial = error_response(404, "There is no such call.", code="call_not_found")
    if denial is None and not service.has_room:
        service.metrics.refused.inc()
        message = f"All {service.settings.max_sessions} sessions of this server are in use."
        denial = error_response(
            503, message, code="session_limit_reached", type="server_error", headers={"Retry-After": "5"}
        )
    if denial is not None:
        await websocket.send_denial_response(denial)
        return
    with service.session():
        await websocket.accept("realtime" if "realtime" in offered_subprotocols(websocket) else None)
        core = SessionCore(
            _session(websocket, service),
            new_id=new_id,
            responses_per_minute=service.settings.responses_per_minute,
            speculative=service.settings.speculative,
        )
        await _serve(websocket, _driver(websocket, service, core))


def _driver(websocket: WebSocket, service: Service, core: SessionCore) -> SessionDriver:
    return SessionDriver(core, service.engines, WebSocketChannel(websocket), new_id, service.metrics)


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


def _session(websocket: WebSocket, service: Service) -> Session:
    query = websocket.query_params
    session_id, expires_at = new_id("sess"), int(time.time()) + MAX_SESSION_MS // 1000
    asked = [name for name in query.get("streamsrv", "").split(",") if name]
    if query.get("intent") == "transcription":
        session = transcription_session(session_id, expires_at)
    else:
        model = query.get("model") or service.engines.chat.name
        session = Session(id=session_id, expires_at=expires_at, model=model, instructions=service.settings.instructions)
    return session.with_events(asked) if asked else session
