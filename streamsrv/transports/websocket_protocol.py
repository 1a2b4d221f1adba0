"""Makes uvicorn's WebSocket protocol parse a client's data only as fast as the application handles it."""

import asyncio
import time
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

PIECE_BYTES = 4096
"""Bytes parsed at a time."""
SLICE_S = 0.002
"""Seconds of parsing after which other connections have their turn."""
REST_S = 0.02
"""Seconds between two slices of parsing once the close frame is sent."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Parses received data once the application has taken all earlier messages.

    uvicorn itself parses all received data in one go, which may be thousands of frames, and goes on for some seconds
    after it has closed the connection, if the client does not stop. It also stops and resumes reading at each message,
    two system calls; here reading stops only while data waits to be parsed. A refusal before the upgrade counts as a
    complete handshake, because uvicorn would log an error after each one.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unparsed = memoryview(b"")
        self._later: asyncio.Handle | None = None

    def data_received(self, data: bytes) -> None:
        if not self._unparsed and len(data) <= PIECE_BYTES and self._wants_more:
            self._parse_piece(data)
            return
        self._unparsed = memoryview(bytes(self._unparsed) + data) if self._unparsed else memoryview(data)
        self._parse()

    def send_receive_event_to_app(self) -> None:
        """Close for a text that is not UTF-8, as RFC 6455 asks; uvicorn would log a traceback for each."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            self.frames = [b"".join(self.frames)]
            try:
                self.frames[0].decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(CloseCode.INVALID_DATA, "invalid UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self._unparsed and self.queue.empty():
            self._parse()
        return message

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True
        if self.close_sent and self._unparsed:
            self._parse()  # it may hold the client's close frame

    def connection_lost(self, exc: Exception | None) -> None:
        self._unparsed = memoryview(b"")
        super().connection_lost(exc)

    @property
    def _wants_more(self) -> bool:
        return (self.queue.empty() or self.close_sent) and not self.transport.is_closing()

    def _parse(self) -> None:
        """Parse until there is a message, or until `SLICE_S` has passed."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        until_s = time.perf_counter() + SLICE_S
        while self._unparsed and self._wants_more and time.perf_counter() < until_s:
            piece, self._unparsed = self._unparsed[:PIECE_BYTES], self._unparsed[PIECE_BYTES:]
            self._parse_piece(bytes(piece))
        if self._unparsed and self._wants_more:
            self._later = self.loop.call_later(REST_S if self.close_sent else 0, self._parse)
        self._read_if_due()

    def _parse_piece(self, piece: bytes) -> None:
        is_paused, self.read_paused = self.read_paused, True  # so that uvicorn does not stop reading at a message
        super().data_received(piece)
        self.read_paused = is_paused

    def _read_if_due(self) -> None:
        is_due = not self._unparsed and not self.transport.is_closing()
        if is_due and self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        elif not is_due and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
