"""HTTP connections: slow and endless bodies, HTTP/1.0, streams through proxies, and requests in progress at the end."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rest import HalfRequest, ask, form, loud, post_json, wav, without_requests
from serving import RunningServer, serving
from streamsrv import server as server_module
from streamsrv.audio import files
from streamsrv.http import exchange, request_body
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines

CHAT = {"model": "any", "messages": [{"role": "user", "content": "Hello!"}]}
BODY = json.dumps(CHAT).encode()
UPLOAD = "Content-Type: multipart/form-data; boundary=cut"


@pytest.fixture
def server():
    with serving(fake_engines(), max_requests=2) as running:
        yield running


async def until(server: RunningServer, is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await server.tasks()


# --- bodies -----------------------------------------------------------------------------------------------------------


async def test_slow_bodies_take_no_places(server: RunningServer):
    slow = [await HalfRequest.begin(server, "/audio/transcriptions", 1000, UPLOAD) for _ in range(6)]
    await until(server, lambda: len(server.app.state.exchanges.unread) == 6)
    assert (await post_json(server, "/chat/completions", CHAT)).status == 200
    for request in slow:
        request.leave()
    await without_requests(server)


async def test_more_slow_bodies_than_are_allowed_are_refused(server: RunningServer):
    most = server.app.state.exchanges.max_unread
    slow = [await HalfRequest.begin(server, "/chat/completions", 1000) for _ in range(most)]
    await until(server, lambda: len(server.app.state.exchanges.unread) == most)
    refused = await post_json(server, "/chat/completions", CHAT)
    assert (refused.status, refused.error["code"]) == (503, "request_limit_reached")
    for request in slow:
        request.leave()
    await without_requests(server)
    assert (await post_json(server, "/chat/completions", CHAT)).status == 200


async def test_a_body_that_trickles_is_given_up(server: RunningServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(request_body, "PATIENCE_S", 0.4)
    monkeypatch.setattr(exchange, "LINGER_S", 0.0)
    request = await HalfRequest.begin(server, "/chat/completions", 1000)
    answer = asyncio.create_task(request.status())
    started = time.monotonic()
    while not answer.done():
        await request.send(b" ")  # never silent for as long as the patience
        await asyncio.wait([answer], timeout=0.1)
    assert answer.result() == 408
    assert time.monotonic() - started < 5
    request.leave()


async def test_a_body_is_given_the_time_that_its_length_takes(server: RunningServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(request_body, "PATIENCE_S", 0.3)
    body = BODY + b" " * 32 * 1024
    request = await HalfRequest.begin(server, "/chat/completions", len(body))
    for start in range(0, len(body), len(body) // 6):
        await request.send(body[start : start + len(body) // 6])
        await asyncio.sleep(0.1)  # in all longer than the patience, but never slower than the slowest rate
    assert await request.status() == 200
    request.leave()


async def test_a_client_that_sends_on_after_its_refusal_is_cut_off(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(exchange, "LINGER_BYTES", 1024 * 1024)
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b"[" * 0x10000 + b"\r\n"
    sent = 0
    with pytest.raises(ConnectionError):
        while sent < 200_000_000:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
    assert sent < 50_000_000
    writer.transport.abort()


async def test_garbage_in_the_middle_of_an_answer_closes_the_connection(
    server: RunningServer, caplog: pytest.LogCaptureFixture
):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /no-such-path HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    assert (await reader.readline()).split()[1] == b"404"
    writer.write(b"this is no chunk\r\n" * 3)
    async with asyncio.timeout(20):
        await reader.read()
    writer.close()
    assert not [record for record in caplog.records if record.exc_info]


async def test_endless_headers_are_refused(server: RunningServer):
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\n")
    with pytest.raises(ConnectionError):
        for _ in range(100_000):
            writer.write(b"x-filler: " + b"a" * 1000 + b"\r\n")
            await writer.drain()
    writer.transport.abort()


async def test_the_connection_of_an_early_answer_is_closed(server: RunningServer):
    pieces = (b"[" * 1_000_000 for _ in range(6))
    answer = await ask(server, "POST", "/chat/completions", pieces)
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    refused = await ask(server, "POST", "/no-such-path", b"{}")
    assert (refused.status, refused.headers["connection"]) == (404, "close")
    assert "connection" not in (await post_json(server, "/chat/completions", CHAT)).headers


async def test_a_client_behind_a_proxy_is_answered_once_its_body_is_read(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
):
    """A proxy that gets an answer in the middle of a body may reset the connection of its client."""
    answer = await ask(server, "POST", "/no-such-path", b"{}", {"X-Forwarded-For": "127.0.0.1"})
    assert (answer.status, "connection" in answer.headers) == (404, False), "no early answer, so no close"
    for linger_s, headers in ((60.0, ["Expect: 100-continue"]), (0.1, [])):
        monkeypatch.setattr(exchange, "LINGER_S", linger_s)
        request = await HalfRequest.begin(server, "/no-such-path", 4, "X-Forwarded-For: 127.0.0.1", *headers)
        assert await request.status() == 404, "at once if the client waits for leave to send, else within the bounds"
        request.leave()


async def test_decoding_ends_with_its_client(server: RunningServer, monkeypatch: pytest.MonkeyPatch):
    decoding = asyncio.Event()
    cancelled: list[bool] = []
    loop = asyncio.get_running_loop()

    def endless(file: object, rate: int, most: float, is_cancelled: Callable[[], bool]) -> np.ndarray:
        loop.call_soon_threadsafe(decoding.set)
        while not is_cancelled():
            time.sleep(0.001)
        cancelled.append(True)
        return np.zeros(1, np.int16)

    monkeypatch.setattr("streamsrv.http.uploaded_audio.read_audio", endless)
    body, content_type = form(file=wav(loud(100)))
    request = await HalfRequest.begin(server, "/audio/transcriptions", len(body), f"Content-Type: {content_type}")
    await request.send(body)
    await decoding.wait()
    request.leave()
    await without_requests(server)
    assert cancelled == [True]
    assert files.read_audio is not endless


# --- HTTP/1.0 and proxies ---------------------------------------------------------------------------------------------


async def exchange_raw(server: RunningServer, request: bytes) -> tuple[bytes, bytes]:
    """Head and body of the answer, up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.lower(), body


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/audio/speech", {"input": "Hello.", "response_format": "pcm"}),
        ("/chat/completions", {**CHAT, "stream": True}),
    ],
)
async def test_an_http_1_0_client_gets_no_chunks(server: RunningServer, path: str, fields: dict[str, Any]):
    body = json.dumps(fields).encode()
    head, answer = await exchange_raw(
        server,
        f"POST /v1{path} HTTP/1.0\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body,
    )
    assert b"transfer-encoding" not in head
    assert answer == (await post_json(server, path, fields)).body or answer.endswith(b"data: [DONE]\n\n")
    assert answer.startswith(b"data: {") or path == "/audio/speech"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/audio/speech", {"input": "Hello."}),
        ("/audio/speech", {"input": "Hello.", "stream_format": "sse"}),
        ("/chat/completions", {**CHAT, "stream": True}),
    ],
)
async def test_proxies_are_told_to_pass_streams_on_at_once(server: RunningServer, path: str, fields: dict[str, Any]):
    headers = (await post_json(server, path, fields)).headers
    assert headers["x-accel-buffering"] == "no"
    assert "no-transform" in headers["cache-control"]


async def test_proxies_are_told_to_pass_transcripts_on_at_once(server: RunningServer):
    body, content_type = form(("stream", "true"), file=wav(loud(500)))
    answer = await ask(server, "POST", "/audio/transcriptions", body, {"Content-Type": content_type})
    assert answer.headers["x-accel-buffering"] == "no"


# --- shutdown ---------------------------------------------------------------------------------------------------------


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert not [record for record in caplog.records if record.exc_info], "no traceback"
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_stalled_upload_is_told_that_the_server_stops(caplog: pytest.LogCaptureFixture):
    with serving(fake_engines()) as server:
        request = await HalfRequest.begin(server, "/audio/transcriptions", 1000, UPLOAD)
        await until(server, lambda: server.app.state.exchanges.unread)
        answer = asyncio.create_task(request.status())
        await asyncio.sleep(0)
        started = time.monotonic()
        await asyncio.to_thread(server.stop)
        assert await answer == 503
    assert time.monotonic() - started < 3
    assert messages(caplog) == ["requests in progress that the shutdown ended: 1"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_does_not_end_is_ended(
    stream: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server_module, "GRACE_S", 0.2)
    chat = ScriptedChatModel("One two.")
    chat.hold = asyncio.Event()  # never set: the answer does not end by itself
    with serving(fake_engines(chat)) as server:
        body = json.dumps({**CHAT, "stream": stream}).encode()
        request = await HalfRequest.begin(server, "/chat/completions", len(body))
        await request.send(body)
        await until(server, lambda: chat.asked)
        status = asyncio.create_task(request.status())
        if stream:
            assert await status == 200
        await asyncio.to_thread(server.stop)
        assert await status == (200 if stream else 503)
        rest = await request.reader.read()
        assert (b"server_shutting_down" in rest) is not stream
        assert not rest.endswith(b"0\r\n\r\n"), "a cut is told from the end"
    assert chat.cancelled == 1
    assert messages(caplog) == ["requests in progress that the shutdown ended: 1"]


async def test_an_answer_that_ends_soon_is_given_whole(caplog: pytest.LogCaptureFixture):
    chat = ScriptedChatModel("One two.")
    chat.hold = asyncio.Event()
    with serving(fake_engines(chat)) as server:
        answer = asyncio.create_task(post_json(server, "/chat/completions", CHAT))
        await until(server, lambda: chat.asked)
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        server.loop.call_soon_threadsafe(chat.hold.set)
        assert (await answer).json["choices"][0]["message"]["content"] == "One two."
        await stopping
    assert messages(caplog) == []
