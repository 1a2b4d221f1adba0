"""The main module of the process that runs NeMo's toolkit. A `WorkerProcess` of the server starts it.

One thread loads the model and decodes the steps of all streams together. The process ends when its socket to the
server's process closes, so it never outlives the server.
"""

import socket
import threading
from collections import deque
from dataclasses import dataclass, field

from streamsrv.engines.asr.nemo_toolkit.messages import FRAMING, Broken, Close, Hear, Heard, Load, Loaded, NemoMessage
from streamsrv.engines.asr.nemo_toolkit.pipeline import Chunk, NemoPipeline
from streamsrv.processes.model_worker import ModelWorker, reason_of
from streamsrv.processes.worker_main import run_worker


@dataclass(slots=True)
class _Stream:
    language: str
    waiting: deque[bytes] = field(default_factory=deque[bytes])
    is_known: bool = False
    """Whether the pipeline has heard of it."""


class Decoder:
    """Decodes on the worker's thread for the model."""

    def __init__(self, load: Load, worker: ModelWorker[NemoMessage]) -> None:
        self._load = load
        self._worker = worker
        self._chunk_bytes = 0
        self._streams: dict[int, _Stream] = {}
        self._closed: list[int] = []
        self._changed = threading.Condition()
        worker.start(self._run, "nemo")

    def hear(self, message: Hear) -> None:
        """Queue audio of a stream; the server sends none before the model is loaded."""
        chunk_bytes = self._chunk_bytes
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
        pipeline = NemoPipeline(self._load)
        self._chunk_bytes = 2 * pipeline.chunk_samples
        self._worker.tell([Loaded(pipeline.chunk_samples, pipeline.token_ms, pipeline.languages, pipeline.device)])
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
            with self._worker.step():
                tokens = pipeline.step(chunks)
        except Exception as error:
            if pipeline.device != "cpu":  # after a fault of the GPU nothing works in this process any more
                raise
            for chunk in chunks:
                pipeline.forget(chunk.stream)
            self._worker.tell(Broken(chunk.stream, reason_of(error)) for chunk in chunks)
            with self._changed:
                for chunk in chunks:
                    self._streams.pop(chunk.stream, None)
            return
        self._worker.tell(Heard(chunk.stream, pipeline.chunk_samples, tokens[chunk.stream]) for chunk in chunks)


class Worker:
    """The link to the server's process, and the decoder."""

    def __init__(self) -> None:
        self._worker: ModelWorker[NemoMessage] = ModelWorker(FRAMING, self._take)
        self._decoder: Decoder | None = None

    async def run(self, sock: socket.socket) -> None:
        """Serve until the server's process closes the socket."""
        await self._worker.run(sock)

    def _take(self, message: NemoMessage) -> None:
        match message:
            case Load():
                self._decoder = Decoder(message, self._worker)
            case Hear() if self._decoder is not None:
                self._decoder.hear(message)
            case Close(stream=stream) if self._decoder is not None:
                self._decoder.close(stream)
            case _:
                pass


async def _serve(sock: socket.socket) -> None:
    await Worker().run(sock)


if __name__ == "__main__":
    run_worker(_serve)
