"""The WebSocket transport: `GET /v1/realtime`."""

import asyncio
import logging
import secrets
import time

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
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

    def __init__(self, websocket: WebSocket, receive: Receive) -> None:
        self._websocket = websocket
        self._receive = receive  # `websocket.receive` would check what the server checks, for each piece of audio

    async def receive(self) -> str | bytes:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise ChannelClosed
        return message.get("text") or message.get("bytes") or ""

    async def send(self, frame: bytes) -> None:
        try:
            await self._websocket.send_text(frame.decode())
        except (WebSocketDisconnect, RuntimeError) as error:  # RuntimeError: closed between two sends
            raise ChannelClosed from error


class _Realtime:
    """An ASGI application, and no endpoint of Starlette's, because the channel reads what the server hands out."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one Realtime session, or refuse it before the upgrade."""
        websocket = WebSocket(scope, receive, send)
        service: Service = websocket.app.state.service
        if (denial := _denial(websocket, service)) is not None:
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
            channel = WebSocketChannel(websocket, receive)
            await _serve(websocket, SessionDriver(core, service.engines, channel, new_id, service.metrics))


realtime = _Realtime()


def _denial(websocket: WebSocket, service: Service) -> Response | None:
    denial = refusal(websocket, service.settings)
    if denial is None and websocket.query_params.get("call_id"):
        denial = error_response(404, "There is no such call.", code="call_not_found")
    if denial is None and not service.has_room:
        service.metrics.refused.inc()
        message = f"All {service.settings.max_sessions} sessions of this server are in use."
        denial = error_response(
            503, message, code="session_limit_reached", type="server_error", headers={"Retry-After": "5"}
        )
    return denial


async def _serve(websocket: WebSocket, driver: SessionDriver) -> None:
    try:
        outcome = await driver.run()
    except Exception:
        logger.exception("a session failed")
        outcome = (1011, "Internal error.")
    if outcome is not None and websocket.client_state is WebSocketState.CONNECTED:
        try:
            await asyncio.wait_for(websocket.close(*outcome), CLOSE_S)
        except (TimeoutError, RuntimeError, WebSocketDisconnect) as error:
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
