"""A fake of the process with NeMo's toolkit: it hears one word in each chunk. A model's path says how it fails."""

import asyncio
import os
import socket

from streamsrv.engines.asr.nemo_toolkit.messages import (
    FRAMING,
    Broken,
    Close,
    Hear,
    Heard,
    Load,
    Loaded,
    NemoMessage,
)
from streamsrv.processes.framing import Failed, Status
from streamsrv.processes.link import Link
from streamsrv.processes.worker_main import run_worker, send_heartbeats

CHUNK = 2560
CANNOT_LOAD, DIES_AT_START, BREAKS, SPEAKS_GERMAN = "cannot-load", "dies-at-start", "breaks", "speaks-german"


class FakeWorker:
    """Answers at once. Nothing is freed before its stream is closed, as in the real one."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()
        self._link: Link[NemoMessage] = Link(FRAMING, self._take, self._stopped.set)
        self._path = ""
        self._heard: dict[int, int] = {}

    async def run(self, sock: socket.socket) -> None:
        await self._link.open(sock)
        await send_heartbeats(self._link, self._stopped)

    def _take(self, message: NemoMessage | Status) -> None:
        match message:
            case Load(path=path):
                self._path = path
                if CANNOT_LOAD in path:
                    self._link.send(Failed("ValueError: it is no model"))
                    self._link.close()
                elif DIES_AT_START in path:
                    os._exit(3)
                else:
                    self._link.send(Loaded(CHUNK, 80.0, ["de"] if SPEAKS_GERMAN in path else [], "cpu"))
            case Hear(stream=stream, pcm=pcm):
                if BREAKS in self._path:
                    self._link.send(Broken(stream, "RuntimeError: out of memory"))
                    return
                for _ in range(len(pcm) // (2 * CHUNK)):
                    number = self._heard[stream] = self._heard.get(stream, 0) + 1
                    self._link.send(Heard(stream, CHUNK, [(f"▁w{number}", (number - 1) * 160.0)]))
            case Close(stream=stream):
                self._heard.pop(stream, None)
            case _:
                pass


async def _serve(sock: socket.socket) -> None:
    await FakeWorker().run(sock)


if __name__ == "__main__":
    run_worker(_serve)
