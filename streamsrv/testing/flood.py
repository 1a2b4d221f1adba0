"""A WebSocket client that sends without pause, to test how much it slows other sessions down."""

import base64
import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

SEGMENT_BYTES = 1 << 20
"""Bytes of frames that are sent with one call, so that a server reads many frames at once."""
LONG_TEXT = "A rather long sentence. " * 8000


@dataclass(frozen=True, slots=True)
class FloodKind:
    """The events of a flood: `first` are sent once, `repeated` in a loop."""

    name: str
    first: tuple[str, ...]
    repeated: Callable[[], Sequence[str]]


def flood_kinds() -> list[FloodKind]:
    """Return each kind of flood with which a client of the Realtime protocol can keep a server busy."""
    item = {"id": "long", "type": "message", "role": "user", "content": [{"type": "input_text", "text": LONG_TEXT}]}
    create = json.dumps({"type": "conversation.item.create", "item": item})
    return [
        FloodKind("malformed", (), lambda: ['{"type":2}'] * 1000),
        FloodKind("tiny", (), lambda: ['{"type":"input_audio_buffer.clear"}'] * 1000),
        FloodKind("retrieve", (create,), lambda: ['{"type":"conversation.item.retrieve","item_id":"long"}'] * 1000),
        FloodKind("short audio", (), lambda: [_append(bytes(960))] * 1000),
        FloodKind("16 MiB of audio", (), lambda: [_append(bytes(11_500_000))]),
        FloodKind("16 MiB of values", (), lambda: [_update("{}," * 5_000_000 + "{}")]),
        FloodKind("16 MiB of text", (), lambda: [json.dumps({"type": 2, "text": "x" * 16_000_000})]),
    ]


class Flood:
    """Connects to `host:port` and sends the events of a kind from `start` until `stop` or until it is disconnected.

    Reads and discards everything that the server sends. Its threads need little CPU time, which the server needs.
    """

    def __init__(self, host: str, port: int, kind: FloodKind) -> None:
        self._kind = kind
        self._socket = socket.create_connection((host, port))
        self._open()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._receive)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()

    def _open(self) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        host, port = self._socket.getpeername()[:2]
        lines = [
            "GET /v1/realtime HTTP/1.1",
            f"Host: {host}:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            if not (piece := self._socket.recv(4096)):
                raise ConnectionError("the server did not answer")
            answer += piece
        if b" 101 " not in answer.split(b"\r\n", 1)[0]:
            raise ConnectionError(answer.decode(errors="replace"))

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(b"".join(map(_frame, self._kind.first)))
            frames = b"".join(map(_frame, self._kind.repeated()))
            for segment in cycle(_segments(frames)):
                self._socket.sendall(segment)

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket.recv(SEGMENT_BYTES):
                pass


def _segments(frames: bytes) -> Iterator[memoryview]:
    for start in range(0, len(frames), SEGMENT_BYTES):
        yield memoryview(frames)[start : start + SEGMENT_BYTES]


def _frame(text: str) -> bytes:
    """Return a text frame, masked with zeros: clients must mask their frames."""
    payload = text.encode()
    length = len(payload)
    if length < 126:
        header = struct.pack("!BB", 0x81, 0x80 | length)
    elif length < 1 << 16:
        header = struct.pack("!BBH", 0x81, 0x80 | 126, length)
    else:
        header = struct.pack("!BBQ", 0x81, 0x80 | 127, length)
    return header + bytes(4) + payload


def _append(pcm: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})


def _update(values: str) -> str:
    return f'{{"type":"session.update","session":{{"type":"realtime","tools":[{values}]}}}}'
