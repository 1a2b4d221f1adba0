"""What AssemblyAI's recogniser makes of refused keys, limits, garbage, lost connections and servers that are away."""

import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from assemblyai_hearing import EVER_TRIED, Connect, assert_said, connecting, hear, moonshine_tiny, read_beckett
from assemblyai_server import KEY, AssemblyAIServer
from numpy.typing import NDArray

from streamsrv.engines.asr.assemblyai import AssemblyAIRecognizer
from streamsrv.engines.asr.base import Recognizer
from streamsrv.errors import EngineError, Overloaded, Unavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def local() -> Iterator[Recognizer]:
    with moonshine_tiny() as recognizer:
        yield recognizer


@pytest_asyncio.fixture(loop_scope="module")
async def server(local: Recognizer) -> AsyncGenerator[AssemblyAIServer]:
    async with AssemblyAIServer(local).running() as server:
        yield server


@pytest.fixture
def connect(server: AssemblyAIServer) -> Connect:
    return connecting(server)


@pytest.fixture(scope="module")
def beckett() -> NDArray[np.int16]:
    return read_beckett()


@pytest.mark.parametrize("code", [None, 3005, 3008])
async def test_a_connection_lost_in_a_word_loses_and_doubles_no_word(
    server: AssemblyAIServer, connect: Connect, beckett: Any, code: int | None
):
    server.faults.closes_after_ms.append((4500, code))
    async with aclosing(connect().connect()) as session:
        transcripts = await hear(session, beckett)
    assert_said(transcripts)
    partial = transcripts[:-1]
    assert all(after.stable.startswith(before.stable) for before, after in pairwise(partial))
    assert len(server.seen) == 2


async def failure(recognizer: AssemblyAIRecognizer, pcm: Any) -> EngineError:
    async with aclosing(recognizer.connect()) as session:
        with pytest.raises(EngineError) as raised:
            await hear(session, pcm[:EVER_TRIED])
    return raised.value


@pytest.mark.parametrize("code", [1008, 4001, 401, 403])
async def test_a_refused_key(server: AssemblyAIServer, connect: Connect, beckett: Any, code: int):
    if code < 1000:
        server.faults.http_status.append(code)
    else:
        server.faults.error_at_start.append((code, f"Unauthorized: {KEY}"))
    error = await failure(connect(), beckett)
    assert isinstance(error, Unavailable)
    assert error.refuses_key
    assert KEY not in str(error)
    assert len(server.seen) == (code >= 1000)


@pytest.mark.parametrize("key", ["ключ", "two\nlines"])
async def test_a_key_that_is_none(connect: Connect, key: str):
    with pytest.raises(Unavailable, match="characters that no key has") as raised:
        connect(key)
    assert key not in str(raised.value)


async def test_a_provider_that_cannot_be_reached_does_not_stop_the_warm_up(
    server: AssemblyAIServer, connect: Connect, caplog: Any
):
    await connect(base_url="ws://127.0.0.1:9").warm_up()
    server.faults.error_at_start.append((3009, "Too many concurrent sessions"))
    await connect().warm_up()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "remote: cannot be reached.",
        "remote: Too many concurrent sessions.",
    ]


async def test_a_wrong_key_stops_the_warm_up(connect: Connect):
    with pytest.raises(Unavailable) as raised:
        await connect("wrong").warm_up()
    assert raised.value.refuses_key


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1008, "Unauthorized Connection: Too many concurrent sessions"),
        (3009, "Too many concurrent sessions"),
        (4029, "Client sent audio too fast"),
        (429, ""),
    ],
)
async def test_a_rate_limit(server: AssemblyAIServer, connect: Connect, beckett: Any, code: int, message: str):
    if code == 429:
        server.faults.http_status.append(code)
    else:
        server.faults.error_at_start.append((code, message))
    assert isinstance(await failure(connect(), beckett), Overloaded)


@pytest.mark.parametrize(
    "garbage",
    [
        "<html>502 Bad Gateway</html>",
        "[]",
        "{}",
        '{"type":"Turn"}',
        '{"type":"Turn","turn_order":"0","end_of_turn":true,"transcript":"x","words":[]}',
        '{"type":"Turn","turn_order":-1,"end_of_turn":true,"transcript":"x","words":[]}',
        '{"type":"Turn","turn_order":0,"end_of_turn":true,"transcript":"x","words":[{"text":"x","start":-1,"end":2}]}',
        '{"type":"Turn","turn_order":0,"end_of_turn":true,"transcript":"x","end_of_turn_confidence":NaN,"words":[]}',
        b"\x00\x01",
        '{"type":"Turn","padding":"' + "x" * (1 << 21) + '"}',
        '{"type":' * 100_000,
    ],
    ids=lambda garbage: str(garbage)[:40],
)
async def test_garbage(server: AssemblyAIServer, connect: Connect, beckett: Any, garbage: str | bytes):
    server.faults.garbage = garbage
    error = await failure(connect(), beckett)
    assert type(error) is Unavailable
    assert len(str(error)) < 500


async def test_a_server_that_stalls(server: AssemblyAIServer, connect: Connect, beckett: Any):
    server.faults.stalls = True
    error = await failure(connect(stall_deadline_s=0.05, final_deadline_s=0.1), beckett)
    assert "does not answer" in str(error)
    assert len(server.seen) == 4


async def test_no_server(connect: Connect, beckett: Any):
    error = await failure(connect(base_url="ws://127.0.0.1:9"), beckett)
    assert str(error) == "remote: cannot be reached."


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1", "ws://streaming.example.com", "wss://host/path", "wss://user:password@host"]
)
async def test_a_wrong_address(connect: Connect, base_url: str):
    with pytest.raises(Unavailable, match="base_url") as raised:
        connect(base_url=base_url)
    assert "password" not in str(raised.value)


async def test_the_key_is_in_no_log(server: AssemblyAIServer, connect: Connect, beckett: Any, caplog: Any):
    caplog.set_level(logging.DEBUG)
    for name in ("websockets", "websockets.client"):
        caplog.set_level(logging.DEBUG, name)
    server.faults.closes_after_ms.append((1000, 3005))
    async with aclosing(connect().connect()) as session:
        await hear(session, beckett[:EVER_TRIED])
    sent_by_server = [record for record in caplog.records if record.name != "websockets.server"]
    assert not any(KEY in record.getMessage() for record in sent_by_server)
