"""Stand-ins for providers: real HTTP on loopback, with the answers that a test dictates.

`ScriptedProvider` has OpenAI's API, `ScriptedMessagesApi` Anthropic's.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, ClassVar, Self

from strict_history import messages_api_refusal, wire_refusal


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **fields}


USAGE = chunk(usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})


class ScriptedProvider:
    """An HTTP server that answers every request with what it was told to, and keeps the requests."""

    _path = "/v1"
    _end = b"data: [DONE]\n\n"
    _nothing: ClassVar[dict[str, Any]] = chunk({"content": ""})

    def __init__(self) -> None:
        self.base_url = ""
        self.status = 200
        self.body = b"{}"
        self.chunks: Sequence[dict[str, Any]] | None = None
        self.stays_open = False
        self.keeps_alive = False
        """After the chunks comments follow, until the client leaves."""
        self.headers: dict[str, str] = {}
        """More headers of the response."""
        self.tail = b""
        """Bytes after the chunks, as they are; nothing follows them."""
        self.breaks_off = False
        """The connection ends before the answer that its headers promised."""
        self.hangs_up = 0
        """So many requests are dropped without an answer."""
        self.is_strict = False
        """Requests whose function calls and results do not belong together get 400, as OpenAI's do."""
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.paths: list[str] = []
        self.received_headers: list[dict[str, str]] = []
        """In lower case, values too."""
        self.asked = asyncio.Event()
        self.disconnected = asyncio.Event()

    def _encode(self, data: dict[str, Any]) -> bytes:
        return b"data: " + json.dumps(data).encode() + b"\n\n"

    def _refusal(self, request: dict[str, Any]) -> str | None:
        return wire_refusal(request["messages"])

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[Self, None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{self._path}"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.paths.append(head.split()[1])
        lines = [line.partition(":") for line in head.splitlines()[1:] if line]
        self.received_headers.append({name: value.strip() for name, _, value in lines})
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
        if self.is_strict and length and (refusal := self._refusal(self.requests[-1])):
            self.refused.append(refusal)
            status, chunks = 400, None
            error = {"message": refusal, "type": "invalid_request_error", "param": "messages", "code": None}
            body = json.dumps({"error": error}).encode()
        kind = "application/json" if chunks is None else "text/event-stream"
        fields = {"content-type": kind, "connection": "close", **self.headers}
        fields |= {"content-length": "1000000"} if self.breaks_off else {}
        written = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {status} X\r\n{written}\r\n".encode())
        if chunks is None:
            writer.write(body)
        else:
            writer.write(b": keep-alive\n\n")
            for data in chunks:
                writer.write(self._encode(data))
            writer.write(self.tail)
            if self.keeps_alive:
                while not writer.is_closing():
                    writer.write(b": keep-alive\n\n" + self._encode(self._nothing))
                    await asyncio.sleep(0.01)  # a server that queues the request sends them at some pace
            elif self.stays_open:
                await reader.read()  # ends when the client closes its side
                self.disconnected.set()
            elif not (self.tail or self.breaks_off):
                writer.write(self._end)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def start(**usage: int) -> dict[str, Any]:
    message = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": []}
    return {"type": "message_start", "message": message | {"usage": {"input_tokens": 10, "output_tokens": 1} | usage}}


def block(index: int, kind: str, *deltas: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """The events of one content block."""
    begin = {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}
    more = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [begin, *more, {"type": "content_block_stop", "index": index}]


def text(*parts: str, index: int = 0) -> list[dict[str, Any]]:
    return block(index, "text", *({"type": "text_delta", "text": part} for part in parts), text="")


def tool_use(*parts: str, index: int = 0, call_id: str = "toolu_1", name: str = "get_weather") -> list[dict[str, Any]]:
    deltas = ({"type": "input_json_delta", "partial_json": part} for part in ("", *parts))
    return block(index, "tool_use", *deltas, id=call_id, name=name, input={})


def stop(reason: str = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5} | usage}, {"type": "message_stop"}]


class ScriptedMessagesApi(ScriptedProvider):
    """A `ScriptedProvider` of the Messages API; `chunks` are its events. If strict, it demands what Claude demands."""

    _path = ""
    _end = b""
    _nothing: ClassVar[dict[str, Any]] = {"type": "ping"}

    def _encode(self, data: dict[str, Any]) -> bytes:
        return f"event: {data['type']}\n".encode() + super()._encode(data)

    def _refusal(self, request: dict[str, Any]) -> str | None:
        return messages_api_refusal(request)
