"""Real calls over SIP on loopback: baresip and sipp call a server with fake engines."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phone_server import PhoneServer, phone_server
from sip_peers import HOST, WITHOUT_BARESIP, WITHOUT_SIPP, Baresip, free_port, has_baresip, has_sipp, run_sipp
from streamsrv.testing.fakes import fake_engines
from streamsrv.transports.telephony.sip.endpoint import SipEndpoint

pytestmark = pytest.mark.skipif(find_spec("baresip") is None, reason="needs pip install 'streamsrv[sip]'")
needs_sipp = pytest.mark.skipif(not has_sipp(), reason=WITHOUT_SIPP)
needs_baresip = pytest.mark.skipif(not has_baresip(), reason=WITHOUT_BARESIP)
PATIENCE_S = 20
DESK = {"numbers": ["100"], "greeting": "Hello.", "silence_ms": 0, "waiting_after_ms": 0}


@asynccontextmanager
async def sip_server(**fields: Any) -> AsyncGenerator[tuple[PhoneServer, SipEndpoint, int]]:
    """A server, its endpoint and the port for SIP; all calls are over in the end."""
    port = free_port()
    table = {"port": port, "rtp_ports": "30000-31999"} | fields
    async with phone_server(fake_engines(), sip_endpoint=[table], phone_number=[DESK]) as server:
        endpoint: SipEndpoint = server.app.state.sip_endpoint
        yield server, endpoint, port
        await until(lambda: not len(endpoint))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


@needs_sipp
async def test_calls_are_answered_and_hung_up_by_the_caller_and_none_is_left_over() -> None:
    async with sip_server() as (server, endpoint, port):
        status, output = await run_sipp(port, "-sn", "uac", "-s", "100", "-m", "8", "-r", "20", "-d", "200")
        assert status == 0, output
        await until(lambda: not len(endpoint) and not len(server.app.state.phone_calls))


@needs_sipp
async def test_a_number_that_nobody_answers_is_busy() -> None:
    async with sip_server() as (_, endpoint, port):
        status, output = await run_sipp(port, "-sn", "uac", "-s", "555", "-m", "1")
        assert status != 0
        assert "486" in output
        assert not len(endpoint)


@needs_baresip
@pytest.mark.parametrize(
    "codec", ["G722", pytest.param("PCMU", marks=pytest.mark.slow), pytest.param("PCMA", marks=pytest.mark.slow)]
)
async def test_a_softphone_hears_the_greeting(tmp_path: Path, codec: str) -> None:
    async with sip_server() as (server, endpoint, port):
        phone = Baresip(tmp_path, np.zeros(8000, np.int16), f";audio_codecs={codec}")
        calling = asyncio.ensure_future(phone.call(f"sip:100@{HOST}:{port}", 1))
        await until(lambda: len(server.app.state.live_calls) == 1)
        said = await calling
        assert "Call established" in said, said
        assert np.abs(phone.heard().astype(np.int32)).max() > 1000
        await until(lambda: not len(endpoint))


@needs_sipp
async def test_calls_of_strangers_are_rejected() -> None:
    async with sip_server(peers=["10.0.0.0/8"]) as (server, _, port):
        status, output = await run_sipp(port, "-sn", "uac", "-s", "100", "-m", "1")
        assert status != 0
        assert "486" in output
        assert not len(server.app.state.live_calls)


@needs_sipp
async def test_calls_beyond_the_most_are_busy_and_the_others_go_on() -> None:
    async with sip_server(max_calls=3) as (_, endpoint, port):
        status, output = await run_sipp(port, "-sn", "uac", "-s", "100", "-m", "8", "-r", "100", "-d", "800")
        assert status != 0
        assert "486" in output
        await until(lambda: not len(endpoint))
        status, output = await run_sipp(port, "-sn", "uac", "-s", "100", "-m", "3", "-r", "100", "-d", "100")
        assert status == 0, output


@pytest.mark.slow
@needs_baresip
async def test_calls_end_with_a_process_that_dies_and_another_process_takes_calls(tmp_path: Path) -> None:
    async with sip_server() as (server, endpoint, port):
        phone = Baresip(tmp_path, np.zeros(8000, np.int16))
        calling = asyncio.ensure_future(phone.call(f"sip:100@{HOST}:{port}", 2))
        await until(lambda: len(server.app.state.phone_calls) == 1)
        before = endpoint.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        await until(lambda: not len(server.app.state.phone_calls))
        await calling
        await until(lambda: endpoint.pid not in (None, before))
        await endpoint.start()
        calling = asyncio.ensure_future(phone.call(f"sip:100@{HOST}:{port}", 2))
        await until(lambda: len(server.app.state.phone_calls) == 1)
        await calling


@needs_sipp
async def test_packets_that_are_no_sip_change_nothing() -> None:
    junk = [b"", b"\x00" * 1500, b"INVITE", b"INVITE sip:100@x SIP/2.0\r\n\r\n", os.urandom(1200)]
    head = "INVITE sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nTo: <sip:100@h>\r\n"
    junk += [
        f"{head}From: <sip:a@h>;tag=1\r\nCall-ID: {'x' * 9000}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n".encode(),
        f"{head}From: <sip:a@h>;tag=1\r\nCall-ID: y\r\nCSeq: -1 INVITE\r\nContent-Length: 99999\r\n\r\nv=".encode(),
        f"{head}From: \xff\r\nCall-ID: z\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\r\nm=audio".encode(),
    ]
    async with sip_server() as (_, endpoint, port):
        before = endpoint.pid
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for packet in junk * 20:
                stranger.sendto(packet, (HOST, port))
        status, output = await run_sipp(port, "-sn", "uac", "-s", "100", "-m", "1", "-d", "100")
        assert status == 0, output
        assert endpoint.pid == before


@pytest.mark.slow
@needs_baresip
async def test_a_softphone_hears_the_greeting_encrypted(tmp_path: Path) -> None:
    async with sip_server(srtp="required") as (server, endpoint, port):
        phone = Baresip(tmp_path, np.zeros(8000, np.int16), ";mediaenc=srtp-mand")
        calling = asyncio.ensure_future(phone.call(f"sip:100@{HOST}:{port}", 2))
        await until(lambda: len(server.app.state.live_calls) == 1)
        said = await calling
        assert "Call established" in said, said
        assert np.abs(phone.heard().astype(np.int32)).max() > 1000
        await until(lambda: not len(endpoint))


@pytest.mark.slow
@needs_baresip
async def test_a_softphone_that_does_not_encrypt_is_rejected_where_that_is_required(tmp_path: Path) -> None:
    async with sip_server(srtp="required") as (_, endpoint, port):
        said = await Baresip(tmp_path, np.zeros(8000, np.int16)).call(f"sip:100@{HOST}:{port}", 2)
        assert "Call established" not in said, said
        await until(lambda: not len(endpoint))


@pytest.mark.slow
@needs_sipp
async def test_calls_over_tcp_are_answered() -> None:
    async with sip_server() as (_, endpoint, port):
        status, output = await run_sipp(port, "-sn", "uac", "-s", "100", "-m", "4", "-d", "200", "-t", "t1")
        assert status == 0, output
        await until(lambda: not len(endpoint))
