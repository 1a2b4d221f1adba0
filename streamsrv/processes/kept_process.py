"""Keeps a helper process with a model running: starts it again, later each time, when it has ended."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from streamsrv.errors import Unavailable
from streamsrv.processes.back_off import BackOff
from streamsrv.processes.framing import Framing
from streamsrv.processes.interpreter import check
from streamsrv.processes.usage import USAGES
from streamsrv.processes.worker_process import WorkerProcess
from streamsrv.signals import Signal

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

HANG_S = 120.0
"""Seconds without a heartbeat after which a process counts as hung: imports and a GPU's first steps hold the GIL."""
MAX_LOAD_S = 900.0
"""Seconds that a process may take until its model is ready."""


@dataclass(slots=True, eq=False)
class _Run:
    """What is known of one process."""

    ready_s: float | None = None
    """When its model was ready, on the clock of the event loop; None: it is not yet, or never was."""
    has_ended: bool = False
    news: Signal = field(default_factory=Signal)

    def end(self) -> None:
        self.has_ended = True
        self.news.notify()


class KeptProcess(Generic[T, R]):
    """One helper process at a time, which loads a model, says so with a message of type `ready`, and then serves.

    `first` is the message that it gets first. `on_message` gets what it says, `ready` messages too. `on_lost` is called
    each time that a process ends, or cannot be started, with the error for whoever waits for it. A process that ends
    after it was ready is replaced; one that never was is not, and the next `start` tries again.
    """

    def __init__(
        self,
        module: str,
        framing: Framing[T],
        first: T,
        ready: type[R],
        on_message: Callable[[T], None],
        on_lost: Callable[[Unavailable], None],
        *,
        name: str,
        python: str | None = None,
        requires: Sequence[str] = (),
        extra: str = "",
    ) -> None:
        """`python`: the Python of another environment, which must have the modules `requires`; None: this one.

        `extra`: that of this package which installs them.
        """
        self._module = module
        self._framing = framing
        self._first = first
        self._ready_type = ready
        self._on_message = on_message
        self._on_lost = on_lost
        self._name = name
        self._python = python
        self._requires = requires
        self._extra = extra
        USAGES.expect(name)
        self._back_off = BackOff()
        self._news = Signal()
        self._worker: WorkerProcess[T] | None = None
        self._latest: WorkerProcess[T] | None = None
        self._ready: R | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._losses = 0
        self._is_closed = False
        self.failure: Unavailable | None = None
        """Why the latest process ended, until another one is ready."""

    @property
    def ready(self) -> R | None:
        """What the process said when its model was ready; None: it is not."""
        return self._ready

    @property
    def pid(self) -> int | None:
        """The process, if one runs."""
        return self._worker.pid if self._worker is not None else None

    async def start(self) -> R:
        """Start the process unless it runs, and wait until its model is ready; raises `Unavailable`."""
        losses = self._losses
        while self._ready is None and self._losses == losses:
            done = self._keep().done  # it may be about to end, after an earlier loss
            await self._news.wait_until(lambda done=done: done() or self._ready is not None or self._losses > losses)
        if self._ready is None:
            raise Unavailable(str(self.failure))
        return self._ready

    def want(self) -> None:
        """Start the process unless it runs, without waiting; raises `Unavailable` if the latest one has failed."""
        if self._is_closed:
            raise self._closed()
        if self.failure is not None:
            raise Unavailable(str(self.failure))
        self._keep()

    def send(self, message: T) -> None:
        """Send a message; does nothing while no process runs."""
        if self._worker is not None:
            self._worker.send(message)

    async def aclose(self) -> None:
        """End the process, and everything that waits for it; safe to call twice."""
        self._is_closed = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        if self._latest is not None:
            await self._latest.stop()
        self._lose(self._closed())

    def _closed(self) -> Unavailable:
        return Unavailable(f"{self._name} is closed.")

    def _keep(self) -> asyncio.Task[None]:
        if self._is_closed:
            raise self._closed()
        if self._keeping is None or self._keeping.done():
            work = self._keep_running()
            self._keeping = asyncio.get_running_loop().create_task(work, name=f"keep-{self._name}")
            self._keeping.add_done_callback(lambda _: self._news.notify())
        return self._keeping

    async def _keep_running(self) -> None:
        loop, was_ready = asyncio.get_running_loop(), False
        while True:
            run = _Run()
            try:
                await self._run(run)
            except Unavailable as error:
                self._lose(error)
            except Exception as error:
                logger.exception("the process of %s could not be started", self._name)
                self._lose(Unavailable(f"{self._name} could not be started: {type(error).__name__}"))
            was_ready = was_ready or run.ready_s is not None
            if not was_ready:
                return
            delay_s = self._back_off.next_s(0.0 if run.ready_s is None else loop.time() - run.ready_s)
            logger.error("%s: %s Another process is started in %g s.", self._name, self.failure, delay_s)
            await asyncio.sleep(delay_s)

    async def _run(self, run: _Run) -> None:
        """Run one process until it ends, and tell those that wait for it; raises `Unavailable` if it cannot start."""

        def take(message: T) -> None:
            ready: object = message
            if isinstance(ready, self._ready_type):
                self._become_ready(run, ready)
            self._on_message(message)

        if self._python is not None:
            try:
                await asyncio.to_thread(check, self._python, self._requires, self._extra)
            except Unavailable as error:
                raise Unavailable(f"{self._name}: {error}") from error
        worker = await WorkerProcess[T].spawn(
            self._module, self._framing, take, run.end, name=self._name, python=self._python, hang_s=HANG_S
        )
        self._latest = self._worker = worker
        worker.send(self._first)
        try:
            self._lose(await self._reason_of_end(run, worker))
        finally:
            await worker.stop()

    async def _reason_of_end(self, run: _Run, worker: WorkerProcess[T]) -> Unavailable:
        try:
            async with asyncio.timeout(MAX_LOAD_S):
                await run.news.wait_until(lambda: run.ready_s is not None or run.has_ended)
        except TimeoutError:
            return Unavailable(f"{self._name} could not be loaded within {MAX_LOAD_S:g} s.")
        await run.news.wait_until(lambda: run.has_ended)
        if run.ready_s is None:
            return Unavailable(f"{self._name} could not be loaded: {worker.failure or 'its process has ended'}")
        if worker.failure:
            return Unavailable(f"{self._name} failed: {worker.failure}")
        return Unavailable(f"The process of {self._name} has ended; another one starts.")

    def _become_ready(self, run: _Run, message: R) -> None:
        run.ready_s = asyncio.get_running_loop().time()
        run.news.notify()
        self._ready, self.failure = message, None
        self._news.notify()

    def _lose(self, error: Unavailable) -> None:
        """Fail everything that waits for the process."""
        self._worker = self._ready = None
        self.failure = error
        self._losses += 1
        self._news.notify()
        try:
            self._on_lost(error)
        except Exception:
            logger.exception("the end of the process of %s was not handled", self._name)
