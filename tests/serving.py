"""Runs the real server, on a free port of loopback, in a thread of the test process."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette

from streamsrv.app import build_app
from streamsrv.engines.loaded import Engines
from streamsrv.inference.scheduler import Priority
from streamsrv.server import Server, bind
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.testing.fakes import open_streams


@dataclass(frozen=True, slots=True)
class RunningServer:
    """`port` of 127.0.0.1; `app`, `service` and `loop` are the server's own, to look into."""

    port: int
    app: Starlette
    service: Service
    loop: asyncio.AbstractEventLoop
    server: Server
    thread: threading.Thread

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def realtime_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    def stop(self) -> None:
        """Stop the server, as a signal does; blocks until it has."""
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive(), "the server did not stop"

    async def tasks(self) -> int:
        """How many tasks run on the server's loop."""

        async def count() -> int:
            return len(asyncio.all_tasks())

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(count(), self.loop))

    async def run(self, priority: Priority) -> None:
        """Run a job that does nothing."""
        scheduler = self.service.engines.scheduler
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(scheduler.run(priority, lambda: None), self.loop))

    async def without_sessions(self) -> None:
        """Until the last session is gone; fails after 20 s."""
        async with asyncio.timeout(20):
            while self.service.sessions:
                await self.tasks()


@contextmanager
def serving(engines: Engines, **settings: object) -> Generator[RunningServer]:
    """Serve these engines until the block ends; engines are not closed, but no stream of a fake is left open.

    `kept_in`: the ledger; without one nothing is kept. Sessions are let in however busy this process is: what it is
    busy with are the tests.
    """
    ledger: Any = settings.pop("kept_in", None)
    tracing = settings.pop("tracing", None)
    if isinstance(tracing, bool):
        settings["tracing"], tracing = tracing, None
    app = build_app(Settings(**{"admit_by_load": False, **settings}), engines, tracing, ledger)
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    ready = threading.Event()
    server = Server(app, ready.set)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    assert ready.wait(20), "the server did not start"
    running = RunningServer(port, app, app.state.service, loop, server, thread)
    try:
        yield running
    finally:
        running.stop()
        loop.close()
    assert not open_streams(engines), "streams were not closed"
