"""A whole server in the event loop of the test, to which fake lines are put through."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openai import AsyncOpenAI
from starlette.applications import Starlette

from fake_line import FakeLine
from streamsrv.access.principal import LOOPBACK
from streamsrv.app import build_app
from streamsrv.engines.loaded import Engines
from streamsrv.server import Server, bind
from streamsrv.settings import Settings
from streamsrv.testing.fakes import open_streams
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.line import Line

PATIENCE_S = 20


@dataclass(frozen=True, slots=True)
class PhoneServer:
    """`http_url`, `realtime_url`: where clients reach it; `client`: a stock client of it."""

    app: Starlette
    port: int
    client: AsyncOpenAI

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def realtime_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    @asynccontextmanager
    async def ring(self, agent: Agent, line: Line | None = None) -> AsyncGenerator[Any]:
        """A call comes in; its caller hangs up at the end of the block."""
        line = line or FakeLine()
        serving = asyncio.ensure_future(self.app.state.phone_calls.serve(line, agent, LOOPBACK))
        try:
            yield line
        finally:
            line.close("The caller hung up.")
            async with asyncio.timeout(PATIENCE_S):
                await serving


@asynccontextmanager
async def phone_server(engines: Engines, **settings: Any) -> AsyncGenerator[PhoneServer]:
    """Serve until the block ends; no call and no stream of a fake is left open."""
    app = build_app(Settings(admit_by_load=False, **settings), engines)
    listener = bind("127.0.0.1", 0)
    ready = asyncio.Event()
    server = Server(app, ready.set)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    async with asyncio.timeout(PATIENCE_S):
        await ready.wait()
    port = listener.getsockname()[1]
    try:
        async with AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="any", max_retries=0) as client:
            yield PhoneServer(app, port, client)
        assert not len(app.state.live_calls)
        assert not len(app.state.ringing_calls)
    finally:
        server.stop()
        async with asyncio.timeout(PATIENCE_S):
            await serving
    assert not open_streams(engines)


def question() -> NDArray[np.int16]:
    """Loud audio, then silence: a turn for the fake detector."""
    tone = 8000 * np.sin(np.arange(8 * 600) * 0.3)
    return np.concatenate([tone, np.zeros(8 * 1500)]).astype(np.int16)


async def hung_up(line: FakeLine) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await line.hung_up.wait()
