"""Serves the ASGI application on a socket: uvicorn, configured for long WebSocket sessions."""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Network

import uvicorn
from starlette.applications import Starlette

from streamsrv.http.connection import MAX_HEADER_BYTES, HttpConnection
from streamsrv.http.exchange import Exchanges
from streamsrv.service import Service
from streamsrv.transports.websocket import MAX_FRAME_BYTES
from streamsrv.transports.websocket_protocol import WebSocketProtocol

GRACE_S = 3.0
"""How many seconds requests in progress may go on when the server stops."""
KEEP_ALIVE_S = 130
"""How many seconds an idle connection stays open: longer than proxies keep theirs, by default 60 to 120 s. Else a proxy
would now and then send a request on a connection that is just being closed, and answer it with 502."""
STALL_MS = 60_000
"""How long a client may leave sent data unacknowledged before the kernel drops the connection."""

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Serves an application; `on_started` is called once clients can connect."""

    def __init__(self, app: Starlette, on_started: Callable[[], None]) -> None:
        # No compression: it would cost more than all other work on an audio frame, and save little.
        config = uvicorn.Config(
            app,
            http=HttpConnection,  # not httptools, which sends chunks to HTTP/1.0 clients, and does not bound headers
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            log_config=None,  # its messages go where all others go
            log_level="warning",  # at lower levels uvicorn logs all frames and headers, with keys and words in them
            access_log=False,
            ws=WebSocketProtocol,
            ws_max_size=MAX_FRAME_BYTES,
            ws_per_message_deflate=False,
            forwarded_allow_ips=_as_peers_write(app.state.service.settings.trusted_proxies),
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._app = app
        self._service: Service = app.state.service
        self._on_started = on_started
        # The reason why a response broke off is already logged where it happened.
        logging.getLogger("uvicorn.error").addFilter(_is_not_about_incomplete_response)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals of the process to its main program, which frees the models after the server has stopped."""
        yield

    def stop(self) -> None:
        """Make `serve` end the sessions and return."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Models and modules stay in memory. Frozen, they do not lengthen the collections that pause all sessions.
        gc.collect()
        gc.freeze()
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.rooms.stop()  # else viewers would stay connected for ever
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


def _as_peers_write(networks: Iterable[IPv4Network | IPv6Network]) -> list[str]:
    """Return networks as text, IPv4 ones also as a socket on `::` names their addresses (`::ffff:10.0.0.1`)."""
    mapped = [f"::ffff:{net.network_address}/{96 + net.prefixlen}" for net in networks if net.version == 4]
    return [*map(str, networks), *mapped]


def _is_not_about_incomplete_response(record: logging.LogRecord) -> bool:
    return "without completing response" not in record.getMessage()


def bind(host: str, port: int) -> socket.socket:
    """Bind a TCP socket to an address (port 0: any free port); raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's algorithm only if the protocol is given.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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
    """Return the `host:port` of a socket, as written in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
