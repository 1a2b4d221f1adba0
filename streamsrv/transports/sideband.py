"""The sideband of a call: `GET /v1/realtime?call_id=rtc_...`, a WebSocket with the same events as its data channel."""

import asyncio

from starlette.websockets import WebSocket, WebSocketDisconnect

from streamsrv.access.authentication import offered_subprotocols, refusal
from streamsrv.http.errors import error_response
from streamsrv.runtime.send_queue import OutgoingQueue
from streamsrv.service import Service
from streamsrv.transports.webrtc.calls import Call


async def attach(websocket: WebSocket, call_id: str) -> None:
    """Join a call, or refuse before the upgrade. A client secret opens a session of its own and is not enough."""
    service: Service = websocket.app.state.service
    call: Call | None = websocket.app.state.calls.get(call_id)
    if (denial := refusal(websocket, service.settings)) is not None:
        await websocket.send_denial_response(denial)
        return
    if call is None:
        await websocket.send_denial_response(
            error_response(404, "There is no such call.", code="call_not_found", param="call_id")
        )
        return
    await websocket.accept("realtime" if "realtime" in offered_subprotocols(websocket) else None)
    events = call.attach()
    try:
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(_read(websocket, call, events))
            await _write(websocket, call, events)
            reader.cancel()
    finally:
        call.detach(events)


async def _read(websocket: WebSocket, call: Call, events: OutgoingQueue) -> None:
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        text = message.get("text") or (message.get("bytes") or b"").decode(errors="replace")
        if not call.take_event(text):
            break
    call.detach(events)


async def _write(websocket: WebSocket, call: Call, events: OutgoingQueue) -> None:
    try:
        while (frame := await events.get()) is not None:
            await websocket.send_text(frame.decode())
        if call.reason is not None:
            await websocket.close(1000, call.reason[:120])
        else:
            await websocket.close(1008, "Events came faster, or were read more slowly, than is possible.")
    except (WebSocketDisconnect, RuntimeError):
        pass  # the client has gone
