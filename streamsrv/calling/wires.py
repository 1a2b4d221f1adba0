"""The connections that carry a media stream: a WebSocket, or TCP for AudioSocket."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from streamsrv.calling.peers.audiosocket import HEADER_BYTES
from streamsrv.calling.peers.base import Message
from streamsrv.conformance.reaching import explain

CONNECT_S = 20.0
"""Seconds that connecting may take: that of a server that is busy."""
MAX_MESSAGE_BYTES = 4 * 1024 * 1024


class CallFailed(Exception):
    """The call could not be made; the text says why and what to do."""


class Ended(Exception):
    """The server has ended the connection; the text says how."""


class Wire(Protocol):
    async def send(self, message: Message) -> None:
        """Send a message; raises `Ended`."""
        ...

    async def receive(self) -> Message:
        """Wait for a message; raises `Ended`."""
        ...

    def drop(self) -> None:
        """Break the connection without a word."""
        ...

    async def close(self) -> None: ...


@asynccontextmanager
async def open_wire(url: str, headers: Mapping[str, str]) -> AsyncGenerator[Wire]:
    """Connect to `ws://`, `wss://` or `tcp://host:port`; raises `CallFailed`."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "tcp":
            async with asyncio.timeout(CONNECT_S):
                wire = _Tcp(*await asyncio.open_connection(parts.hostname, parts.port))
        else:
            wire = _WebSocket(await _connect(url, headers))
    except (OSError, WebSocketException) as error:
        raise CallFailed(explain(error, url)) from error
    try:
        yield wire
    finally:
        await wire.close()


async def _connect(url: str, headers: Mapping[str, str]) -> ClientConnection:
    return await connect(
        url,
        additional_headers=dict(headers),
        max_size=MAX_MESSAGE_BYTES,
        compression=None,
        proxy=None,
        open_timeout=CONNECT_S,
        ping_interval=None,
    )


class _WebSocket:
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: Message) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed as closed:
            raise Ended(_told(closed)) from closed

    async def receive(self) -> Message:
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise Ended(_told(closed)) from closed

    def drop(self) -> None:
        self._connection.transport.abort()

    async def close(self) -> None:
        await self._connection.close()


def _told(closed: ConnectionClosed) -> str:
    if closed.rcvd is None:
        return "The connection broke."
    reason = f": {closed.rcvd.reason.rstrip('.')}" if closed.rcvd.reason else ""
    return f"The server closed the connection with {closed.rcvd.code}{reason}."


class _Tcp:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, message: Message) -> None:
        assert isinstance(message, bytes)
        try:
            self._writer.write(message)
            await self._writer.drain()
        except OSError as error:
            raise Ended("The connection broke.") from error

    async def receive(self) -> Message:
        try:
            header = await self._reader.readexactly(HEADER_BYTES)
            return header + await self._reader.readexactly(int.from_bytes(header[1:], "big"))
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Ended("The server closed the connection.") from error

    def drop(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
