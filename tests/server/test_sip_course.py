"""The course of calls over SIP on loopback: keys, hold, transfers and hanging up, with fake engines."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from phone_server import PhoneServer, phone_server
from sip_peers import HOST, RATE_HZ, WITHOUT_BARESIP, WITHOUT_SIPP, Baresip, free_port, has_baresip, has_sipp, run_sipp
from sip_scenarios import bye, expect, expect_outcome, info, invite, notify, pause, refer, write_scenario
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from streamsrv.transports.telephony.sip.endpoint import SipEndpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("baresip") is None, reason="needs pip install 'streamsrv[sip]'"),
]
needs_sipp = pytest.mark.skipif(not has_sipp(), reason=WITHOUT_SIPP)
needs_baresip = pytest.mark.skipif(not has_baresip(), reason=WITHOUT_BARESIP)
PATIENCE_S = 20
DESK = {"numbers": ["100"], "greeting": "Hello.", "silence_ms": 0, "waiting_after_ms": 0}
TRANSFER = ("transfer_call", '{"destination": "sales"}')
LONG = "Every word of this greeting is one that the caller may or may not hear before he speaks. "


@asynccontextmanager
async def sip_server(chat: ScriptedChatModel, **desk: Any) -> AsyncGenerator[tuple[PhoneServer, SipEndpoint, int]]:
    """A server whose agent says what `chat` does, its endpoint and the port for SIP; all calls are over in the end."""
    port = free_port()
    endpoint = {"port": port, "rtp_ports": "30000-31999"}
    async with phone_server(fake_engines(chat), sip_endpoint=[endpoint], phone_number=[DESK | desk]) as server:
        sip: SipEndpoint = server.app.state.sip_endpoint
        yield server, sip, port
        async with asyncio.timeout(PATIENCE_S):
            while len(sip) or len(server.app.state.phone_calls):
                await asyncio.sleep(0.01)


class Sideband:
    """The events of a call, as they come."""

    def __init__(self, server: PhoneServer) -> None:
        self._server = server
        self.events: list[dict[str, Any]] = []

    @asynccontextmanager
    async def joined(self) -> AsyncGenerator["Sideband"]:
        """Wait for the call, and join it within this block."""
        async with asyncio.timeout(PATIENCE_S):
            while not (live := list(self._server.app.state.live_calls)):
                await asyncio.sleep(0.01)
        async with connect(f"{self._server.realtime_url}?call_id={live[0].id}", max_size=None) as self._socket:
            yield self

    async def until(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                event = json.loads(await self._socket.recv())
                self.events.append(event)
                if event["type"] == kind:
                    return event


async def asked(chat: ScriptedChatModel) -> str:
    """Wait until the model was asked; return the last message of the user."""
    async with asyncio.timeout(PATIENCE_S):
        while not chat.asked:
            await asyncio.sleep(0.01)
    return next(str(message.content) for message in reversed(chat.asked[0]) if message.role == "user")


async def sipp(port: int, path: Path, *steps: str) -> None:
    """Make one call with this scenario, which must succeed."""
    scenario = write_scenario(path / "scenario.xml", *steps)
    status, output = await run_sipp(port, "-sf", str(scenario), "-s", "100", "-m", "1")
    assert status == 0, output


@needs_baresip
async def test_keys_in_the_audio_stream_reach_the_model(tmp_path: Path):
    chat = ScriptedChatModel()
    async with sip_server(chat) as (server, _, port):
        phone = Baresip(tmp_path, np.zeros(60 * RATE_HZ, np.int16))
        async with phone.calling(f"sip:100@{HOST}:{port}") as keyboard, Sideband(server).joined() as sideband:
            await sideband.until("output_audio_buffer.stopped")
            for key in "42#":
                keyboard.write(key.encode())
                assert (await sideband.until("input_audio_buffer.dtmf_event_received"))["event"] == key
            assert await asked(chat) == "The caller pressed 42."


@needs_sipp
async def test_keys_by_sip_info_reach_the_model(tmp_path: Path):
    chat = ScriptedChatModel()
    async with sip_server(chat) as (_, _, port):
        keys = [info(key, number) for number, key in enumerate("17#", start=2)]
        await sipp(port, tmp_path, invite(), pause(300), *keys, pause(1000), bye(5))
        assert await asked(chat) == "The caller pressed 17."


@needs_sipp
async def test_the_agent_hangs_up(tmp_path: Path):
    async with sip_server(ScriptedChatModel(("hang_up", "{}"))) as (_, _, port):
        await sipp(port, tmp_path, invite(), pause(300), info("#", 2), expect("BYE"))


@needs_sipp
async def test_a_call_is_handed_over_by_refer_and_is_then_over(tmp_path: Path):
    async with sip_server(ScriptedChatModel(TRANSFER), transfers={"sales": "+4930123"}) as (_, _, port):
        refers = expect("REFER", "202 Accepted", header=f"Refer-To: sip:.4930123@{HOST}")
        steps = (invite(), pause(300), info("#", 2), refers, notify(3, "200 OK"), expect("BYE"))
        await sipp(port, tmp_path, *steps)


@needs_sipp
@pytest.mark.parametrize("how", ["refused", "failed"])
async def test_a_transfer_that_fails_is_explained_by_the_model_and_the_call_goes_on(tmp_path: Path, how: str):
    chat = ScriptedChatModel(TRANSFER, "Sorry.")
    async with sip_server(chat, transfers={"sales": "sip:sales@192.0.2.1"}) as (_, _, port):
        to = "Refer-To: sip:sales@192.0.2.1"
        if how == "refused":
            steps = (expect("REFER", "603 Decline", header=to),)
        else:
            steps = (expect("REFER", "202 Accepted", header=to), notify(3, "486 Busy Here"))
        await sipp(port, tmp_path, invite(), pause(300), info("#", 2), *steps, pause(1500), bye(4))
        assert len(chat.asked) == 2
        assert "could not be transferred" in str(chat.asked[1][-1].content)


@needs_sipp
async def test_the_server_calls_nobody_because_a_caller_asks(tmp_path: Path):
    async with sip_server(ScriptedChatModel()) as (_, _, port):
        await sipp(
            port, tmp_path, invite(), pause(300), refer(2, 202), expect_outcome("100"), expect_outcome("603"), bye(3)
        )


@needs_sipp
async def test_a_call_that_is_held_and_resumed_goes_on(tmp_path: Path):
    async with sip_server(ScriptedChatModel(("hang_up", "{}"))) as (_, _, port):
        held = (invite(2, "sendonly"), pause(500), invite(3), pause(300))
        await sipp(port, tmp_path, invite(), pause(500), *held, info("#", 4), expect("BYE"))


@needs_baresip
async def test_what_a_softphone_is_told_waits_while_the_call_is_held(tmp_path: Path):
    async with sip_server(ScriptedChatModel(), greeting=LONG) as (server, _, port):
        phone, loop = Baresip(tmp_path, np.zeros(60 * RATE_HZ, np.int16)), asyncio.get_running_loop()
        async with phone.calling(f"sip:100@{HOST}:{port}") as keyboard, Sideband(server).joined() as sideband:
            answered_s = loop.time()
            await phone.until("established")
            await asyncio.sleep(1)
            keyboard.write(b"x")
            await asyncio.sleep(4)
            keyboard.write(b"X")
            await sideband.until("output_audio_buffer.stopped")
            assert loop.time() - answered_s > 3.5 + len(LONG.strip()) * 60 / 1000


@needs_baresip
async def test_what_an_interrupted_caller_has_heard_is_in_the_context(tmp_path: Path):
    spoken = (8000 * np.sin(np.arange(RATE_HZ // 2) * 0.3)).astype(np.int16)
    silence = np.zeros(2 * RATE_HZ, np.int16)
    async with sip_server(ScriptedChatModel(), greeting=LONG) as (server, _, port):
        phone = Baresip(tmp_path, np.concatenate([silence, spoken, np.zeros(60 * RATE_HZ, np.int16)]))
        async with phone.calling(f"sip:100@{HOST}:{port}"), Sideband(server).joined() as sideband:
            cut = await sideband.until("conversation.item.truncated")
            await sideband.until("output_audio_buffer.started")
        heard_ms = sounding_ms(phone, pause_ms=150)
        assert 500 < heard_ms < len(LONG) * 60 - 1000
        assert abs(cut["audio_end_ms"] - heard_ms) < 250


def sounding_ms(phone: Baresip, pause_ms: int = 60_000) -> int:
    """How much of the first sound the caller has heard, up to a pause of that length."""
    loud = np.flatnonzero(np.abs(phone.heard().astype(np.int32)) > 1000)
    breaks = np.flatnonzero(np.diff(loud) > pause_ms * RATE_HZ // 1000)
    last = loud[breaks[0]] if len(breaks) else loud[-1]
    return int(last - loud[0]) * 1000 // RATE_HZ
