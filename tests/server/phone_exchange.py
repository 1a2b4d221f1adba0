"""Telephone calls over fake lines, served in the event loop of the test."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fake_line import PATIENCE_S, FakeLine
from streamsrv.access.principal import LOOPBACK
from streamsrv.core.call_rules import CallRules
from streamsrv.engines.loaded import Engines
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.testing.fakes import open_streams
from streamsrv.transports.live_calls import LiveCalls
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.phone_calls import PhoneCalls, serving_phone_calls

AGENT = Agent("desk", rules=CallRules(silence_ms=0, waiting_after_ms=0))
NUMBER = {
    "numbers": ["*"],
    "name": "desk",
    "greeting": "Welcome to the shop. How can I help you today?",
    "busy": "Call again.",
    "silence_ms": 0,
    "waiting_after_ms": 0,
}


def tone(duration_ms: int, rate: int = 8000) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Loud audio: speech to the fake detector."""
    return (8000 * np.sin(np.arange(rate * duration_ms // 1000) * 2400 / rate)).astype(np.int16)


def quiet(duration_ms: int, rate: int = 8000) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.zeros(rate * duration_ms // 1000, np.int16)


@dataclass
class Exchange:
    """Calls that are served, and the events of each."""

    calls: PhoneCalls
    live: LiveCalls
    service: Service

    @asynccontextmanager
    async def ring(self, line: FakeLine, agent: Agent = AGENT) -> AsyncGenerator["Caller"]:
        """A call that is answered; its caller hangs up at the end of the block."""
        serving = asyncio.ensure_future(self.calls.serve(line, agent, LOOPBACK))
        async with asyncio.timeout(PATIENCE_S):
            while not len(self.live) and not serving.done():
                await asyncio.sleep(0)
        caller = Caller(self, line, serving)
        try:
            yield caller
        finally:
            line.close("The caller hung up.")
            async with asyncio.timeout(PATIENCE_S):
                await serving


class Caller:
    def __init__(self, exchange: Exchange, line: FakeLine, serving: "asyncio.Future[None]") -> None:
        self.line = line
        self.serving = serving
        self.call: Any = next(iter(exchange.live), None)
        self._queue = self.call.attach() if self.call is not None else None
        self.events: list[dict[str, Any]] = []

    async def until(self, event_type: str) -> dict[str, Any]:
        """The next event of a type."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame = await self._queue.get()
                assert frame is not None, f"the call ended before '{event_type}'"
                self.events.append(json.loads(frame))
                if self.events[-1]["type"] == event_type:
                    return self.events[-1]

    async def rest(self) -> list[dict[str, Any]]:
        """All events until the end of the call."""
        async with asyncio.timeout(PATIENCE_S):
            while (frame := await self._queue.get()) is not None:
                self.events.append(json.loads(frame))
        return self.events

    async def do(self, event_type: str, **fields: Any) -> None:
        assert await self.call.take_attached_event(json.dumps({"type": event_type, **fields}))

    def ask(self, transcript_ms: int = 600) -> None:
        self.line.speak(np.concatenate([tone(transcript_ms), quiet(1500)]))


@asynccontextmanager
async def exchange(engines: Engines, **settings: Any) -> AsyncGenerator[Exchange]:
    service = Service(Settings(admit_by_load=False, **settings), engines)
    live = LiveCalls()
    async with service.background, serving_phone_calls(service, live) as calls:
        yield Exchange(calls, live, service)
    assert not len(live)
    assert not service.sessions
    assert not open_streams(engines)
