"""The server's end of a helper process: starts it, speaks with it, kills it when it hangs, stops it."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import streamsrv
from streamsrv.errors import Unavailable
from streamsrv.processes.environment import helper_environment
from streamsrv.processes.framing import Framing, Heartbeat
from streamsrv.processes.link import Link

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_WAITING_BYTES = 128 * 1024 * 1024
"""A process that leaves more unread hangs, and is killed."""
HANG_S = 10.0
"""A process from which nothing comes for so long hangs, and is killed; it reports twice a second."""
START_S = 60.0
"""The same until its first report."""
STOP_S = 5.0
"""How long a process may take to end by itself."""
TICK_S = 0.5
"""How often the watchdog looks. It counts its looks, not the time between them: while the server's own event loop
stands still there is none, and after that what the process has sent meanwhile is read before the next one."""


class WorkerProcess(Generic[T]):
    """A Python module in a process of its own, and the link to it.

    `on_message` gets what it sends, `on_exit` is called once, when the link is lost. Exceptions of both are logged: one
    of them is the fault of one message, not of the process.
    """

    def __init__(
        self, name: str, framing: Framing[T], on_message: Callable[[T], None], on_exit: Callable[[], None]
    ) -> None:
        self._name = name
        self._on_message = on_message
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self._link = Link(framing, self._received, self._lost)
        self._watchdog: asyncio.TimerHandle | None = None
        self._silent_s = 0.0
        self._patience_s = START_S
        self._cpu_s = 0.0
        self._is_lost = False

    @classmethod
    async def spawn(
        cls,
        module: str,
        framing: Framing[T],
        on_message: Callable[[T], None],
        on_exit: Callable[[], None],
        *,
        name: str,
    ) -> "WorkerProcess[T]":
        """Run `python -m module <descriptor of a socket> <log level>`; raises `Unavailable` if it cannot be started.

        The module calls `streamsrv.processes.worker_main.run_worker`. `name`: what it is called in messages.
        """
        worker = cls(name, framing, on_message, on_exit)
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:  # no descriptor is left
            raise worker._cannot_start(error) from error
        try:
            with theirs:
                worker._process = await _execute(module, theirs)
            await worker._link.open(ours)
        except BaseException as error:
            ours.close()
            worker._kill_if_running()
            if isinstance(error, OSError):
                raise worker._cannot_start(error) from error
            raise
        worker._watch()
        return worker

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def cpu_s(self) -> float:
        """CPU time that it has used."""
        return self._cpu_s

    @property
    def is_lost(self) -> bool:
        """Whether the link is gone: the process has ended, or will in a moment."""
        return self._is_lost

    @property
    def has_exited(self) -> bool:
        return self._process is None or self._process.returncode is not None

    def send(self, message: T) -> None:
        """Tell the process; never waits. Does nothing once it is gone."""
        if self._link.waiting_bytes > MAX_WAITING_BYTES:
            self._kill("does not read what it is sent")
        else:
            self._link.send(message)

    async def stop(self) -> None:
        """Let the process end by itself, or kill it if it takes too long; returns when it has ended."""
        assert self._process is not None
        self._link.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            self._kill("does not stop")
            await self._process.wait()

    def _watch(self) -> None:
        if not self._is_lost:
            self._watchdog = asyncio.get_running_loop().call_later(TICK_S, self._look)

    def _look(self) -> None:
        self._silent_s += TICK_S
        if self._silent_s > self._patience_s:
            self._kill(f"has said nothing for {self._patience_s:g} seconds")
        else:
            self._watch()

    def _received(self, message: T | Heartbeat) -> None:
        self._silent_s, self._patience_s = 0.0, HANG_S
        if isinstance(message, Heartbeat):
            self._cpu_s = message.cpu_s
            return
        try:
            self._on_message(message)
        except Exception:
            logger.exception("a message of type %s failed", type(message).__name__)

    def _lost(self) -> None:
        self._is_lost = True
        if self._watchdog is not None:
            self._watchdog.cancel()
        # Without its socket it has nothing left to do but to end.
        asyncio.get_running_loop().call_later(STOP_S, self._kill_if_running)
        try:
            self._on_exit()
        except Exception:
            logger.exception("the end of the %s process %d was not handled", self._name, self.pid)

    def _kill(self, reason: str) -> None:
        if not self.has_exited:
            logger.error("%s process %d %s; it is killed", self._name, self.pid, reason)
            self._kill_if_running()

    def _kill_if_running(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def _cannot_start(self, error: OSError) -> Unavailable:
        return Unavailable(f"No {self._name} process can be started: {error}.")


async def _execute(module: str, theirs: socket.socket) -> asyncio.subprocess.Process:
    """Start the process; raises `OSError`."""
    environment = helper_environment(
        os.environ,
        package_folder=str(Path(streamsrv.__file__).parents[1]),  # the same code as here, wherever it lies
        separator=os.pathsep,
    )
    level = logging.getLevelName(logging.getLogger("streamsrv").getEffectiveLevel())
    # -P: nothing is imported from the working folder.
    command = (sys.executable, "-P", "-m", module, str(theirs.fileno()), level)
    return await asyncio.create_subprocess_exec(*command, pass_fds=[theirs.fileno()], env=environment)
