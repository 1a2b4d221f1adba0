"""The ASGI application on a socket: uvicorn, set up for long WebSocket sessions."""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from streamsrv.http.connection import MAX_HEADER_BYTES, HttpConnection
from streamsrv.http.exchange import Exchanges
from streamsrv.service import Service
from streamsrv.transports.websocket import MAX_FRAME_BYTES
from streamsrv.transports.websocket_protocol import WebSocketProtocol

GRACE_S = 3.0
"""How long requests that are being answered may go on when the server stops."""
STALL_MS = 60_000
"""A connection whose client takes nothing of what is waiting for it for this long is dropped by the kernel."""

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Serves an application; `on_started` is called once clients can connect."""

    def __init__(self, app: Starlette, on_started: Callable[[], None]) -> None:
        # Compression would cost more than all other work on an audio frame, and saves little.
        config = uvicorn.Config(
            app,
            http=HttpConnection,  # not httptools, which sends chunks to HTTP/1.0 clients, and bounds no headers
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            log_level="warning",  # below, it writes every frame and header, with keys and words in them
            access_log=False,
            ws=WebSocketProtocol,
            ws_max_size=MAX_FRAME_BYTES,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._app = app
        self._service: Service = app.state.service
        self._on_started = on_started
        # Why a response broke off is logged where it did.
        logging.getLogger("uvicorn.error").addFilter(_is_no_incomplete_response)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Models and modules stay: a full collection that looks at them stops all sessions for 50 ms instead of 15.
        gc.collect()
        gc.freeze()
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.rooms.stop()  # viewers would stay for ever
        self._app.state.calls.hang_up_all("The server stops.")
        exchanges: Exchanges = self._app.state.exchanges
        ended = exchanges.end_unread()
        late = asyncio.get_running_loop().create_future()
        timer = asyncio.get_running_loop().call_later(GRACE_S, lambda: late.set_result(exchanges.end_all()))
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()
            ended += late.result() if late.done() else 0
            if ended:
                logger.warning("requests in progress that the shutdown ended: %d", ended)


def _is_no_incomplete_response(record: logging.LogRecord) -> bool:
    return "without completing response" not in record.getMessage()


def bind(host: str, port: int) -> socket.socket:
    """Take an address (port 0: any free port); raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, so that asyncio turns off Nagle
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL_MS)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def address(listener: socket.socket) -> str:
    """`host:port`, as it stands in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
