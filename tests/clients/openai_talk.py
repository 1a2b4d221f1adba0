"""A connection of the stock `openai` package whose events are all checked by `streamsrv.conformance`."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from client_audio import RATE
from serving import RunningServer
from streamsrv.conformance.recorder import Recorder

WAIT_S = 30


class Talk:
    """One connection of the SDK. `events`: what the SDK made of the frames received so far."""

    def __init__(self, connection: AsyncRealtimeConnection, extensions: tuple[str, ...]) -> None:
        self.connection = connection
        self.recorder = Recorder(extensions)
        self.events: list[Any] = []

    async def until(self, event_type: str) -> Any:
        """Receive events up to the next of a type; return that one."""
        async with asyncio.timeout(WAIT_S):
            while True:
                frame = await self.connection.recv_bytes()
                self.recorder.take(frame)
                self.events.append(self.connection.parse_event(frame))
                if self.events[-1].type == event_type:
                    return self.events[-1]

    def of(self, event_type: str) -> list[Any]:
        return [event for event in self.events if event.type == event_type]

    def audio(self) -> bytes:
        """All audio received."""
        return b"".join(base64.b64decode(event.delta) for event in self.of("response.output_audio.delta"))

    async def update(self, **session: Any) -> Any:
        changes: Any = {"type": "realtime", **session}
        await self.connection.session.update(session=changes)
        return (await self.until("session.updated")).session

    async def send(self, audio: bytes) -> None:
        await self.connection.input_audio_buffer.append(audio=base64.b64encode(audio).decode())

    async def say(self, pcm: NDArray[np.int16], step_ms: int = 100) -> None:
        """Append audio piece by piece, as fast as the server takes it."""
        step = RATE * step_ms // 1000
        for start in range(0, len(pcm), step):
            await self.send(pcm[start : start + step].tobytes())

    async def write(self, text: str) -> None:
        await self.connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        )

    async def answer(self, **options: Any) -> Any:
        """Ask for a response; return it when it is done."""
        response: Any = options
        await self.connection.response.create(response=response)
        return (await self.until("response.done")).response


@asynccontextmanager
async def talking(server: RunningServer, *extensions: str, **query: str) -> AsyncGenerator[Talk]:
    """A conversation, or what `query` asks for instead; its order of events is checked at the end."""
    async with AsyncOpenAI(base_url=server.http_url, api_key="any") as client:
        target: dict[str, Any] = {"extra_query": query} if "intent" in query else {"model": "gpt-realtime"}
        async with client.realtime.connect(**target) as connection:
            talk = Talk(connection, extensions)
            await talk.until("session.created")
            yield talk
            talk.recorder.check_order()
