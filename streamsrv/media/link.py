"""A socket between the server's process and a media process, as messages."""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from streamsrv.media.messages import Deframer, Frame, encode


class Link(asyncio.Protocol):
    """Hands each message to `on_message`, and the end of the other process to `on_lost`.

    Sending never waits; how much the other side has not read yet is `waiting_bytes`, for the sender to bound.
    """

    def __init__(self, on_message: Callable[[Frame], None], on_lost: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._deframer = Deframer()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def over(
        cls, sock: socket.socket, on_message: Callable[[Frame], None], on_lost: Callable[[], None]
    ) -> "Link":
        """Take over a connected Unix socket."""
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        _, link = await loop.create_unix_connection(lambda: cls(on_message, on_lost), sock=sock)
        return link

    @property
    def waiting_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport else 0

    def send(self, message: Frame) -> None:
        """Nothing happens once the other side is gone: `on_lost` said so."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        for message in self._deframer.feed(data):
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost()
