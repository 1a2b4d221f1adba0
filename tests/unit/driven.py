"""Sessions that a real `SessionDriver` runs over fake channels."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from harness import counting_ids
from streamsrv.captions.rooms import Rooms
from streamsrv.core.session import SessionCore
from streamsrv.engines.loaded import Engines
from streamsrv.observability.metrics import Metrics
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.channel import ChannelClosed
from streamsrv.runtime.driver import SessionDriver
from streamsrv.runtime.ending import Outcome

PATIENCE_S = 20


class FakeChannel:
    """A client in the same event loop: what it sends is read in order, what it is sent is in `events`."""

    has_microphone = False

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self._frames: asyncio.Queue[str | None] = asyncio.Queue()
        self._news = asyncio.Condition()
        self._seen = 0

    async def receive(self) -> str:
        if (frame := await self._frames.get()) is None:
            raise ChannelClosed
        return frame

    async def send(self, frame: bytes) -> None:
        await self.reads.wait()
        self.events.append(json.loads(frame))
        async with self._news:
            self._news.notify_all()

    def say(self, event_type: str, **fields: Any) -> None:
        self._frames.put_nowait(json.dumps({"type": event_type, **fields}))

    def append(self, pcm: bytes) -> None:
        self.say("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    def configure(self, **session: Any) -> None:
        self.say("session.update", session={"type": "realtime", **session})

    def leave(self) -> None:
        self._frames.put_nowait(None)

    async def until(self, event_type: str) -> dict[str, Any]:
        """The next event of a type that was not looked at yet."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            while True:
                while self._seen < len(self.events):
                    event = self.events[self._seen]
                    self._seen += 1
                    if event["type"] == event_type:
                        return event
                await self._news.wait()


MakeCore = Callable[..., SessionCore]


class Driven:
    """A session that is going on."""

    def __init__(self, engines: Engines, make_core: MakeCore = SessionCore, rooms: Rooms | None = None) -> None:
        session = Session(id="sess_1", expires_at=0, model="test")
        self.client = FakeChannel()
        self.driver = SessionDriver(
            make_core(session, new_id=counting_ids()),
            engines,
            self.client,
            counting_ids(),
            Metrics(),
            rooms or Rooms(1, keep_ms=0, new_key=lambda: "key"),
        )
        self.running = asyncio.ensure_future(self.driver.run())

    async def outcome(self) -> Outcome:
        async with asyncio.timeout(PATIENCE_S):
            return await self.running

    async def leave(self) -> Outcome:
        self.client.leave()
        return await self.outcome()


@asynccontextmanager
async def driven(engines: Engines, make_core: MakeCore = SessionCore) -> AsyncGenerator[Driven]:
    """A session that its client leaves at the end of the block, if it is still going on."""
    session = Driven(engines, make_core)
    try:
        yield session
    finally:
        await session.leave()


def tone(duration_ms: int, peak: int = 8000) -> bytes:
    """Loud PCM at 24 kHz: speech to the fake detector."""
    return (peak * np.sin(np.arange(24 * duration_ms) * 0.1)).astype("<i2").tobytes()


def quiet(duration_ms: int) -> bytes:
    return bytes(48 * duration_ms)
