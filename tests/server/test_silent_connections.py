"""Connections on which no request comes, or only a part of its headers, are closed; others are left alone."""

import asyncio
import json
from collections.abc import Generator
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect

from rest import HalfRequest
from serving import RunningServer, serving
from streamsrv.http import connection
from streamsrv.testing.fakes import fake_engines

PATIENCE_S = 20
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
PART = b"GET /healthz HTTP/1.1\r\nHost: 127."
CHAT = json.dumps({"model": "any", "messages": [{"role": "user", "content": "Hello!"}]}).encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Generator[RunningServer]:
    monkeypatch.setattr(connection, "HEADER_S", 0.3)
    with serving(fake_engines()) as running:
        yield running


async def closes(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        return await reader.read(1) == b""


async def answered(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line.split()[1] for line in head.splitlines() if line.lower().startswith(b"content-length"))
        await reader.readexactly(int(length))


async def open_to(server: RunningServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.port)


@pytest.mark.parametrize("sent", [b"", b"G", PART])
async def test_a_connection_without_a_whole_request_is_closed(server: RunningServer, sent: bytes):
    reader, writer = await open_to(server)
    writer.write(sent)
    assert await closes(reader)
    writer.close()


async def test_so_is_one_whose_second_request_stays_a_part(server: RunningServer):
    reader, writer = await open_to(server)
    writer.write(WHOLE)
    await answered(reader)
    writer.write(PART)
    assert await closes(reader)
    writer.close()


async def test_a_byte_now_and_then_gives_no_more_time(server: RunningServer):
    reader, writer = await open_to(server)
    writer.write(PART)
    async with asyncio.timeout(PATIENCE_S):
        while not reader.at_eof():
            with suppress(TimeoutError, ConnectionError):
                writer.write(b"1")
                async with asyncio.timeout(0.1):
                    await reader.read(1)
    writer.close()


async def test_what_goes_on_is_left_alone(server: RunningServer):
    kept, idle = await open_to(server)
    idle.write(WHOLE)
    await answered(kept)
    uploading = await HalfRequest.begin(server, "/chat/completions", len(CHAT), "Content-Type: application/json")
    async with connect(server.realtime_url) as session:
        await session.recv()
        silent, writer = await open_to(server)
        assert await closes(silent)  # the others have been open for longer
        writer.close()
        await session.send('{"type": "input_audio_buffer.clear"}')
        assert json.loads(await session.recv())["type"] == "input_audio_buffer.cleared"
    await uploading.send(CHAT)
    assert await uploading.status() == 200
    uploading.leave()
    idle.write(WHOLE)
    await answered(kept)
    idle.close()
