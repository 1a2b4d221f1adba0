"""The media processes of a server: started when they are needed, shared by calls, replaced when they die."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import streamsrv
from streamsrv.errors import Unavailable
from streamsrv.media.link import Link
from streamsrv.media.messages import Configure, CpuTime, Ended, Frame, Message, Offer, Refused

logger = logging.getLogger(__name__)

CALLS_BEFORE_ANOTHER = 4
"""Another process is started, if there may be more, once each has so many calls."""
MAX_WAITING_BYTES = 128 * 1024 * 1024
"""What a media process may leave unread before it is taken for hung and killed."""
HANG_S = 10.0
"""A media process that says nothing for so long (it reports twice a second) is killed: its calls stand still, too."""
START_S = 30.0
"""The same until its first word."""
STOP_S = 5.0
"""How long a media process may take to end its calls."""


@dataclass(slots=True, eq=False)
class _Media:
    """One process and who listens to its calls."""

    process: asyncio.subprocess.Process
    link: Link = field(init=False)
    watchdog: asyncio.TimerHandle = field(init=False)
    cpu_s: float = 0.0
    listeners: dict[int, Callable[[Message], None]] = field(default_factory=dict[int, Callable[[Message], None]])


class Line:
    """The server's end of one call."""

    def __init__(self, pool: "MediaPool", media: _Media, call: int) -> None:
        self._pool = pool
        self._media = media
        self.call = call

    def send(self, message: Message) -> None:
        """Tell the media process; never waits."""
        self._pool.send(self._media, message)


class MediaPool:
    """Up to `processes` media processes, none of them before the first call."""

    def __init__(self, processes: int, configure: Configure) -> None:
        self._processes = processes
        self._configure = configure
        self._media: list[_Media] = []
        self._calls = 0
        self._ended_cpu_s = 0.0
        self._starting = asyncio.Lock()

    @property
    def pids(self) -> list[int]:
        """Process ids of those that run."""
        return [media.process.pid for media in self._media]

    @property
    def cpu_s(self) -> float:
        """CPU time that all of them used, those that ended included."""
        return self._ended_cpu_s + sum(media.cpu_s for media in self._media)

    async def prepare(self) -> None:
        """Start a first process, because a call is to be expected. Raises `Unavailable`."""
        async with self._starting:
            if not self._media:
                await self._start()

    async def open(self, sdp: str, listener: Callable[[Message], None]) -> Line:
        """Give an offer to a media process; `listener` hears `Answer` or `Refused`, and all that follows.

        `Refused` or `Ended` comes last, also when the process dies. Raises `Unavailable` if none can be started.
        """
        async with self._starting:
            media = await self._choose()
            if media not in self._media:
                raise Unavailable("A media process died at its start.")
            self._calls += 1
            line = Line(self, media, self._calls)
            media.listeners[line.call] = listener
        line.send(Offer(line.call, sdp))
        return line

    def send(self, media: _Media, message: Message) -> None:
        if media.link.waiting_bytes > MAX_WAITING_BYTES:
            self._kill(media)
        else:
            media.link.send(message)

    async def aclose(self) -> None:
        """End all processes, and with them their calls."""
        running = self._media.copy()
        for media in running:
            self._end_calls(media, "The server stops.")
            media.link.close()
        for media in running:
            try:
                await asyncio.wait_for(media.process.wait(), STOP_S)
            except TimeoutError:
                media.process.kill()
                await media.process.wait()

    async def _choose(self) -> _Media:
        """The process with the fewest calls, or a new one."""
        least = min(self._media, key=lambda media: len(media.listeners), default=None)
        if least is not None and (len(least.listeners) < CALLS_BEFORE_ANOTHER or len(self._media) >= self._processes):
            return least
        return await self._start()

    async def _start(self) -> _Media:
        ours, theirs = socket.socketpair()
        # The same code as here, wherever it lies, and nothing from the working folder (-P).
        path = os.pathsep.join([str(Path(streamsrv.__file__).parents[1]), *filter(None, [os.getenv("PYTHONPATH")])])
        command = (sys.executable, "-P", "-m", "streamsrv.media.worker", str(theirs.fileno()))
        try:
            process = await asyncio.create_subprocess_exec(
                *command, pass_fds=[theirs.fileno()], env={**os.environ, "PYTHONPATH": path}
            )
        except OSError as error:
            ours.close()
            raise Unavailable(f"No media process can be started: {error}.") from error
        finally:
            theirs.close()
        media = _Media(process)
        self._media.append(media)
        self._watch(media, START_S)
        media.link = await Link.over(ours, lambda message: self._heard(media, message), lambda: self._lost(media))
        media.link.send(self._configure)
        return media

    def _watch(self, media: _Media, patience_s: float) -> None:
        media.watchdog = asyncio.get_running_loop().call_later(patience_s, self._kill, media)

    def _kill(self, media: _Media) -> None:
        if media in self._media:
            logger.error("media process %d hangs; it is killed", media.process.pid)
            media.process.kill()

    def _heard(self, media: _Media, message: Frame) -> None:
        if isinstance(message, CpuTime):
            media.cpu_s = message.seconds
            media.watchdog.cancel()
            self._watch(media, HANG_S)
        if not isinstance(message, Message):
            return
        is_last = isinstance(message, Ended | Refused)
        listener = media.listeners.pop(message.call, None) if is_last else media.listeners.get(message.call)
        if listener is None:
            return
        try:
            listener(message)
        except Exception:  # must not end the other calls of that process
            logger.exception("a message of type %s failed", type(message).__name__)

    def _lost(self, media: _Media) -> None:
        """A process has ended. The next call gets another one."""
        if media.listeners:
            logger.error("media process %d died; its calls (%d) end", media.process.pid, len(media.listeners))
        self._end_calls(media, "The media process of the call died.")

    def _end_calls(self, media: _Media, reason: str) -> None:
        media.watchdog.cancel()
        if media in self._media:
            self._media.remove(media)
            self._ended_cpu_s += media.cpu_s
        listeners, media.listeners = media.listeners, {}
        for call, listener in listeners.items():
            listener(Ended(call, reason))
