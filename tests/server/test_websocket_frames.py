"""Texts that skip the parser mean what they would mean to it, however the client's data is cut."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame, Opcode

from streamsrv.transports.websocket_protocol import EXTENSION, WebSocketProtocol

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MAX_BYTES = 100_000


def frame(opcode: Opcode, data: bytes | str, fin: bool = True) -> bytes:
    payload = data.encode() if isinstance(data, str) else data
    return Frame(opcode, payload, fin).serialize(mask=True)


def text(data: str) -> bytes:
    return frame(Opcode.TEXT, data)


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_reading = True
        self._is_closing = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


class Connection:
    """A connection to an application that records the messages it gets, and how it got each."""

    def __init__(self, takes: Callable[[str], bool] | None) -> None:
        self.received: list[str | bytes] = []
        self.taken: list[str] = []
        self.end: dict[str, Any] | None = None
        self.may_receive = asyncio.Event()
        self.may_receive.set()
        self.transport = Transport()
        self._takes = takes
        config = uvicorn.Config(
            self._serve, interface="asgi3", ws_max_size=MAX_BYTES, ws_per_message_deflate=False, log_level="critical"
        )
        config.load()
        self.protocol = WebSocketProtocol(config=config, server_state=ServerState(), app_state={})
        self.protocol.connection_made(self.transport)

    async def __aenter__(self) -> Self:
        self.protocol.data_received(UPGRADE)
        await self.settle()
        assert b" 101 " in self.transport.written
        self.transport.written = b""
        return self

    async def __aexit__(self, *_: object) -> None:
        self.protocol.connection_lost(None)
        await self.settle()

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            if not self.transport.is_closing():
                self.protocol.data_received(piece)
            await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if self._takes is not None:
            scope["extensions"][EXTENSION]["listen"](self._take)
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await self.may_receive.wait()
            self.received.append(message["text"] if "text" in message else message["bytes"])
        self.end = message

    def _take(self, received: str) -> bool:
        assert self._takes is not None
        if not self._takes(received):
            return False
        self.taken.append(received)
        self.received.append(received)
        return True


STREAMS: dict[str, tuple[bytes, list[str | bytes]]] = {
    "texts of every kind of length": (
        b"".join(text("ü" + "x" * length) for length in (0, 121, 123, 124, 2000)),
        ["ü" + "x" * length for length in (0, 121, 123, 124, 2000)],
    ),
    "an empty text": (text("") + text("and more"), ["", "and more"]),
    "binary messages between texts": (
        text("first one") + frame(Opcode.BINARY, b"\x81\xfe\0\x05") + text("second one"),
        ["first one", b"\x81\xfe\0\x05", "second one"],
    ),
    "pings and pongs between texts": (
        text("first one") + frame(Opcode.PING, "are you") + frame(Opcode.PONG, "") + text("second one"),
        ["first one", "second one"],
    ),
    "a text in fragments, with a ping in it": (
        text("before it")
        + frame(Opcode.TEXT, "in ", fin=False)
        + frame(Opcode.PING, "")
        + frame(Opcode.CONT, "", fin=False)
        + frame(Opcode.CONT, "pieces")
        + text("behind it"),
        ["before it", "in pieces", "behind it"],
    ),
    "a length written longer than necessary": (
        b"\x81\xff" + (9).to_bytes(8) + bytes(4) + b"long form" + text("as usual"),
        ["long form", "as usual"],
    ),
    "a text that looks like frames": (text("\x81\x85aaaa" * 9) + text("the next"), ["\x81\x85aaaa" * 9, "the next"]),
}


@pytest.mark.parametrize("takes", [None, lambda _: True, lambda _: False, lambda heard: len(heard) % 2 == 0])
@pytest.mark.parametrize("sent", STREAMS.values(), ids=STREAMS)
async def test_the_same_messages_arrive_however_the_data_is_cut(
    sent: tuple[bytes, list[str | bytes]], takes: Callable[[str], bool] | None
):
    data, messages = sent
    cuts = [*range(min(len(data), 140)), len(data) - 1]
    for cut in cuts:
        async with Connection(takes) as connection:
            await connection.send(data[:cut], data[cut:])
            assert connection.received == messages, f"cut at {cut}"


@pytest.mark.parametrize("sent", STREAMS.values(), ids=STREAMS)
async def test_the_same_messages_arrive_byte_by_byte(sent: tuple[bytes, list[str | bytes]]):
    data, messages = sent
    async with Connection(lambda _: True) as connection:
        await connection.send(*(data[at : at + 1] for at in range(len(data))))
        assert connection.received == messages


async def test_a_whole_text_is_taken_in_the_call_and_one_in_pieces_is_received():
    async with Connection(lambda _: True) as connection:
        await connection.send(text("all at once"))
        assert connection.taken == ["all at once"]
        halves = text("in two halves")
        await connection.send(halves[:9], halves[9:])
        assert connection.taken == ["all at once"]
        await connection.send(text("at once again"))
        assert connection.received == ["all at once", "in two halves", "at once again"]
        assert connection.taken == ["all at once", "at once again"]


async def test_nothing_is_taken_before_what_came_earlier_is_received():
    async with Connection(lambda heard: heard != "not this") as connection:
        connection.may_receive.clear()
        await connection.send(text("not this"), text("but these"), text("and more"))
        assert connection.received == []
        assert not connection.transport.is_reading
        connection.may_receive.set()
        await connection.settle()
        assert connection.received == ["not this", "but these", "and more"]
        assert connection.taken == []
        assert connection.transport.is_reading


BAD: dict[str, tuple[bytes, CloseCode]] = {
    "not UTF-8": (frame(Opcode.TEXT, b"not UTF-8: \xff"), CloseCode.INVALID_DATA),
    "not masked": (Frame(Opcode.TEXT, b"not masked").serialize(mask=False), CloseCode.PROTOCOL_ERROR),
    "reserved bit": (bytes([0xC1]) + text("reserved bit")[1:], CloseCode.PROTOCOL_ERROR),
    "unknown opcode": (bytes([0x83]) + text("unknown opcode")[1:], CloseCode.PROTOCOL_ERROR),
    "continues nothing": (frame(Opcode.CONT, "continues nothing"), CloseCode.PROTOCOL_ERROR),
    "in the middle of another message": (
        frame(Opcode.TEXT, "begins", fin=False) + text("another one"),
        CloseCode.PROTOCOL_ERROR,
    ),
    "too long": (b"\x81\xff" + (MAX_BYTES + 1).to_bytes(8) + bytes(4), CloseCode.MESSAGE_TOO_BIG),
    "too long in fragments": (
        frame(Opcode.TEXT, "x" * MAX_BYTES, fin=False) + frame(Opcode.CONT, "y"),
        CloseCode.MESSAGE_TOO_BIG,
    ),
}


@pytest.mark.parametrize(("data", "code"), BAD.values(), ids=BAD)
async def test_a_bad_frame_closes_the_connection_with_its_code(data: bytes, code: CloseCode):
    async with Connection(lambda _: True) as connection:
        await connection.send(text("a good one"), data)
        for _ in range(200):  # a long frame is parsed in pieces, with other work between them
            await connection.settle()
        await connection.send(text("too late"))
        assert connection.received == ["a good one"]
        assert connection.transport.is_closing()
        assert connection.end is not None
        assert connection.end["code"] == code
        assert connection.transport.written[:1] == b"\x88"
        assert int.from_bytes(connection.transport.written[2:4]) == code


async def test_nothing_is_taken_behind_the_close_frame_of_the_client():
    async with Connection(lambda _: True) as connection:
        await connection.send(text("a good one") + frame(Opcode.CLOSE, (1000).to_bytes(2)) + text("too late"))
        assert connection.received == ["a good one"]
        assert connection.end == {"type": "websocket.disconnect", "code": 1000, "reason": ""}


async def test_a_text_of_an_event_is_not_changed():
    event = json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA" * 400})
    async with Connection(lambda _: True) as connection:
        await connection.send(text(event))
        assert connection.taken == [event]
