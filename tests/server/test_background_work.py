"""Background work that fails takes nothing else with it, and /healthz tells when it is gone for good."""

import asyncio
import json
from http.client import HTTPConnection

import pytest
from websockets.asyncio.client import connect

from serving import RunningServer, serving
from streamsrv import supervisor
from streamsrv.inference.load import Load
from streamsrv.service import Service
from streamsrv.testing.fakes import fake_engines

PATIENCE_S = 20


async def health(server: RunningServer) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        return response.status, body["error"]["message"] if "error" in body else ""

    return await asyncio.to_thread(ask)


async def until_unhealthy(server: RunningServer) -> str:
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await health(server))[0] == 200:
            pass
    assert answer[0] == 503
    return answer[1]


async def test_a_healthy_server_says_so():
    with serving(fake_engines()) as server:
        assert await health(server) == (200, "")


async def test_the_measurement_of_load_starts_again_after_a_failure(monkeypatch: pytest.MonkeyPatch):
    observed: list[int] = []
    observe = Load.observe

    def fail_once(self: Load, *arguments: object, **named: object) -> None:
        observed.append(1)
        if len(observed) == 1:
            raise ValueError("a clock went backwards")
        observe(self, *arguments, **named)

    monkeypatch.setattr(Load, "observe", fail_once)
    with serving(fake_engines()) as server, serving(fake_engines()) as other:
        async with connect(server.realtime_url) as session, asyncio.timeout(PATIENCE_S):
            await session.recv()
            while len(observed) < 6:
                await server.tasks()
            await session.send(json.dumps({"type": "session.update", "session": {"type": "realtime"}}))
            assert json.loads(await session.recv())["type"] == "session.updated"
        assert await health(server) == await health(other) == (200, "")


async def test_the_server_is_unhealthy_when_the_measurement_of_load_is_gone_and_serves_on(
    monkeypatch: pytest.MonkeyPatch,
):
    async def broken(*_: object) -> None:
        raise ValueError("a clock went backwards")

    monkeypatch.setattr(Service, "watch", broken)
    monkeypatch.setattr(supervisor, "MAX_RESTARTS", 0)
    with serving(fake_engines()) as server:
        assert "measurement of load has failed for good: ValueError: a clock" in await until_unhealthy(server)
        async with connect(server.realtime_url) as session:
            assert json.loads(await session.recv())["type"] == "session.created"


async def test_the_server_is_unhealthy_when_its_lifespan_is_gone():
    with serving(fake_engines()) as server:

        async def end_lifespan() -> None:
            for task in asyncio.all_tasks():
                if "LifespanOn.main" in repr(task.get_coro()):
                    task.cancel()

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(end_lifespan(), server.loop))
        assert await until_unhealthy(server) == "Background work has ended."
