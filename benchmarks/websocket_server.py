"""A WebSocket server that discards audio and answers requests, on one of several implementations.

    python benchmarks/websocket_server.py NAME

`NAME` is a key of `SERVERS`. It is the server's part of `websocket_servers.py`, which compares them.
"""

import asyncio
import base64
import hashlib
import json
import re
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

MARK = "probe-me"
ANSWER = f'{{"type":"error","error":{{"message":"{MARK}"}}}}'
MAX_BYTES = 17 * 1024 * 1024
AUDIO_FRAME_BYTES = 8 + len(json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 1280}))
"""The frame of 20 ms of audio. Several may arrive together, but only a request has another length."""


EXTENSION = "streamsrv.texts"
"""The extension of streamsrv's transport: see `streamsrv.transports.websocket_protocol`."""


async def application(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    """A bare ASGI application."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    if (extension := scope.get("extensions", {}).get(EXTENSION)) is not None:
        extension["listen"](lambda text: len(text) >= 200)
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text") or ""
        if len(text) < 200 and MARK in text:
            await send({"type": "websocket.send", "text": ANSWER})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def announce(port: int) -> None:
    print(f"Listening on 127.0.0.1:{port}", flush=True)


def uvicorn_with(websockets: Any) -> Callable[[], Awaitable[None]]:
    async def serve() -> None:
        import uvicorn

        port = free_port()
        config = uvicorn.Config(
            application,
            port=port,
            ws=websockets,
            log_level="error",
            ws_per_message_deflate=False,
            ws_max_size=MAX_BYTES,
        )
        announce_soon(port)
        await uvicorn.Server(config).serve()

    return serve


def announce_soon(port: int) -> None:
    asyncio.get_running_loop().call_later(1, announce, port)


async def ours() -> None:
    from streamsrv.transports.websocket_protocol import WebSocketProtocol

    await uvicorn_with(WebSocketProtocol)()


def granian_with(interface: str, target: Any) -> Callable[[], Awaitable[None]]:
    async def serve() -> None:
        from granian.server.embed import Server

        port = free_port()
        announce_soon(port)
        await Server(target, address="127.0.0.1", port=port, interface=interface, log_enabled=False).serve()

    return serve


async def rsgi_application(scope: Any, protocol: Any) -> None:
    """The same on granian's own interface."""
    transport = await protocol.accept()
    while True:
        message = await transport.receive()
        if message.kind == 0:
            return
        text = message.data
        if len(text) < 200 and MARK in text:
            await transport.send_str(ANSWER)


async def hypercorn() -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    port = free_port()
    config.bind = [f"127.0.0.1:{port}"]
    announce_soon(port)
    await serve(application, config)  # type: ignore[arg-type]


async def picows() -> None:
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

    class Listener(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.TEXT:
                text = frame.get_payload_as_memoryview()
                if len(text) < 200 and MARK.encode() in bytes(text):
                    transport.send(WSMsgType.TEXT, ANSWER.encode())

    port = free_port()
    server = await ws_create_server(
        lambda _: Listener(), "127.0.0.1", port, max_frame_size=MAX_BYTES, use_aiofastnet="fastnet" in sys.argv[1]
    )
    announce(port)
    await server.serve_forever()


class Discard(asyncio.Protocol):
    """Answers the upgrade, then looks only for the request: what reading from the sockets costs."""

    transport: asyncio.Transport
    is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            self.is_open = True
            key = re.findall(rb"Sec-WebSocket-Key: (\S+)", data)[0]
            digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
            )
        elif len(data) % AUDIO_FRAME_BYTES:
            self.transport.write(bytes([0x81, len(ANSWER)]) + ANSWER.encode())


async def discard() -> None:
    port = free_port()
    server = await asyncio.get_running_loop().create_server(Discard, "127.0.0.1", port)
    announce(port)
    await server.serve_forever()


SERVERS: dict[str, Callable[[], Awaitable[None]]] = {
    "nothing but reading": discard,
    "streamsrv's transport": ours,
    "uvicorn, websockets-sansio": uvicorn_with("websockets-sansio"),
    "uvicorn, websockets": uvicorn_with("websockets"),
    "uvicorn, wsproto": uvicorn_with("wsproto"),
    "granian, ASGI": granian_with("asgi", application),
    "granian, RSGI": granian_with("rsgi", rsgi_application),
    "hypercorn": hypercorn,
    "picows": picows,
    "picows, fastnet": picows,
}

if __name__ == "__main__":
    uvloop.run(SERVERS[sys.argv[1]]())  # type: ignore[arg-type]
