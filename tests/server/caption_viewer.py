"""A viewer of a caption room, and what a speaker says there."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from serving import RunningServer
from streamsrv.engines.asr.base import Transcript, Word
from streamsrv.testing.fakes import ScriptedRecognizer
from wire import PATIENCE_S, Wire, quiet, tone, wire

WORDS = (Word("Hello", 320, 600), Word("there.", 700, 1000))


class CaptionedRecognizer(ScriptedRecognizer):
    """A fake that shows what it hears before it is final, and knows word times."""

    def __init__(self) -> None:
        super().__init__("Hello there.", [(600, Transcript("Hello", "bear"))])

    def open(self, options):
        stream = super().open(options)
        stream._final = Transcript("Hello there.", words=WORDS, is_final=True)
        return stream


@dataclass
class Viewer:
    """Reads server-sent events when asked to, and else lets its socket fill; `ids` are those of the final ones."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    received: list[tuple[str, dict]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    _text: str = ""

    async def next(self) -> tuple[str, dict]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                block, mark, rest = self._text.partition("\n\n")
                if not mark:
                    self._text += await self._chunk()
                    continue
                self._text = rest
                fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
                if not fields:
                    return "comment", {}
                if "id" in fields:
                    self.ids.append(fields["id"])
                self.received.append((fields["event"], json.loads(fields["data"])))
                return self.received[-1]

    async def until(self, kind: str) -> dict:
        async with asyncio.timeout(PATIENCE_S):
            while (event := await self.next())[0] != kind:
                pass
        return event[1]

    async def _chunk(self) -> str:
        size = int(await self.reader.readline(), 16)
        if size == 0:
            raise EOFError
        return (await self.reader.readexactly(size + 2))[:-2].decode()


@asynccontextmanager
async def viewer(server: RunningServer, room: str, headers: dict[str, str] | None = None) -> AsyncGenerator[Viewer]:
    """Read the events of a room; `room` may have a query."""
    name, mark, query = room.partition("?")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    asked = {"Host": f"127.0.0.1:{server.port}", **(headers or {})}
    head = "".join(f"{header}: {value}\r\n" for header, value in asked.items())
    path = f"/v1/streamsrv/captions/{name}/events{mark}{query}"
    writer.write(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    made = Viewer(reader, writer, int(lines[0].split()[1]))
    made.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    try:
        yield made
    finally:
        writer.close()


def speaking(server: RunningServer, room: str, **options):
    return wire(f"{server.realtime_url}?intent=transcription&captions={room}", **options)


async def speak(client: Wire) -> None:
    """A whole turn, until its transcript."""
    await client.append(tone(1500) + quiet(700))
    await client.until("conversation.item.input_audio_transcription.completed")


async def choose(client: Wire, **captions: object) -> None:
    """Change the caption options of a session."""
    await client.send("session.update", session={"streamsrv": {"captions": captions}})
    await client.until("session.updated")
