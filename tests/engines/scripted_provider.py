"""A stand-in for a provider of OpenAI's API: real HTTP on loopback, with the answers that a test dictates."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from strict_history import wire_refusal


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **fields}


USAGE = chunk(usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})


class ScriptedProvider:
    """An HTTP server that answers every request with what it was told to, and keeps the requests."""

    def __init__(self) -> None:
        self.base_url = ""
        self.status = 200
        self.body = b"{}"
        self.chunks: Sequence[dict[str, Any]] | None = None
        self.stays_open = False
        self.keeps_alive = False
        """After the chunks comments follow, until the client leaves."""
        self.hangs_up = 0
        """So many requests are dropped without an answer."""
        self.is_strict = False
        """Requests whose function calls and results do not belong together get 400, as OpenAI's do."""
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.paths: list[str] = []
        self.asked = asyncio.Event()
        self.disconnected = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.paths.append(head.split()[1])
        length = next((int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length")), 0)
        if length:
            body = await reader.readexactly(length)
            is_json = "content-type: application/json" in head
            self.requests.append(json.loads(body) if is_json else {"form": body})
        self.asked.set()
        if self.hangs_up:
            self.hangs_up -= 1
            writer.close()
            return
        status, chunks, body = self.status, self.chunks, self.body
        if self.is_strict and length and (refusal := wire_refusal(self.requests[-1]["messages"])):
            self.refused.append(refusal)
            status, chunks = 400, None
            error = {"message": refusal, "type": "invalid_request_error", "param": "messages", "code": None}
            body = json.dumps({"error": error}).encode()
        kind = "application/json" if chunks is None else "text/event-stream"
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n".encode())
        if chunks is None:
            writer.write(body)
        else:
            writer.write(b": keep-alive\n\n")
            for data in chunks:
                writer.write(b"data: " + json.dumps(data).encode() + b"\n\n")
            if self.keeps_alive:
                while not writer.is_closing():
                    writer.write(
                        b": keep-alive\n\n" + b"data: " + json.dumps(chunk({"content": ""})).encode() + b"\n\n"
                    )
                    await asyncio.sleep(0.01)  # a server that queues the request sends them at some pace
            elif self.stays_open:
                await reader.read()  # ends when the client closes its side
                self.disconnected.set()
            else:
                writer.write(b"data: [DONE]\n\n")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
