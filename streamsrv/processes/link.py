"""The socket between the server's process and a helper process, as messages."""

import asyncio
import socket
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from streamsrv.processes.framing import Deframer, Framing, Status

T = TypeVar("T")


class Link(asyncio.Protocol, Generic[T]):
    """Calls `on_message` for each message, and `on_lost` when the other process has ended.

    Sending never waits. `waiting_bytes` is what the other side has not read yet; the sender must bound it, or stop to
    send when `on_flow` is called with False, until it is called with True.
    """

    def __init__(
        self,
        framing: Framing[T],
        on_message: Callable[[T | Status], None],
        on_lost: Callable[[], None],
        on_flow: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._framing = framing
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_flow = on_flow
        self._deframer = Deframer(framing)
        self._transport: asyncio.Transport | None = None

    async def open(self, sock: socket.socket) -> None:
        """Use a connected Unix socket. Messages may arrive before this returns."""
        sock.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=sock)

    @property
    def waiting_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport else 0

    def send(self, message: T | Status) -> None:
        """Send a message. Does nothing after `on_lost`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._framing.encode(message))

    def send_within(self, message: T | Status, bound_bytes: int, *, is_audio: bool) -> bool:
        """Send a message unless more than `bound_bytes` wait; return whether the other process still reads.

        Audio is dropped once half of that waits.
        """
        waiting = self.waiting_bytes
        if waiting > bound_bytes // 2 and is_audio:
            return True
        if waiting > bound_bytes:
            return False
        self.send(message)
        return True

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's class does not inherit from it

    def data_received(self, data: bytes) -> None:
        for message in self._deframer.feed(data):
            self._on_message(message)

    def pause_writing(self) -> None:
        self._on_flow(False)

    def resume_writing(self) -> None:
        self._on_flow(True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost()
