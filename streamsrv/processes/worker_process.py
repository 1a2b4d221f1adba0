"""The server's side of a helper process: starts it, exchanges messages with it, kills it if it hangs, and stops it."""

import asyncio
import logging
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import streamsrv
from streamsrv.errors import Unavailable
from streamsrv.observability.logging import log_format
from streamsrv.processes.environment import helper_environment
from streamsrv.processes.framing import Failed, Framing, Heartbeat, Status
from streamsrv.processes.interpreter import command
from streamsrv.processes.link import Link
from streamsrv.processes.usage import USAGES

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_WAITING_BYTES = 128 * 1024 * 1024
"""Bytes that a process may leave unread before it counts as hung and is killed."""
HANG_S = 10.0
"""Seconds without a heartbeat or message after which a process counts as hung and is killed."""
START_S = 60.0
"""Seconds that a process may take to send its first heartbeat."""
STOP_S = 5.0
"""Seconds that a process may take to end before it is killed."""
TICK_S = 0.5
"""Seconds from one check of the watchdog to the next. The watchdog counts checks, not time: while the server's event
loop is blocked no check runs, and the waiting messages of the process are read before the next check."""


class WorkerProcess(Generic[T]):
    """A Python module in a process of its own, and the link to it.

    `on_message` gets its messages; `on_exit` is called once when the link is lost. Exceptions of both are logged and do
    not stop the process.
    """

    def __init__(
        self,
        name: str,
        framing: Framing[T],
        on_message: Callable[[T], None],
        on_exit: Callable[[], None],
        *,
        hang_s: float | None = None,
    ) -> None:
        self._name = name
        self._hang_s = hang_s
        self._on_message = on_message
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self._link = Link(framing, self._received, self._lost)
        self._watchdog: asyncio.TimerHandle | None = None
        self._silent_s = 0.0
        self._patience_s = START_S
        self._usage = USAGES.begin(name)
        self._has_answered = self._is_lost = self._is_stopped = self._is_counted = False
        self.failure = ""
        """Why the process ends, if it has told; for the operator."""

    @classmethod
    async def spawn(
        cls,
        module: str,
        framing: Framing[T],
        on_message: Callable[[T], None],
        on_exit: Callable[[], None],
        *,
        name: str,
        python: str | None = None,
        hang_s: float | None = None,
    ) -> "WorkerProcess[T]":
        """Run `python -m module <socket descriptor> <log level> <log format>`; raises `Unavailable`.

        The module calls `streamsrv.processes.worker_main.run_worker`. `name`: name of the process in log, errors and
        metrics. `python`: the Python of another environment, which must be checked before. `hang_s` replaces `HANG_S`
        for a process whose libraries block all its threads for long. Messages may come before this returns.
        """
        worker = cls(name, framing, on_message, on_exit, hang_s=hang_s)
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:  # no file descriptors left
            worker._count_end()
            raise worker._cannot_start(error) from error
        try:
            with theirs:
                worker._process = await _execute(python, module, theirs)
            await worker._link.open(ours)
        except BaseException as error:
            ours.close()
            worker._count_end()
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
        """CPU time that the process has used, in seconds."""
        return self._usage.cpu_s

    @property
    def has_answered(self) -> bool:
        """Whether it has said anything yet."""
        return self._has_answered

    @property
    def is_lost(self) -> bool:
        """Whether the link is lost: the process has ended or is about to end."""
        return self._is_lost

    @property
    def has_exited(self) -> bool:
        return self._process is None or self._process.returncode is not None

    def send(self, message: T) -> None:
        """Send a message without waiting. Does nothing once the link is lost."""
        if self._link.waiting_bytes > MAX_WAITING_BYTES:
            self._kill("does not read its messages")
        else:
            self._link.send(message)

    async def stop(self) -> None:
        """Close the link and wait until the process has ended; kill it if it takes longer than `STOP_S`."""
        assert self._process is not None
        self._is_stopped = True
        self._link.close()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._kill("does not stop")
            await self._process.wait()

    def _watch(self) -> None:
        if not self._is_lost:
            self._watchdog = asyncio.get_running_loop().call_later(TICK_S, self._look)

    def _look(self) -> None:
        self._silent_s += TICK_S
        if self._silent_s > self._patience_s:
            self._kill(f"has sent nothing for {self._patience_s:g} seconds")
        else:
            self._watch()

    def _received(self, message: T | Status) -> None:
        self._silent_s, self._patience_s, self._has_answered = 0.0, self._hang_s or HANG_S, True
        if isinstance(message, Heartbeat):
            self._usage.cpu_s, self._usage.memory = message.cpu_s, message.memory
            return
        if isinstance(message, Failed):
            self.failure = message.reason
            return
        try:
            self._on_message(message)
        except Exception:
            logger.exception("a message of type %s failed", type(message).__name__)

    def _lost(self) -> None:
        self._is_lost = True
        self._count_end()
        if self._watchdog is not None:
            self._watchdog.cancel()
        # The process ends when its socket is closed.
        asyncio.get_running_loop().call_later(STOP_S, self._kill_if_running)
        try:
            self._on_exit()
        except Exception:
            logger.exception("the exit handler of the %s process %d failed", self._name, self.pid)

    def _kill(self, reason: str) -> None:
        if not self.has_exited:
            logger.error("%s process %d %s; it is killed", self._name, self.pid, reason)
            self._kill_if_running()

    def _kill_if_running(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def _count_end(self) -> None:
        if not self._is_counted:
            self._is_counted = True
            USAGES.end(self._usage, died=self._process is not None and not self._is_stopped)

    def _cannot_start(self, error: OSError) -> Unavailable:
        return Unavailable(f"No {self._name} process can be started: {error}.")


async def _execute(python: str | None, module: str, theirs: socket.socket) -> asyncio.subprocess.Process:
    """Start the process; raises `OSError`, and `Unavailable` if there is no such Python."""
    folder = str(Path(streamsrv.__file__).parents[1])  # the same code as this process
    environment = helper_environment(
        os.environ, package_folder=folder if python is None else None, separator=os.pathsep
    )
    level = logging.getLevelName(logging.getLogger("streamsrv").getEffectiveLevel())
    return await asyncio.create_subprocess_exec(
        *command(python, module),
        str(theirs.fileno()),
        level,
        log_format(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # libraries print there; the server's belongs to its operator
        pass_fds=[theirs.fileno()],
        env=environment,
    )
