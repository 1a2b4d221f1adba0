"""What happens when a media process dies, and what calls leave behind."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from caller import Caller, calling, request
from serving import serving
from streamsrv.processes.usage import USAGES
from streamsrv.testing.fakes import fake_engines

LOOPBACK = {"webrtc_hosts": "127.0.0.1", "webrtc_processes": 1}


def media_cpu_s() -> float:
    return USAGES.totals["media"].cpu_s


async def test_no_media_process_runs_before_the_first_call():
    with serving(fake_engines(), **LOOPBACK) as server:
        assert server.app.state.calls.media_pids == []
        async with calling(server):
            assert len(server.app.state.calls.media_pids) == 1


async def test_whoever_asks_what_the_server_can_do_finds_a_media_process_ready():
    with serving(fake_engines(), **LOOPBACK) as server:
        await request(server, "GET", "/v1/streamsrv/capabilities")
        async with asyncio.timeout(10):
            while len(server.app.state.calls.media_pids) != 1:
                await server.tasks()
        async with calling(server):
            assert len(server.app.state.calls.media_pids) == 1


async def test_the_calls_of_a_process_that_dies_end_with_a_reason_and_the_next_call_works():
    with serving(fake_engines(), **LOOPBACK) as server:
        async with calling(server) as caller, connect(f"{server.realtime_url}?call_id={caller.call_id}") as sideband:
            (pid,) = server.app.state.calls.media_pids
            os.kill(pid, signal.SIGKILL)
            await sideband.wait_closed()
            assert sideband.close_reason == "The media process of the call died."
            await server.without_sessions()
        async with calling(server):
            assert server.app.state.calls.media_pids != [pid]


async def test_a_process_that_hangs_is_killed_and_its_calls_end(monkeypatch: pytest.MonkeyPatch):
    with serving(fake_engines(), **LOOPBACK) as server:
        calls = server.app.state.calls
        async with calling(server) as caller, connect(f"{server.realtime_url}?call_id={caller.call_id}") as sideband:
            (pid,), cpu_s = calls.media_pids, media_cpu_s()
            monkeypatch.setattr("streamsrv.processes.worker_process.HANG_S", 2.0)
            while media_cpu_s() == cpu_s:  # until it has reported once more
                await server.tasks()
            os.kill(pid, signal.SIGSTOP)
            await sideband.wait_closed()
            assert sideband.close_reason == "The media process of the call died."
        monkeypatch.undo()
        async with calling(server):
            assert server.app.state.calls.media_pids != [pid]


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="environments are read in Linux's /proc")
async def test_a_media_process_has_no_secret_of_the_server(monkeypatch: pytest.MonkeyPatch):
    for name in ("OPENAI_API_KEY", "STREAMSRV_SECRET_KEY", "HF_TOKEN", "SOMETHING_ELSE"):
        monkeypatch.setenv(name, "hidden-" * 5)
    with serving(fake_engines(), **LOOPBACK) as server:
        async with calling(server):
            (pid,) = server.app.state.calls.media_pids
            assert b"hidden" not in environment_of(pid)
            assert b"PATH=" in environment_of(pid)


async def test_calls_end_at_once_when_the_server_stops():
    """The server waits five seconds for a request that is stalled."""
    stalled = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    manager = serving(fake_engines(), **LOOPBACK)
    server, stopping = manager.__enter__(), None
    try:
        async with calling(server) as caller:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(stalled)
            await writer.drain()
            stopping = asyncio.create_task(asyncio.to_thread(manager.__exit__, None, None, None))
            async with asyncio.timeout(4):
                await caller.closed.wait()
    finally:
        await (stopping or asyncio.to_thread(manager.__exit__, None, None, None))
    writer.close()


async def test_the_server_knows_what_its_media_costs():
    with serving(fake_engines(), **LOOPBACK) as server:
        before_s = media_cpu_s()
        async with calling(server), asyncio.timeout(10):
            while media_cpu_s() == before_s:
                await server.tasks()
            assert 'streamsrv_helper_processes{process="media"} 1.0' in server.service.metrics.exposition().decode()


async def test_calls_are_spread_over_processes():
    with serving(fake_engines(), **{**LOOPBACK, "webrtc_processes": 2}) as server:
        callers = [Caller() for _ in range(5)]
        for caller in callers:
            assert (await caller.connect(server)).status == 201
            await caller.next()
        assert len(server.app.state.calls.media_pids) == 2
        await asyncio.gather(*(caller.close() for caller in callers))


async def test_no_process_outlives_the_server():
    with serving(fake_engines(), **LOOPBACK) as server:
        async with calling(server):
            (pid,) = server.app.state.calls.media_pids
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_server_that_stops_lets_its_clients_know():
    caller = Caller()
    with serving(fake_engines(), **LOOPBACK) as server:
        await caller.connect(server)
        await caller.next()
    async with asyncio.timeout(10):
        await caller.closed.wait()
    await caller.close()


async def test_calls_leave_no_task_behind():
    with serving(fake_engines(), **LOOPBACK) as server:
        async with calling(server):
            pass
        await server.without_sessions()
        tasks = await server.tasks()
        for _ in range(5):
            async with calling(server):
                pass
        await server.without_sessions()
        async with asyncio.timeout(20):
            while await server.tasks() > tasks:
                pass


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads of a process are counted in Linux's /proc")
async def test_calls_leave_no_thread_behind_in_their_media_process():
    with serving(fake_engines(), **LOOPBACK) as server:
        async with calling(server):
            (pid,) = server.app.state.calls.media_pids
            threads = threads_of(pid)
        for _ in range(5):
            async with calling(server):
                pass
        async with asyncio.timeout(20):
            while threads_of(pid) >= threads:
                await server.tasks()
