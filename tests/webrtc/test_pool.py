"""Media processes are started once, and never after the end."""

import asyncio
import os

import pytest

from caller import Caller
from streamsrv.errors import Unavailable
from streamsrv.media.messages import CallMessage, Configure, Ended
from streamsrv.processes.usage import USAGES, Total
from streamsrv.transports.webrtc.pool import MediaPool

LOOPBACK = Configure(["127.0.0.1"], [])
PATIENCE_S = 20


async def good_offer() -> str:
    caller = Caller()
    sdp = await caller.offer()
    await caller.close()
    return sdp


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
async def test_a_process_that_is_just_starting_is_stopped_with_the_rest(monkeypatch: pytest.MonkeyPatch, steps: int):
    started: list[int] = []
    execute = asyncio.create_subprocess_exec

    async def noted(*arguments, **options):
        process = await execute(*arguments, **options)
        started.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    pool = MediaPool(1, LOOPBACK)
    starting = asyncio.create_task(pool.prepare())
    for _ in range(steps):
        await asyncio.sleep(0)
    await pool.aclose()
    await asyncio.wait([starting])
    assert pool.pids == []
    assert not [pid for pid in started if is_running(pid)]


async def test_nothing_starts_after_the_end():
    pool = MediaPool(1, LOOPBACK)
    await pool.aclose()
    with pytest.raises(Unavailable, match=r"The server stops\."):
        await pool.prepare()
    with pytest.raises(Unavailable, match=r"The server stops\."):
        await pool.open(await good_offer(), lambda _: None)
    assert pool.pids == []


async def test_a_listener_that_fails_does_not_keep_the_end_from_the_others(caplog: pytest.LogCaptureFixture):
    pool, heard = MediaPool(1, LOOPBACK), asyncio.Queue[CallMessage]()

    def fail(_: CallMessage) -> None:
        raise RuntimeError("the session is broken")

    sdp = await good_offer()
    for listener in (fail, heard.put_nowait, fail, heard.put_nowait):
        await pool.open(sdp, listener)
    await pool.aclose()
    ends = [heard.get_nowait() for _ in range(heard.qsize())]
    assert [message for message in ends if isinstance(message, Ended)] == [
        Ended(2, "The server stops."),
        Ended(4, "The server stops."),
    ]
    assert "the session is broken" in caplog.text
    assert pool.pids == []


async def test_processes_that_end_at_their_start_are_started_less_and_less_often(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamsrv.transports.webrtc.pool.MEDIA_MODULE", "no_such_module")
    started = USAGES.totals.get("media", Total()).deaths
    pool, ended = MediaPool(1, LOOPBACK), asyncio.Event()
    await pool.open(await good_offer(), lambda _: ended.set())
    async with asyncio.timeout(PATIENCE_S):
        await ended.wait()
    for _ in range(3):
        with pytest.raises(Unavailable, match=r"Media processes end at their start; the next one may start in 1 s"):
            await pool.prepare()
    assert USAGES.totals["media"].deaths == started + 1
    await pool.aclose()
