"""Makes uvicorn's WebSocket protocol parse a client's data only as fast as the application handles it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import (
    CloseCode,
    Frame,
    apply_mask,  # pyright: ignore[reportPrivateImportUsage] - the one in C, if it is installed
)
from websockets.http11 import Request
from websockets.protocol import State

EXTENSION = "streamsrv.texts"
"""The ASGI extension with which an application gets texts by a call: see `WebSocketProtocol`."""
PIECE_BYTES = 4096
"""Bytes parsed at a time."""
SLICE_S = 0.002
"""Seconds of parsing after which other connections have their turn."""
REST_S = 0.02
"""Seconds between two slices of parsing once the close frame is sent."""

# RFC 6455, section 5.2: two bytes, the length in 0, 2 or 8 more, and a mask of four.
_WHOLE_TEXT = 0x81
"""First byte of a text frame that is the last of its message."""
_MASKED = 0x80
_LONG = 126
"""Length in the second byte if the real one is in the next two."""
_HEADER_BYTES, _LONG_HEADER_BYTES, _LONGEST_HEADER_BYTES = 6, 8, 14


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Parses received data once the application has taken all earlier messages.

    uvicorn itself parses all received data in one go, which may be thousands of frames, and goes on for some seconds
    after it has closed the connection, if the client does not stop. It also stops and resumes reading at each message,
    two system calls; here reading stops only while data waits to be parsed. A refusal before the upgrade counts as a
    complete handshake, because uvicorn would log an error after each one.

    A text that arrives whole and in one frame does not go through the parser of `websockets`, which costs more than all
    other work on a chunk of audio. `scope["extensions"][EXTENSION]["listen"]` takes a function that gets each such text
    while the application waits in `receive`, and returns whether it has handled it; if not, the text is received.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unparsed = memoryview(b"")
        self._later: asyncio.Handle | None = None
        self._unframed = 0  # bytes given to the parser that do not belong to a parsed frame
        self._is_awaited = False  # whether the application waits for a message
        self._listener: Callable[[str], bool] | None = None

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            extensions: dict[str, Any] = self.scope.setdefault("extensions", {})
            extensions[EXTENSION] = {"listen": self._listen}

    def _listen(self, listener: Callable[[str], bool]) -> None:
        self._listener = listener

    def data_received(self, data: bytes) -> None:
        if not self._unparsed and self._wants_more:
            data = data[self._parse_next(data) :]
            if not data:
                return
        self._unparsed = memoryview(bytes(self._unparsed) + data)
        self._parse()

    def handle_events(self) -> None:
        for event in self.conn.events:  # uvicorn passes on the request without anything that came behind it
            self._unframed = self._unframed - _size(event) if isinstance(event, Frame) else 0
        super().handle_events()

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
        self._is_awaited = True
        try:
            message = await self.queue.get()
        finally:
            self._is_awaited = False
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
            self._unparsed = self._unparsed[self._parse_next(self._unparsed) :]
        if self._unparsed and self._wants_more:
            self._later = self.loop.call_later(REST_S if self.close_sent else 0, self._parse)
        self._read_if_due()

    def _parse_next(self, data: bytes | memoryview) -> int:
        """Handle the text at the beginning of `data`, or else give the next piece to the parser; return its length."""
        return self._take_text(data) or self._parse_piece(bytes(data[:PIECE_BYTES]))

    def _parse_piece(self, piece: bytes) -> int:
        self._unframed += len(piece)
        is_paused, self.read_paused = self.read_paused, True  # so that uvicorn does not stop reading at a message
        super().data_received(piece)
        self.read_paused = is_paused
        return len(piece)

    def _take_text(self, data: bytes | memoryview) -> int:
        """Handle the text at the beginning of `data` and return the length of its frame.

        Returns 0 if that is not a whole text in a single frame of up to 64 KiB, or not valid: the parser decides then.
        """
        if self._unframed or len(data) < _LONG_HEADER_BYTES or data[0] != _WHOLE_TEXT:
            return 0
        length, start = data[1] - _MASKED, _HEADER_BYTES
        if length == _LONG:
            length, start = int.from_bytes(data[2:4]), _LONG_HEADER_BYTES
        elif not 0 <= length < _LONG:
            return 0
        end = start + length
        if len(data) < end or self.frames or self.conn.state is not State.OPEN:
            return 0
        try:
            text = apply_mask(data[start:end], bytes(data[start - 4 : start])).decode()
        except UnicodeDecodeError:
            return 0
        if not (self._listener and self._is_awaited and self.queue.empty() and self._listener(text)):
            self.queue.put_nowait({"type": "websocket.receive", "text": text})
        return end

    def _read_if_due(self) -> None:
        is_due = not self._unparsed and not self.transport.is_closing()
        if is_due and self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        elif not is_due and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()


def _size(frame: Frame) -> int:
    """Return the bytes of a client's frame. Too few if its length is written longer than necessary."""
    length = len(frame.data)
    header = _HEADER_BYTES if length < _LONG else _LONG_HEADER_BYTES if length < 1 << 16 else _LONGEST_HEADER_BYTES
    return header + length
