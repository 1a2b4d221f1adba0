"""Fifty calls in a minute over SIP, with audio, and with fake engines."""

import asyncio
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from sip_peers import HOST, RATE_HZ, WITHOUT_SIPP, free_port, has_sipp, run_sipp
from sip_scenarios import bye, invite, pause, refused, speak, write_scenario
from streamsrv.audio.g711 import encode_mulaw
from test_sip_calls import sip_server, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("baresip") is None, reason="needs pip install 'streamsrv[sip]'"),
    pytest.mark.skipif(not has_sipp(), reason=WITHOUT_SIPP),
]
ANSWERED, REFUSED, CALL_MS = 40, 10, 6000


async def test_fifty_calls_in_a_minute_are_answered_or_refused_and_none_is_left_over(tmp_path: Path):
    recording = tmp_path / "noise.ulaw"
    recording.write_bytes(encode_mulaw((100 * np.sin(np.arange(2 * RATE_HZ))).astype(np.int16)).tobytes())
    answered = write_scenario(tmp_path / "answered.xml", invite(), speak(recording), pause(CALL_MS), bye(2))
    nobody = write_scenario(tmp_path / "refused.xml", refused(486))

    async def calls(scenario: Path, number: str, count: int) -> tuple[int, str]:
        rate = ("-m", str(count), "-r", str(count), "-rp", "60s", "-timeout", "100", "-p", str(free_port()))
        media = ("-mi", HOST, "-mp", str(free_port() & ~3))
        return await run_sipp(port, "-sf", str(scenario), "-s", number, *rate, *media)

    async with sip_server() as (server, endpoint, port):
        assert endpoint.pid is not None
        process = Path(f"/proc/{endpoint.pid}")
        before_s, open_before = cpu_s(process), len(list((process / "fd").iterdir()))
        results = await asyncio.gather(calls(answered, "100", ANSWERED), calls(nobody, "555", REFUSED))
        await until(lambda: not len(endpoint) and not len(server.app.state.phone_calls))
        spent_ms = (cpu_s(process) - before_s) * 1000
        for status, output in results:
            assert status == 0, output
        # As -s shows it: the CPU time of the SIP process.
        print(f"{spent_ms / (ANSWERED * CALL_MS / 1000):.1f} ms of CPU for each second of a call")
        assert len(list((process / "fd").iterdir())) < open_before + 10


def cpu_s(process: Path) -> float:
    """CPU time of a process in seconds."""
    user, system = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
