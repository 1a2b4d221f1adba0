"""The server's side of the process that runs NeMo's toolkit: starts it, and again when it has ended."""

import asyncio
import itertools
import logging
from typing import Protocol

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
from streamsrv.errors import EngineError, Overloaded, Unavailable
from streamsrv.processes.worker_process import WorkerProcess

logger = logging.getLogger(__name__)

MODULE = "streamsrv.engines.asr.nemo_toolkit.worker"
HANG_S = 120.0
"""Seconds without a heartbeat after which the process counts as hung: imports and a GPU's first steps hold the GIL."""
FIRST_DELAY_S = 1.0
"""Seconds from the end of a process to the start of the next one; doubled each time that it fails to load the model."""
MAX_DELAY_S = 60.0


class Listener(Protocol):
    """What a stream hears from the process."""

    def ready(self, loaded: Loaded) -> None:
        """The model is loaded: audio may be sent."""
        ...

    def heard(self, message: Heard) -> None: ...

    def fail(self, error: EngineError) -> None: ...


class NemoProcess:
    """Keeps one process running. `open` gives a stream its number; all its streams fail when the process ends."""

    def __init__(self, load: Load, name: str) -> None:
        self._load = load
        self._name = name
        self._numbers = itertools.count(1)
        self._listeners: dict[int, Listener] = {}
        self._worker: WorkerProcess[NemoMessage] | None = None
        self._loaded: asyncio.Future[Loaded] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._is_closed = False
        self._was_loaded = False
        self._failure: Unavailable | None = None

    @property
    def model(self) -> Loaded | None:
        """The model, once it is loaded."""
        is_loaded = self._loaded is not None and self._loaded.done() and self._loaded.exception() is None
        return self._loaded.result() if is_loaded and self._loaded is not None else None

    @property
    def pid(self) -> int | None:
        """The process, if one runs."""
        return self._worker.pid if self._worker is not None else None

    async def start(self) -> None:
        """Start the process unless it runs, and wait until it has loaded the model; raises `Unavailable`."""
        if self._loaded is None:
            self._loaded = asyncio.get_running_loop().create_future()
            self._was_loaded = False
            self._loaded.add_done_callback(lambda done: done.cancelled() or done.exception())  # may have no reader
            try:
                self._worker = await WorkerProcess[NemoMessage].spawn(
                    MODULE, FRAMING, self._take, self._ended, name="NeMo", hang_s=HANG_S
                )
            except Unavailable as error:
                self._lose(error)
                raise
            self._worker.send(self._load)
        await asyncio.shield(self._loaded)

    def open(self, listener: Listener) -> int:
        """Give a stream its number; without a `model` yet, `listener` is told when there is. Raises `EngineError`."""
        if self._is_closed:
            raise Unavailable(f"{self._name} is closed.")
        if len(self._listeners) >= self._load.streams:
            raise Overloaded(f"{self._name} recognises {self._load.streams} utterances at once, and no more.")
        if self._failure is not None:
            raise Unavailable(str(self._failure))
        number = next(self._numbers)
        self._listeners[number] = listener
        if self._loaded is None:
            self._start_later(0)
        return number

    def send(self, stream: int, pcm: bytes, language: str) -> None:
        """Send audio, in whole chunks."""
        if self._worker is not None:
            self._worker.send(Hear(stream, pcm, language))

    def close(self, stream: int) -> None:
        """Forget a stream, and free its slot."""
        if self._listeners.pop(stream, None) is not None and self._worker is not None:
            self._worker.send(Close(stream))

    async def aclose(self) -> None:
        """End the process, and its streams; safe to call twice."""
        self._is_closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._worker is not None:
            await self._worker.stop()
        self._fail_all(Unavailable(f"{self._name} is closed."))

    def _take(self, message: NemoMessage) -> None:
        match message:
            case Loaded() as loaded:
                logger.info("%s runs on %s in process %d", self._name, loaded.device, self.pid)
                self._was_loaded = True
                if self._loaded is not None and not self._loaded.done():
                    self._failure = None
                    self._loaded.set_result(loaded)
                for listener in list(self._listeners.values()):
                    listener.ready(loaded)
            case Heard(stream=stream) if stream in self._listeners:
                self._listeners[stream].heard(message)
            case Broken(stream=stream, reason=reason) if stream in self._listeners:
                self._listeners.pop(stream).fail(Unavailable(f"{self._name} failed: {reason}"))
            case Failed(reason=reason):
                what = "failed" if self._was_loaded else "could not be loaded"
                self._lose(Unavailable(f"{self._name} {what}: {reason}"))
            case _:
                pass

    def _ended(self) -> None:
        self._worker = None
        if self._is_closed:
            return
        if self._was_loaded:
            self._lose(self._failure or Unavailable(f"The process of {self._name} has ended; another one starts."))
            logger.error("the process of %s has ended; another one is being started", self._name)
            self._start_later(FIRST_DELAY_S)
        else:
            self._lose(self._failure or Unavailable(f"{self._name} could not be loaded: its process has ended"))

    def _lose(self, error: Unavailable) -> None:
        """Fail everything that waits for the process."""
        self._failure = error
        loaded, self._loaded = self._loaded, None
        if loaded is not None and not loaded.done():
            loaded.set_exception(error)
        self._fail_all(error)

    def _fail_all(self, error: Unavailable) -> None:
        listeners, self._listeners = list(self._listeners.values()), {}
        for listener in listeners:
            listener.fail(error)

    def _start_later(self, delay_s: float) -> None:
        if self._starting is None or self._starting.done():
            self._starting = asyncio.get_running_loop().create_task(self._restart(delay_s), name=f"start-{self._name}")

    async def _restart(self, delay_s: float) -> None:
        while not self._is_closed:
            await asyncio.sleep(delay_s)
            try:
                await self.start()
                return
            except Unavailable as error:
                logger.error("%s; tried again later", error)
                delay_s = min(max(delay_s * 2, FIRST_DELAY_S), MAX_DELAY_S)
