"""The main module of a process with a synthesiser. A `KeptProcess` of the server starts it.

One thread loads the model, by the module that the first message names, and speaks the segments of all streams together.
"""

import socket
import threading
from collections import deque
from collections.abc import Sequence
from importlib import import_module

from streamsrv.engines.tts.process.loop import SpeechLoop
from streamsrv.engines.tts.process.messages import FRAMING, Broken, Cancel, Load, Speak, SpeechMessage
from streamsrv.errors import Rejected
from streamsrv.processes.model_worker import ModelWorker, reason_of
from streamsrv.processes.worker_main import run_worker


class SpeechWorker:
    """Gives the requests of the server to the model, between two of its steps and in their order."""

    def __init__(self) -> None:
        self._worker: ModelWorker[SpeechMessage] = ModelWorker(FRAMING, self._take)
        self._requests: deque[Speak | Cancel] = deque()
        self._changed = threading.Condition()

    async def run(self, sock: socket.socket) -> None:
        """Serve until the server closes the socket."""
        await self._worker.run(sock)

    def _take(self, message: SpeechMessage) -> None:
        match message:
            case Load():
                self._worker.start(lambda: self._speak(message), f"speak-{message.name}")
            case Speak() | Cancel():
                with self._changed:
                    self._requests.append(message)
                    self._changed.notify()
            case _:
                pass

    def _speak(self, load: Load) -> None:
        loop: SpeechLoop = import_module(load.module).open_loop(load)
        self._worker.tell([loop.loaded])
        while True:
            for request in self._next(may_wait=loop.is_idle):
                self._give(loop, request)
            if not loop.is_idle:
                with self._worker.step():
                    told = loop.step()
                self._worker.tell(told)

    def _next(self, *, may_wait: bool) -> Sequence[Speak | Cancel]:
        with self._changed:
            if may_wait:
                self._changed.wait_for(lambda: self._requests)
            requests = tuple(self._requests)
            self._requests.clear()
            return requests

    def _give(self, loop: SpeechLoop, request: Speak | Cancel) -> None:
        if isinstance(request, Cancel):
            loop.cancel(request.stream)
            return
        try:
            with self._worker.step():
                loop.begin(request)
        except Exception as error:
            is_rejected = isinstance(error, Rejected)
            reason = str(error) if is_rejected else reason_of(error)
            self._worker.tell([Broken(request.stream, reason, is_rejected)])


async def _serve(sock: socket.socket) -> None:
    await SpeechWorker().run(sock)


if __name__ == "__main__":
    run_worker(_serve)
