"""SIP with a registrar that asks for a digest, and over TLS; and what is told when it cannot start."""

import asyncio
import logging
import ssl
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from sip_peers import HOST, RATE_HZ, WITHOUT_BARESIP, WITHOUT_SIPP, Baresip, free_port, has_baresip, has_sipp
from sip_scenarios import registrar, write_scenario
from test_sip_calls import PATIENCE_S, sip_server, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("baresip") is None, reason="needs pip install 'streamsrv[sip]'"),
]
USER, PASSWORD = "desk", "correct horse"


@pytest.mark.skipif(not has_sipp(), reason=WITHOUT_SIPP)
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
async def test_the_server_registers_with_a_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, password: str
):
    """The registrar is a scenario of sipp."""
    monkeypatch.setenv("SIP_PASSWORD", password)
    home = free_port()
    steps = registrar(USER, PASSWORD)
    process = await asyncio.create_subprocess_exec(
        "sipp", "-sf", str(write_scenario(tmp_path / "registrar.xml", *steps)), "-i", HOST, "-p", str(home), "-m", "1",
        "-nostdin", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    fields = {"registrar": f"sip:{HOST}:{home}", "user": USER, "password_variable": "SIP_PASSWORD"}
    with caplog.at_level(logging.INFO):
        async with sip_server(**fields, transports=["udp"]):
            told = "SIP is registered" if password == PASSWORD else "the registration of SIP has failed: "
            await until(lambda: told in caplog.text)
            async with asyncio.timeout(PATIENCE_S):
                await process.communicate()
    assert PASSWORD not in caplog.text


def certificates(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for the server; return its PEM file with the key, and that of whoever trusts it."""
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", "/CN=sip.test", "-addext", f"subjectAltName=IP:{HOST}"], check=True, capture_output=True,
    )  # fmt: skip
    both.write_text(certificate.read_text() + key.read_text())
    return both, certificate


@pytest.mark.skipif(not has_baresip(), reason=WITHOUT_BARESIP)
@pytest.mark.parametrize("srtp", ["off", "required"])
async def test_a_softphone_calls_over_tls(tmp_path: Path, srtp: str):
    both, _ = certificates(tmp_path)
    async with sip_server(transports=["udp", "tls"], certificate=str(both), srtp=srtp) as (_, _, port):
        media = ";mediaenc=srtp-mand" if srtp == "required" else ""
        phone = Baresip(tmp_path, np.zeros(60 * RATE_HZ, np.int16), media, transport="tls")
        async with phone.calling(f"sip:100@{HOST}:{port + 1};transport=tls"):
            await phone.until("incoming rtp")
            await asyncio.sleep(1)
        assert np.abs(phone.heard().astype(np.int32)).max() > 1000


async def test_the_certificate_is_the_one_of_the_settings(tmp_path: Path):
    both, certificate = certificates(tmp_path)
    async with sip_server(transports=["tls"], certificate=str(both)) as (_, _, port):
        trusting = ssl.create_default_context(cafile=str(certificate))
        _, writer = await asyncio.open_connection(HOST, port + 1, ssl=trusting)
        writer.close()


@pytest.mark.parametrize("trusts", [True, False])
async def test_the_server_registers_over_tls_only_at_a_registrar_whose_certificate_it_can_check(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, trusts: bool
):
    """The registrar is a socket that only reads."""
    both, certificate = certificates(tmp_path)
    (tmp_path / "other").mkdir()
    ours, other = certificates(tmp_path / "other")
    context, requests = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), asyncio.Queue[bytes]()
    context.load_cert_chain(both)

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.put_nowait(await reader.read(8))
        writer.close()

    server = await asyncio.start_server(read, HOST, 0, ssl=context)
    home = server.sockets[0].getsockname()[1]
    fields = {"ca_file": str(certificate if trusts else other), "certificate": str(ours), "transports": ["tls"]}
    async with server, sip_server(registrar=f"sip:{HOST}:{home}", user=USER, **fields):
        await until(lambda: "the registration of SIP has failed" in caplog.text)
    received = [requests.get_nowait() for _ in range(requests.qsize())]
    assert received == ([b"REGISTER"] if trusts else [])
