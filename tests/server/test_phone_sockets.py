"""Streams of calls on the real server, with fake engines: who may open one, and that it is answered."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from serving import RunningServer, serving
from stream_starts import STARTS, TWILIO_START, changed
from streamsrv.access.principal import LOOPBACK
from streamsrv.core.call_rules import CallRules
from streamsrv.testing.fakes import fake_engines
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.tokens import TOKEN_PARAMETER, Admitted

NUMBERS = [{"numbers": ["+492"], "greeting": "Hello, this is the desk."}]
PATIENCE_S = 20


@pytest.fixture(scope="module")
def server() -> Generator[RunningServer]:
    with serving(fake_engines(), phone_number=NUMBERS) as running:
        yield running


@pytest.fixture(scope="module")
def guarded() -> Generator[RunningServer]:
    with serving(fake_engines(), phone_number=NUMBERS, api_keys="key") as running:
        yield running


@asynccontextmanager
async def stream(
    server: RunningServer, start: dict[str, Any], provider: str = "twilio", query: str = "", **options: Any
) -> AsyncGenerator[ClientConnection]:
    address = f"ws://127.0.0.1:{server.port}/v1/calls/{provider}/media{query}"
    async with asyncio.timeout(PATIENCE_S), connect(address, compression=None, max_queue=None, **options) as socket:
        await socket.send(json.dumps(start))
        yield socket


async def closed(socket: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as raised:
        while True:
            await socket.recv()
    frame = raised.value.rcvd
    assert frame is not None
    return frame.code, frame.reason


async def greeting(socket: ClientConnection) -> dict[str, Any]:
    """The first audio that the caller hears."""
    while (message := json.loads(await socket.recv()))["event"] != "media":
        pass
    return message


def with_token(server: RunningServer) -> dict[str, Any]:
    known = CallFacts("twilio", "CA1", "+491", "+492")
    agent = Agent("signed", rules=CallRules(greeting="Hello again."))
    token = server.app.state.phone_tokens.issue(Admitted(known, agent, LOOPBACK), time.time())
    return changed(TWILIO_START, "start/customParameters", {TOKEN_PARAMETER: token})


async def test_a_call_on_this_machine_is_greeted(server: RunningServer):
    async with stream(server, TWILIO_START) as socket:
        media = await greeting(socket)
        assert media["streamSid"] == "MZ1"
        assert len(base64.b64decode(media["media"]["payload"])) >= 160
        await socket.send(json.dumps({"event": "stop", "stop": {"callSid": "CA1"}}))
        assert await closed(socket) == (1000, "The provider ended the stream.")
    await server.without_sessions()


async def test_a_stream_of_vonage_gets_frames_of_20_ms(server: RunningServer):
    start = STARTS["vonage"] | {"called": "492"}
    async with stream(server, start, "vonage") as socket:
        while not isinstance(frame := await socket.recv(), bytes):
            pass
        assert len(frame) == 640
    await server.without_sessions()


async def test_streams_of_vonage_without_names_are_calls_of_their_own(server: RunningServer):
    start = changed(STARTS["vonage"] | {"called": "492"}, "call_id", ...)
    async with stream(server, start, "vonage") as first, stream(server, start, "vonage") as second:
        for socket in (second, first):
            assert await socket.recv()
        names = {call.facts.provider_call_id for call in server.app.state.live_calls}
        assert len(names) == 2
    await server.without_sessions()


async def test_a_number_that_nobody_answers_is_refused(server: RunningServer):
    start = changed(TWILIO_START, "start/customParameters/to", "+493")
    async with stream(server, start) as socket:
        assert await closed(socket) == (1008, "No [[phone_number]] table answers the number that was called.")


async def test_a_token_opens_one_stream(guarded: RunningServer):
    start = with_token(guarded)
    async with stream(guarded, start) as socket:
        await greeting(socket)
    async with stream(guarded, start) as socket:
        code, reason = await closed(socket)
    assert code == 1008
    assert "used before" in reason
    await guarded.without_sessions()


async def test_a_token_in_the_address_is_as_good(guarded: RunningServer):
    token = with_token(guarded)["start"]["customParameters"][TOKEN_PARAMETER]
    async with stream(guarded, TWILIO_START, query=f"?{TOKEN_PARAMETER}={token}") as socket:
        await greeting(socket)
    await guarded.without_sessions()


async def test_a_token_of_another_call_is_refused(guarded: RunningServer):
    async with stream(guarded, changed(with_token(guarded), "start/callSid", "CA2")) as socket:
        code, reason = await closed(socket)
    assert (code, "another call" in reason) == (1008, True)


async def test_a_stream_without_a_token_needs_an_api_key(guarded: RunningServer):
    async with stream(guarded, TWILIO_START) as socket:
        assert await closed(socket) == (1008, "Incorrect or missing API key.")
    async with stream(guarded, TWILIO_START, additional_headers={"authorization": "Bearer key"}) as socket:
        await greeting(socket)
    await guarded.without_sessions()


async def test_a_connection_that_drops_ends_the_session(server: RunningServer):
    async with stream(server, TWILIO_START) as socket:
        await greeting(socket)
        socket.transport.abort()
        await server.without_sessions()
    assert len(server.app.state.live_calls) == 0


async def test_a_second_connection_of_a_call_takes_the_place_of_the_first(server: RunningServer):
    async with stream(server, TWILIO_START) as first:
        await greeting(first)
        async with stream(server, TWILIO_START) as second:
            assert await closed(first) == (1000, "The provider has opened another connection for this call.")
            await greeting(second)
    await server.without_sessions()
