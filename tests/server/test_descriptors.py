"""A server whose file descriptors run out refuses what it cannot do, keeps what goes on, and recovers."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Generator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from rest import form, quiet, wav

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in Linux's /proc")

PATIENCE_S = 20
SDP = f"""v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
m=audio 9 UDP/TLS/RTP/SAVPF 96
a=rtpmap:96 opus/48000/2
a=rtcp-mux
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=setup:actpass
a=fingerprint:sha-256 {":".join(["00"] * 32)}
"""
JSON = {"Content-Type": "application/json"}
SPEECH = ("/v1/audio/speech", json.dumps({"model": "tone", "voice": "tone", "input": "hello"}), JSON)
CALL = ("/v1/realtime/calls", SDP, {"Content-Type": "application/sdp"})


class LimitedServer:
    """The process, and one HTTP connection that is kept."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self.port = int(self._stdout.readline())
        self._kept = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        assert self.ask("GET", "/healthz") == 200

    def limit(self, more: int) -> None:
        """Leave room for so many descriptors."""
        print(more, file=self._stdin, flush=True)
        assert self._stdout.readline() == "ok\n"

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> int:
        """The status of the answer.

        The server closes the connection after an early answer to an upload. Another one is refused until that has given
        its descriptor back.
        """
        give_up_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._kept.request(method, path, body, headers or {})
                response = self._kept.getresponse()
                response.read()
                return response.status
            except ConnectionError:
                self._kept.close()
                if time.monotonic() > give_up_s:
                    raise

    def post(self, path: str, body: Any, headers: dict[str, str]) -> int:
        return self.ask("POST", path, body, headers)

    @property
    def realtime_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime"


@pytest.fixture
def server() -> Generator[LimitedServer]:
    command = [sys.executable, str(Path(__file__).parents[1] / "limited_server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield LimitedServer(process)
        finally:
            process.terminate()


async def open_until_refused(server: LimitedServer) -> list[ClientConnection]:
    """Open sessions until there is no descriptor left for one more."""
    opened: list[ClientConnection] = []
    while True:
        try:
            session = await connect(server.realtime_url)
            await session.recv()
            opened.append(session)
        except (InvalidMessage, InvalidStatus, HTTPException, OSError):
            return opened


async def works(session: ClientConnection) -> bool:
    await session.send(json.dumps({"type": "session.update", "session": {"type": "realtime", "instructions": "x"}}))
    async with asyncio.timeout(PATIENCE_S):
        return json.loads(await session.recv())["type"] == "session.updated"


def upload(duration_ms: int) -> tuple[str, bytes, dict[str, str]]:
    """A recording; more than 1 MB is spooled to disk."""
    body, content_type = form(("model", "whisper-1"), file=wav(quiet(duration_ms)))
    return "/v1/audio/transcriptions", body, {"Content-Type": content_type}


async def test_sessions_go_on_and_new_ones_come_when_there_is_room(server: LimitedServer) -> None:
    async with connect(server.realtime_url) as first:
        await first.recv()
        server.limit(8)
        for _ in range(3):
            opened = await open_until_refused(server)
            assert opened
            assert await works(first)
            assert await works(opened[-1])
            for session in opened:
                await session.close()
        assert server.ask("GET", "/healthz") == 200


async def test_requests_are_answered_and_everything_works_again(server: LimitedServer) -> None:
    async with connect(server.realtime_url) as first:
        await first.recv()
        server.limit(8)
        opened = await open_until_refused(server)
        for _ in range(2):
            assert server.ask("GET", "/v1/streamsrv/capabilities") == 200
            assert server.post(*CALL) in (501, 503)
            assert server.post(*SPEECH) in (200, 503)
            assert server.post(*upload(500)) in (200, 503)
            assert server.post(*upload(60_000)) in (200, 503)
            assert server.ask("GET", "/healthz") == 200
        assert await works(first)
        for session in opened:
            await session.close()
        server.limit(100)
        assert server.post(*CALL) in (201, 501)
        assert server.post(*SPEECH) == 200
        assert server.post(*upload(60_000)) == 200
        assert await works(first)
