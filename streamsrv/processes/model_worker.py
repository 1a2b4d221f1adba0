"""The helper process's side of a model that runs on a thread of its own: the link, and the watch over that thread."""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Generic, TypeVar

from streamsrv.processes.framing import Failed, Framing, Status
from streamsrv.processes.link import Link
from streamsrv.processes.worker_main import HEARTBEAT_S, send_heartbeats

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_STEP_S = 60.0
"""Seconds after which a step of the model counts as hung, and the process ends: a GPU may never answer."""
MAX_UNSENT = 4
"""Calls of `tell` whose messages may wait before the next one waits, too."""


class ModelWorker(Generic[T]):
    """Gives the messages of the server to `take`, on the event loop, and sends what the model's thread says.

    The process ends when the server closes the link, also in the middle of a step or an import.
    """

    def __init__(self, framing: Framing[T], take: Callable[[T], None]) -> None:
        self._take = take
        self._stopped = asyncio.Event()
        self._link: Link[T] = Link(framing, self._received, self._stopped.set, self._flow)
        self._loop = asyncio.get_running_loop()
        self._unsent = threading.BoundedSemaphore(MAX_UNSENT)
        self._flows = threading.Event()
        self._flows.set()
        self._is_working = False
        self._steps = 0
        self._watched_step = 0
        self._watched_s = 0.0

    async def run(self, sock: socket.socket) -> None:
        """Serve until the server closes the socket. Does not return: the process ends."""
        await self._link.open(sock)
        await send_heartbeats(self._link, self._stopped, self._watch)
        os._exit(0)  # the thread may be in the middle of a step, or of an import

    def start(self, work: Callable[[], None], name: str) -> None:
        """Run `work` on a thread. When it ends, whatever it raises, the process cannot go on."""

        def run() -> None:
            try:
                work()
                self.fail("its thread has ended")
            except BaseException as error:  # a library may call sys.exit
                logger.debug("the model cannot go on", exc_info=True)
                self.fail(reason_of(error))

        threading.Thread(target=run, name=name, daemon=True).start()

    def tell(self, messages: Iterable[T]) -> None:
        """Send messages, called on the model's thread, and wait while the server does not read."""
        self._unsent.acquire()
        self._flows.wait()
        self._loop.call_soon_threadsafe(self._send, tuple(messages))

    def fail(self, reason: str) -> None:
        """Tell the server why the process cannot go on, and end it; may be called on any thread."""
        self._loop.call_soon_threadsafe(self._end, reason)

    @contextmanager
    def step(self) -> Generator[None]:
        """Work in this block for at most `MAX_STEP_S`, on the model's thread; an exception is logged."""
        self._steps += 1
        self._is_working = True
        try:
            yield
        except Exception:
            logger.exception("a step of the model failed")
            raise
        finally:
            self._is_working = False

    def _received(self, message: T | Status) -> None:
        if not isinstance(message, Status):
            self._take(message)

    def _send(self, messages: tuple[T, ...]) -> None:
        self._unsent.release()
        for message in messages:
            self._link.send(message)

    def _flow(self, flows: bool) -> None:
        if flows:
            self._flows.set()
        else:
            self._flows.clear()

    def _end(self, reason: str) -> None:
        self._link.send(Failed(reason))
        self._link.close()

    def _watch(self) -> None:
        """Count how long the current step has taken. Counts heartbeats, so that a suspended process is not ended."""
        if not self._is_working or self._watched_step != self._steps:
            self._watched_step, self._watched_s = self._steps, 0.0
            return
        self._watched_s += HEARTBEAT_S
        if self._watched_s > MAX_STEP_S:
            logger.error("a step of the model has taken more than %g s; the process ends", MAX_STEP_S)
            os._exit(1)


def reason_of(error: BaseException) -> str:
    """Return what an exception says, in one line for the operator."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
