"""The sideband of a call: `GET /v1/realtime?call_id=rtc_...`, a WebSocket with the events of the call's session."""

import asyncio
import logging

from starlette.websockets import WebSocket, WebSocketDisconnect

from streamsrv.access.authentication import identify, offered_subprotocols
from streamsrv.observability.logging import log_as
from streamsrv.runtime.ending import SLOW_CLIENT
from streamsrv.runtime.fairness import TimeSlice
from streamsrv.runtime.send_queue import SendQueue
from streamsrv.service import Service
from streamsrv.transports.live_calls import LiveCall, LiveCalls

logger = logging.getLogger(__name__)


async def attach(websocket: WebSocket, call_id: str) -> None:
    """Join a call; raises `ProtocolError` before the upgrade.

    An API key may join any call; a client secret may join the call that it opened.
    """
    service: Service = websocket.app.state.service
    calls: LiveCalls = websocket.app.state.live_calls
    principal = identify(websocket, service.authentication.for_call)
    call = calls.find(call_id, principal)
    log_as(call=call_id, principal=str(principal))
    await websocket.accept("realtime" if "realtime" in offered_subprotocols(websocket) else None)
    events = call.attach()
    service.metrics.sidebands.inc()
    logger.info("a sideband connection begins")
    try:
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(_read(websocket, call, events))
            await _write(websocket, call, events)
            reader.cancel()
    finally:
        call.detach(events)
        service.metrics.sidebands.dec()
        logger.info("a sideband connection has ended")


async def _read(websocket: WebSocket, call: LiveCall, events: SendQueue) -> None:
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        text = message.get("text") or (message.get("bytes") or b"").decode(errors="replace")
        if not await call.take_attached_event(text):
            break
    call.detach(events)


async def _write(websocket: WebSocket, call: LiveCall, events: SendQueue) -> None:
    time_slice = TimeSlice()
    try:
        while (frame := await events.get()) is not None:
            with time_slice:
                await websocket.send_text(frame.decode())
            await time_slice.give_way()
        if call.reason is not None:
            await websocket.close(1000, call.reason[:120])
        else:
            await websocket.close(*SLOW_CLIENT)
    except (WebSocketDisconnect, RuntimeError):
        pass  # the client has gone
