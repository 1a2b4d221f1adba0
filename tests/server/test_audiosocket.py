"""Calls over AudioSocket on the real server, with fake engines and a peer that speaks the published framing.

Asterisk itself is not in Debian 12, so no test has tried it.
"""

import asyncio
import re
import tomllib
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest

from serving import RunningServer, serving
from streamsrv.settings import Settings
from streamsrv.testing.fakes import fake_engines
from streamsrv.transports.telephony import audiosocket_server

PATIENCE_S = 20
DIALPLAN = Path(__file__).resolve().parents[2] / "deploy/asterisk/extensions.conf"
NUMBERS = [
    {"numbers": ["+492"], "greeting": "Hello, this is the desk.", "name": "desk"},
    {"numbers": ["*"], "providers": ["audiosocket"], "greeting": "Hello.", "name": "any"},
]
TONE = (8000 * np.sin(np.arange(160) * 0.3)).astype("<i2").tobytes()


class Peer:
    """The end of a connection that Asterisk has: writes and reads the bytes of the published messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, kind: int, payload: bytes = b"") -> None:
        self._writer.write(bytes([kind]) + len(payload).to_bytes(2, "big") + payload)

    def name(self, call_id: UUID) -> None:
        self.send(0x01, call_id.bytes)

    async def receive(self) -> tuple[int, bytes] | None:
        """The next message; None at the end of the connection."""
        try:
            header = await self._reader.readexactly(3)
            return header[0], await self._reader.readexactly(int.from_bytes(header[1:], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def until(self, kind: int) -> bytes:
        while (message := await self.receive()) is not None:
            if message[0] == kind:
                return message[1]
        raise AssertionError(f"the connection ended without a message of kind {kind:#04x}")

    async def ended(self) -> list[int]:
        """The kinds of all messages up to the end of the connection."""
        kinds: list[int] = []
        while (message := await self.receive()) is not None:
            kinds.append(message[0])
        return kinds


@contextmanager
def served(**settings: Any) -> Generator[RunningServer]:
    with serving(fake_engines(), phone_number=NUMBERS, audiosocket_port=0, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def server() -> Generator[RunningServer]:
    with served() as running:
        yield running


@asynccontextmanager
async def connected(server: RunningServer) -> AsyncGenerator[Peer]:
    port = server.app.state.audiosocket.port
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Peer(reader, writer)
        finally:
            writer.transport.abort()
    await server.without_sessions()


async def test_a_call_is_greeted_in_frames_of_20_ms(server: RunningServer):
    async with connected(server) as peer:
        peer.name(uuid4())
        peer.send(0x10, TONE * 2)
        assert len(await peer.until(0x10)) == 320
        peer.send(0x03, b"5")
        peer.send(0x00)
        assert 0x00 not in await peer.ended()


async def test_the_rate_is_that_of_the_first_audio(server: RunningServer):
    async with connected(server) as peer:
        peer.name(uuid4())
        peer.send(0x12, TONE * 4)
        assert len(await peer.until(0x12)) == 640
        peer.send(0x10, TONE * 2)  # Asterisk changed the codec
        assert len(await peer.until(0x12)) == 640


async def test_without_audio_the_rate_is_the_usual_one(server: RunningServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audiosocket_server, "FIRST_AUDIO_S", 0.01)
    async with connected(server) as peer:
        peer.name(uuid4())
        assert len(await peer.until(0x10)) == 320


async def test_odd_messages_are_ignored(server: RunningServer):
    async with connected(server) as peer:
        peer.send(0x10, TONE)  # before the UUID
        peer.name(uuid4())
        for kind, payload in ((0x42, b"x"), (0x10, b"odd"), (0x03, b"?"), (0xFF, b"\x02"), (0x01, uuid4().bytes)):
            peer.send(kind, payload)
        peer.send(0x10, TONE * 2)
        await peer.until(0x10)


async def test_too_many_messages_that_cannot_be_read_end_the_call(server: RunningServer):
    async with connected(server) as peer:
        peer.name(uuid4())
        peer.send(0x10, TONE)
        for _ in range(60):
            peer.send(0x10, b"odd")
        await peer.ended()


async def test_a_call_is_connected_once(server: RunningServer):
    call = uuid4()
    async with connected(server) as first:
        first.name(call)
        first.send(0x10, TONE * 2)
        await first.until(0x10)
        async with connected_beside(server) as second:
            second.name(call)
            second.send(0x10, TONE * 2)
            assert await second.ended() == [0x00]
        await first.until(0x10)


@asynccontextmanager
async def connected_beside(server: RunningServer) -> AsyncGenerator[Peer]:
    """A connection while another call goes on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.app.state.audiosocket.port)
    yield Peer(reader, writer)
    writer.transport.abort()


@pytest.mark.parametrize("opening", [b"\x01\x00\x05short", b"GET / HTTP/1.1\r\n\r\n"], ids=["uuid", "http"])
async def test_a_connection_that_names_no_call_is_ended(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, opening: bytes
):
    monkeypatch.setattr(audiosocket_server, "START_S", 0.05)
    async with connected(server) as peer:
        peer._writer.write(opening)
        assert await peer.ended() == [0x00]


async def announced(server: RunningServer, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
        return await client.post(f"{server.http_url}/calls/audiosocket", **options)


async def test_a_fetched_uuid_says_who_calls_whom_and_is_good_for_one_call():
    with served(audiosocket_announced=True, api_keys="key") as server:
        key = {"authorization": "Bearer key"}
        response = await announced(server, data={"caller": "+491", "called": "+492"}, headers=key)
        assert (response.status_code, response.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        call = UUID(response.text)
        async with connected(server) as peer:
            peer.name(call)
            peer.send(0x10, TONE * 2)
            await peer.until(0x10)
            [live] = server.app.state.live_calls
            assert (live.agent.name, live.facts.called, live.facts.caller) == ("desk", "+492", "+491")
            assert live.facts.provider_call_id == str(call)
        for other in (call, uuid4()):
            async with connected(server) as peer:
                peer.name(other)
                peer.send(0x10, TONE * 2)
                assert await peer.ended() == [0x00]
        assert (await announced(server, data={"called": "+492"})).status_code == 401


async def test_a_call_is_announced_as_json_too_and_bad_fields_are_named(server: RunningServer):
    assert (await announced(server, json={"called": "+492"})).status_code == 200
    refused = await announced(server, json={"called": 5})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "called")
    assert (await announced(server, data={"to": "+492"})).status_code == 400
    assert (await announced(server, content=b"\xff=1")).status_code == 400
    assert (await announced(server, content=b"&".join([b"a=1"] * 50))).status_code == 400
    assert (await announced(server, content=bytes(100_000))).status_code == 413


async def test_without_a_port_there_are_no_calls_to_announce():
    with serving(fake_engines(), phone_number=NUMBERS) as server:
        assert server.app.state.audiosocket.port == 0
        assert (await announced(server, data={"called": "+492"})).status_code == 404


async def test_only_listed_peers_may_connect():
    with served(audiosocket_peers="192.0.2.0/24, 2001:db8::/32") as server:
        async with connected(server) as peer:
            peer.name(uuid4())
            assert await peer.ended() == []


@pytest.mark.parametrize("peers", ["everybody", "10.0.0.0/99", "10.0.0.1/8"])
def test_peers_that_are_none_are_refused(peers: str):
    with pytest.raises(ValueError, match="audiosocket_peers"):
        Settings(audiosocket_peers=peers)  # pyright: ignore[reportArgumentType]


async def test_the_recipe_for_asterisk_says_what_the_server_understands():
    dialplan, settings = DIALPLAN.read_text(), tomllib.loads(DIALPLAN.with_name("settings.toml").read_text())
    assert f"STREAMSRV_AUDIOSOCKET=127.0.0.1:{settings['audiosocket_port']}\n" in dialplan
    [posted] = re.findall(r"CURL\(\$\{STREAMSRV\}(/\S+?),(\S+)\)\}\)", dialplan)
    path, form = posted
    fields = re.sub(r"\$\{URIENCODE\(.*?\)\}(?=&|$)", "%2B492", form)
    with serving(fake_engines(), **settings | {"audiosocket_port": 0}) as server:
        async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
            address = server.http_url.removesuffix("/v1") + path
            headers = {"content-type": "application/x-www-form-urlencoded", "authorization": "Bearer none"}
            response = await client.post(address, content=fields, headers=headers)
        assert len(response.text) == 36, "which is how the dialplan knows a UUID from an error"
        assert str(UUID(response.text)) == response.text


async def test_a_stopped_server_ends_the_calls():
    with served() as server:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.app.state.audiosocket.port)
            peer = Peer(reader, writer)
            peer.name(uuid4())
            peer.send(0x10, TONE * 2)
            await peer.until(0x10)
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            assert 0x00 in await peer.ended()
            await stopping
            writer.close()
