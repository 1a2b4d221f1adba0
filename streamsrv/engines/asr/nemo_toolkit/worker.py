"""The main module of the process that runs NeMo's toolkit. A `WorkerProcess` of the server starts it.

One thread loads the model and decodes the steps of all streams together. The process ends when its socket to the
server's process closes, so it never outlives the server.
"""

import asyncio
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from streamsrv.engines.asr.nemo_toolkit.messages import (
    FRAMING,
    Broken,
    Close,
    Failed,
    Hear,
    Heard,
    Load,
    Loaded,
    NemoMessage,
)
from streamsrv.engines.asr.nemo_toolkit.pipeline import Chunk, NemoPipeline
from streamsrv.processes.framing import Heartbeat
from streamsrv.processes.link import Link
from streamsrv.processes.worker_main import run_worker, send_heartbeats

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Stream:
    language: str
    waiting: deque[bytes] = field(default_factory=deque[bytes])
    is_known: bool = False
    """Whether the pipeline has heard of it."""


class Decoder:
    """Decodes on a thread of its own; `send` is called there, too."""

    def __init__(self, load: Load, send: Callable[[NemoMessage], None]) -> None:
        self._load = load
        self._send = send
        self._streams: dict[int, _Stream] = {}
        self._closed: list[int] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="nemo", daemon=True)
        self._thread.start()

    def hear(self, message: Hear, chunk_bytes: int) -> None:
        """Queue audio of a stream."""
        with self._changed:
            stream = self._streams.setdefault(message.stream, _Stream(message.language))
            stream.waiting.extend(message.pcm[at : at + chunk_bytes] for at in range(0, len(message.pcm), chunk_bytes))
            self._changed.notify()

    def close(self, number: int) -> None:
        """Drop a stream, and free its slot before the next step."""
        with self._changed:
            if (stream := self._streams.pop(number, None)) is not None and stream.is_known:
                self._closed.append(number)
                self._changed.notify()

    def _run(self) -> None:
        try:
            pipeline = NemoPipeline(self._load)
        except Exception as error:
            logger.debug("NeMo could not load %s", self._load.path, exc_info=True)
            self._send(Failed(f"{type(error).__name__}: {' '.join(str(error).split())}"))
            return
        self._send(Loaded(pipeline.chunk_samples, pipeline.token_ms, pipeline.languages, pipeline.device))
        while True:
            chunks, closed = self._next()
            for number in closed:
                pipeline.forget(number)
            if chunks:
                self._step(pipeline, chunks)

    def _next(self) -> tuple[list[Chunk], list[int]]:
        """Wait for work; return a chunk of each stream that has one, and the streams to forget first."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or any(stream.waiting for stream in self._streams.values()))
            closed, self._closed = self._closed, []
            chunks: list[Chunk] = []
            for number, stream in self._streams.items():
                if stream.waiting:
                    chunks.append(Chunk(number, stream.waiting.popleft(), not stream.is_known, stream.language))
                    stream.is_known = True
            return chunks, closed

    def _step(self, pipeline: NemoPipeline, chunks: list[Chunk]) -> None:
        try:
            tokens = pipeline.step(chunks)
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            logger.exception("a step of %d streams failed", len(chunks))
            if pipeline.device != "cpu":  # after a fault of the GPU nothing works in this process any more
                self._send(Failed(reason))
                return
            for chunk in chunks:
                pipeline.forget(chunk.stream)
                self._send(Broken(chunk.stream, reason))
            with self._changed:
                for chunk in chunks:
                    self._streams.pop(chunk.stream, None)
            return
        for chunk in chunks:
            self._send(Heard(chunk.stream, pipeline.chunk_samples, tokens[chunk.stream]))


class Worker:
    """The link to the server's process, and the decoder."""

    def __init__(self) -> None:
        self._stopped = asyncio.Event()
        self._link: Link[NemoMessage] = Link(FRAMING, self._take, self._stopped.set)
        self._loop = asyncio.get_running_loop()
        self._decoder: Decoder | None = None
        self._chunk_bytes = 0

    async def run(self, sock: socket.socket) -> None:
        """Serve until the server's process closes the socket."""
        await self._link.open(sock)
        await send_heartbeats(self._link, self._stopped)
        os._exit(0)  # the thread may be in the middle of a step, or of an import

    def _take(self, message: NemoMessage | Heartbeat) -> None:
        match message:
            case Load():
                self._decoder = Decoder(message, self._tell_soon)
            case Hear() if self._decoder is not None and self._chunk_bytes:
                self._decoder.hear(message, self._chunk_bytes)
            case Close(stream=stream) if self._decoder is not None:
                self._decoder.close(stream)
            case _:
                pass

    def _tell_soon(self, message: NemoMessage) -> None:
        self._loop.call_soon_threadsafe(self._tell, message)

    def _tell(self, message: NemoMessage) -> None:
        if isinstance(message, Loaded):
            self._chunk_bytes = 2 * message.chunk_samples
        self._link.send(message)
        if isinstance(message, Failed):
            self._link.close()


async def _serve(sock: socket.socket) -> None:
    await Worker().run(sock)


if __name__ == "__main__":
    run_worker(_serve)
