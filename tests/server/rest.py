"""A bare HTTP client: sends bytes, reads everything, hides nothing."""

import asyncio
import io
import json
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving import RunningServer

PATIENCE_S = 20
RATE = 16_000


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]

    @property
    def events(self) -> list[Any]:
        """The data of server-sent events: decoded JSON, or text that is none."""
        lines = self.body.decode().split("\n\n")
        assert lines.pop() == "", "every event ends with an empty line"
        data = [line.removeprefix("data: ") for line in lines]
        return [json.loads(text) if text.startswith("{") else text for text in data]


async def ask(
    server: RunningServer,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] = b"",
    headers: dict[str, str] | None = None,
    below: str = "/v1",
) -> Answer:
    """One request on a connection of its own; `path` is `below` this one."""

    def exchange() -> Answer:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        try:
            connection.request(method, f"{below}{path}", body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    return await asyncio.to_thread(exchange)


async def post_json(server: RunningServer, path: str, fields: object, headers: dict[str, str] | None = None) -> Answer:
    return await ask(server, "POST", path, json.dumps(fields).encode(), headers)


async def post_form(
    server: RunningServer, path: str, *fields: tuple[str, str], file: bytes | None = None, name: str = "file"
) -> Answer:
    body, content_type = form(*fields, file=file, name=name)
    return await ask(server, "POST", path, body, {"Content-Type": content_type})


def form(*fields: tuple[str, str], file: bytes | None = None, name: str = "file") -> tuple[bytes, str]:
    """A `multipart/form-data` body and its content type."""
    parts = [
        f'--cut\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields
    ]
    if file is not None:
        head = f'--cut\r\nContent-Disposition: form-data; name="{name}"; filename="sound"\r\n\r\n'
        parts.append(head.encode() + file + b"\r\n")
    return b"".join(parts) + b"--cut--\r\n", "multipart/form-data; boundary=cut"


def loud(duration_ms: int) -> NDArray[np.int16]:
    """What the fake voice detector takes for speech."""
    return (8000 * np.sin(np.arange(duration_ms * RATE // 1000) * 0.1)).astype(np.int16)


def quiet(duration_ms: int) -> NDArray[np.int16]:
    return np.zeros(duration_ms * RATE // 1000, np.int16)


def wav(*pieces: NDArray[np.int16]) -> bytes:
    """Mono 16 kHz audio as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(np.concatenate(pieces).astype("<i2").tobytes())
    return file.getvalue()


class HalfRequest:
    """A POST whose client controls what it sends and when it leaves."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    async def begin(cls, server: RunningServer, path: str, length: int, *headers: str) -> "HalfRequest":
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        lines = [f"POST /v1{path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Content-Length: {length}", *headers]
        request = cls(reader, writer)
        await request.send("\r\n".join([*lines, "", ""]).encode())
        return request

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def status(self) -> int:
        """Of the answer, as soon as it begins."""
        async with asyncio.timeout(PATIENCE_S):
            return int((await self.reader.readline()).split()[1])

    def leave(self) -> None:
        self._writer.transport.abort()


async def without_requests(server: RunningServer) -> None:
    """Until the last request is gone; fails after 20 s."""
    async with asyncio.timeout(PATIENCE_S):
        while server.app.state.exchanges.going_on:
            await server.tasks()
