"""Admission of many sessions at once; no place is lost, whatever fails."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rest import ask, form, loud, post_json, wav, without_requests
from serving import RunningServer, serving
from streamsrv import service
from streamsrv.access.client_secrets import ClientSecrets, UnusableSecret
from streamsrv.protocol.errors import ProtocolError
from streamsrv.runtime.driver import SessionDriver
from streamsrv.testing.fakes import fake_engines
from wire import wire

CHAT = {"model": "any", "messages": [{"role": "user", "content": "Hello!"}]}


async def test_a_hundred_clients_that_come_back_after_a_restart_are_in_within_seconds(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.WARNING)
    with serving(fake_engines(), admit_by_load=True) as server:
        leave, inside = asyncio.Event(), 0

        async def come_back() -> None:
            nonlocal inside
            while True:
                try:
                    async with wire(server.realtime_url, open_timeout=20):
                        inside += 1
                        await leave.wait()
                        return
                except InvalidStatus as refused:
                    await asyncio.sleep(int(refused.response.headers["Retry-After"]))

        started_s = time.monotonic()
        async with asyncio.TaskGroup() as clients, asyncio.timeout(30):
            for _ in range(100):
                clients.create_task(come_back())
            while inside < 100:
                await server.tasks()
            took_s = time.monotonic() - started_s
            leave.set()
        assert took_s < 10
        await server.without_sessions()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_second_idle_client_gets_in_right_after_a_start():
    with serving(fake_engines(), admit_by_load=True) as server:
        async with wire(server.realtime_url), wire(server.realtime_url):
            assert server.service.sessions == 2


async def test_clients_that_wait_to_be_let_in_are_no_more_than_there_are_places():
    with serving(fake_engines(), admit_by_load=True, max_sessions=12) as server:

        async def status() -> int:
            try:
                async with wire(server.realtime_url):
                    await asyncio.sleep(2)
                    return 101
            except InvalidStatus as refused:
                return refused.response.status_code

        came = await asyncio.gather(*(status() for _ in range(20)))
        assert came.count(101) >= 12
        assert set(came) <= {101, 503}


async def test_a_refusal_before_the_upgrade_is_no_error_of_the_server(capfd: pytest.CaptureFixture[str]):
    with serving(fake_engines(), max_sessions=1) as server:
        async with wire(server.realtime_url):
            with pytest.raises(InvalidStatus):
                async with connect(server.realtime_url):
                    pass
    assert "handshake" not in capfd.readouterr().err


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def raising_later(error: Exception) -> Callable[..., Any]:
    async def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


USED = UnusableSecret("client_secret_used", "This client secret was used before.")
FAILURES: list[tuple[object, str, Callable[..., Any]]] = [
    (ClientSecrets, "redeem", raising(USED)),
    (WebSocket, "accept", raising_later(RuntimeError("the client has gone"))),
    (service, "SessionCore", raising(ValueError("no core"))),
    (service, "SessionDriver", raising(ProtocolError("invalid_value", "no driver"))),
    (SessionDriver, "run", raising_later(OSError("no run"))),
]


@pytest.mark.parametrize(("owner", "name", "failure"), FAILURES, ids=[name for _, name, _ in FAILURES])
async def test_whatever_fails_at_the_start_of_a_session_its_place_is_given_back(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, failure: Callable[..., Any]
):
    with serving(fake_engines(), max_sessions=1) as server:
        for _ in range(3):
            secret = (await post_json(server, "/realtime/client_secrets", {})).json["value"]
            with monkeypatch.context() as broken:
                broken.setattr(owner, name, failure)
                with pytest.raises((InvalidStatus, ConnectionClosed)):
                    async with wire(server.realtime_url, additional_headers={"Authorization": f"Bearer {secret}"}):
                        pass
                await server.without_sessions()
        async with wire(server.realtime_url):
            assert server.service.sessions == 1
        await server.without_sessions()


async def test_a_session_that_cannot_start_is_closed_as_an_error_of_the_server(monkeypatch: pytest.MonkeyPatch):
    with serving(fake_engines()) as server:
        monkeypatch.setattr(service, "SessionCore", raising(ValueError("no core")))
        async with connect(server.realtime_url) as client:
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011


async def test_a_client_that_leaves_while_it_waits_to_be_let_in_leaves_no_place_behind():
    with serving(fake_engines(), admit_by_load=True, max_sessions=30) as server:
        async with asyncio.TaskGroup() as clients:
            for _ in range(30):
                clients.create_task(leave_early(server))
        await asyncio.sleep(service.WATCH_S)
        await server.without_sessions()


async def leave_early(server: RunningServer) -> None:
    try:
        async with asyncio.timeout(0.2), wire(server.realtime_url):
            pass
    except TimeoutError:
        pass


@pytest.mark.parametrize("places", [1, 2])
async def test_requests_beside_sessions_take_none_of_their_places(places: int):
    body, content_type = form(file=wav(loud(400)))
    with serving(fake_engines(), max_sessions=places, max_requests=places) as server:
        for _ in range(2 * places):
            async with wire(server.realtime_url):
                chat = await post_json(server, "/chat/completions", CHAT)
                heard = await ask(server, "POST", "/audio/transcriptions", body, {"Content-Type": content_type})
                bad = await ask(server, "POST", "/audio/transcriptions", b"", {"Content-Type": "text/plain"})
                assert (chat.status, heard.status, bad.status) == (200, 200, 415)
            await server.without_sessions()
            await without_requests(server)
