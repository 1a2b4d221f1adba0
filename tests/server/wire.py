"""A bare protocol client: sends JSON, reads JSON, hides nothing."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

PATIENCE_S = 20
"""How long a test waits for an event before it fails."""


class Wire:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.received: list[dict[str, Any]] = []

    async def send(self, event_type: str, **fields: Any) -> None:
        await self.connection.send(json.dumps({"type": event_type, **fields}))

    async def append(self, pcm: bytes) -> None:
        await self.send("input_audio_buffer.append", audio=base64.b64encode(pcm).decode())

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            event = json.loads(await self.connection.recv())
        self.received.append(event)
        return event

    async def until(self, event_type: str) -> dict[str, Any]:
        """The next event of a type; those before it are in `received`."""
        while (event := await self.next())["type"] != event_type:
            pass
        return event

    async def error(self) -> dict[str, Any]:
        return (await self.until("error"))["error"]


@asynccontextmanager
async def wire(url: str, **options: Any) -> AsyncGenerator[Wire]:
    """Connect and read `session.created`."""
    async with connect(url, compression=None, max_size=None, **options) as connection:
        client = Wire(connection)
        assert (await client.next())["type"] == "session.created"
        yield client


def tone(duration_ms: int) -> bytes:
    """Loud PCM at 24 kHz: speech to the fake detector."""
    return (8000 * np.sin(np.arange(24 * duration_ms) * 0.1)).astype("<i2").tobytes()


def quiet(duration_ms: int) -> bytes:
    return bytes(48 * duration_ms)
