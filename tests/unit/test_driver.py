"""What is left of a session when it has ended."""

import asyncio
import base64
import gc
import weakref
from collections.abc import AsyncGenerator, Generator

import numpy as np
import pytest

from harness import counting_ids
from streamsrv.captions.rooms import Rooms
from streamsrv.core.session import SessionCore
from streamsrv.engines.loaded import Engines
from streamsrv.observability.metrics import Metrics
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.channel import ChannelClosed
from streamsrv.runtime.driver import SessionDriver
from streamsrv.testing.fakes import fake_engines

TONE = base64.b64encode((8000 * np.sin(np.arange(24_000) * 0.1)).astype("<i2").tobytes()).decode()
QUESTION = (
    '{"type": "session.update", "session": {"audio": {"input": {"turn_detection": null}}}}',
    f'{{"type": "input_audio_buffer.append", "audio": "{TONE}"}}',
    '{"type": "input_audio_buffer.commit"}',
    '{"type": "response.create"}',
)


class FakeChannel:
    """A client that sends its frames and leaves when it was sent an event of the type `awaited`."""

    has_microphone = False

    def __init__(self, frames: tuple[str, ...], awaited: str) -> None:
        self._frames = list(frames)
        self._awaited = f'"{awaited}"'.encode()
        self._satisfied = asyncio.Event()

    async def receive(self) -> str:
        if self._frames:
            return self._frames.pop(0)
        await self._satisfied.wait()
        raise ChannelClosed

    async def send(self, frame: bytes) -> None:
        if self._awaited in frame:
            self._satisfied.set()


@pytest.fixture
async def engines() -> AsyncGenerator[Engines]:
    engines = fake_engines()
    yield engines
    await engines.aclose()


@pytest.fixture
def no_collection() -> Generator[None]:
    gc.disable()
    yield
    gc.enable()


async def run_session(engines: Engines, channel: FakeChannel) -> "weakref.ref[SessionCore]":
    core = SessionCore(Session(id="sess_1", expires_at=0, model="test"), new_id=counting_ids())
    rooms = Rooms(1, keep_ms=0, new_key=lambda: "key")
    driver = SessionDriver(core, engines, channel, counting_ids(), Metrics(), rooms)
    async with asyncio.timeout(20):
        assert await driver.run() is None
    return weakref.ref(core)


@pytest.mark.parametrize(
    ("frames", "awaited"),
    [((), "session.created"), (QUESTION, "response.done"), (QUESTION, "response.created")],
    ids=["silent", "answered", "in the middle of an answer"],
)
async def test_a_session_that_ended_is_freed_without_a_collection_of_garbage(
    engines: Engines, no_collection: None, frames: tuple[str, ...], awaited: str
):
    core = await run_session(engines, FakeChannel(frames, awaited))
    await asyncio.sleep(0)  # callbacks of what was cancelled
    assert core() is None
