"""An operator's application for incoming calls: real HTTP on loopback, with the stock `openai` package."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from openai import OpenAI

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET_VARIABLE = "TEST_APPLICATION_SECRET"
PATIENCE_S = 20


@dataclass
class CallApplication:
    """Takes webhooks, checks their signatures, and gives each event to `on_call` before it answers.

    `statuses`: what the next webhooks are answered with, in place of 200; `calls`: the ids of the calls in the order of
    the webhooks.
    """

    statuses: list[int] = field(default_factory=list[int])
    answer_headers: str = ""
    on_call: Callable[[str], Awaitable[None]] | None = None
    answers: bool = True
    events: list[Any] = field(default_factory=list[Any])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    url: str = ""
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["CallApplication"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhook"
        async with server:
            yield self

    async def next_call(self, count: int = 1) -> str:
        """Wait for the webhook number `count`, and return the id of its call."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.events) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.events[count - 1].data.call_id

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = [line.partition(":") for line in head.splitlines()[1:] if line]
        headers = {name.lower(): value.strip() for name, _, value in lines}
        body = await reader.readexactly(int(headers["content-length"]))
        event = OpenAI(api_key="any", webhook_secret=SECRET).webhooks.unwrap(body, headers)
        self.events.append(event)
        self.headers.append(headers)
        self._arrived.set()
        status = self.statuses.pop(0) if self.statuses else 200
        if self.on_call is not None and status == 200:
            await self.on_call(event.data.call_id)
        if self.answers:
            writer.write(f"HTTP/1.1 {status} X\r\n{self.answer_headers}content-length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()
