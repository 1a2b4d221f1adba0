"""The media processes of a server: started when they are needed, shared by calls, replaced when they die."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from streamsrv.errors import Unavailable
from streamsrv.media.messages import FRAMING, CallMessage, Configure, Ended, Offer, Refused
from streamsrv.processes.worker_process import WorkerProcess

logger = logging.getLogger(__name__)

MEDIA_MODULE = "streamsrv.media.worker"
CALLS_BEFORE_ANOTHER = 4
"""Another process is started, if there may be more, once each has so many calls."""

Listener = Callable[[CallMessage], None]


@dataclass(slots=True, eq=False)
class _Media:
    """One process and who listens to its calls."""

    listeners: dict[int, Listener] = field(default_factory=dict[int, Listener])
    process: WorkerProcess[Configure | CallMessage] = field(init=False)

    def received(self, message: Configure | CallMessage) -> None:
        if not isinstance(message, CallMessage):
            return
        is_last = isinstance(message, Ended | Refused)
        listener = self.listeners.pop(message.call, None) if is_last else self.listeners.get(message.call)
        if listener is not None:
            listener(message)

    def end_calls(self, reason: str) -> None:
        """Tell all who listen that their call has ended."""
        listeners, self.listeners = self.listeners, {}
        for call, listener in listeners.items():
            try:
                listener(Ended(call, reason))
            except Exception:  # the other calls must hear of it, too
                logger.exception("the end of call %d was not handled", call)


class Line:
    """The server's end of one call's media."""

    def __init__(self, media: _Media, call: int) -> None:
        self._media = media
        self.call = call

    def send(self, message: CallMessage) -> None:
        """Tell the media process; never waits."""
        self._media.process.send(message)


class MediaPool:
    """Up to `processes` media processes, none of them before the first call."""

    def __init__(self, processes: int, configure: Configure) -> None:
        self._processes = processes
        self._configure = configure
        self._media: list[_Media] = []
        self._ending: list[_Media] = []
        self._calls = 0
        self._ended_cpu_s = 0.0
        self._starting = asyncio.Lock()
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        """Process ids of those that run."""
        return [media.process.pid for media in self._media]

    @property
    def cpu_s(self) -> float:
        """CPU time that all of them used, those that ended included."""
        return self._ended_cpu_s + sum(media.process.cpu_s for media in self._media)

    async def prepare(self) -> None:
        """Start a first process, because a call is to be expected. Raises `Unavailable`."""
        async with self._starting:
            if not self._media:
                await self._start()

    async def open(self, sdp: str, listener: Listener) -> Line:
        """Give an offer to a media process; `listener` hears `Answer` or `Refused`, and all that follows.

        `Refused` or `Ended` comes last, also when the process dies. Raises `Unavailable` if none can be started.
        """
        async with self._starting:
            media = await self._choose()
            self._calls += 1
            line = Line(media, self._calls)
            media.listeners[line.call] = listener
        line.send(Offer(line.call, sdp))
        return line

    async def aclose(self) -> None:
        """End all processes, and with them their calls. None is started any more."""
        self._is_closed = True
        self._end_calls()
        async with self._starting:  # a process that is just being started is stopped with the rest
            self._end_calls()
            started = [*self._media, *self._ending]
        await asyncio.gather(*(media.process.stop() for media in started))

    def _end_calls(self) -> None:
        for media in self._media:
            media.end_calls("The server stops.")

    async def _choose(self) -> _Media:
        """The process with the fewest calls, or a new one."""
        least = min(self._media, key=lambda media: len(media.listeners), default=None)
        if least is not None and (len(least.listeners) < CALLS_BEFORE_ANOTHER or len(self._media) >= self._processes):
            return least
        return await self._start()

    async def _start(self) -> _Media:
        if self._is_closed:
            raise Unavailable("The server stops.")
        media = _Media()
        media.process = await WorkerProcess[Configure | CallMessage].spawn(
            MEDIA_MODULE, FRAMING, media.received, lambda: self._lost(media), name="media"
        )
        if media.process.is_lost:
            raise Unavailable("A media process died at its start.")
        self._media.append(media)
        media.process.send(self._configure)
        return media

    def _lost(self, media: _Media) -> None:
        """A process has ended, or will in a moment. The next call gets another one."""
        if media in self._media:
            self._media.remove(media)
            self._ended_cpu_s += media.process.cpu_s
            self._ending = [ending for ending in [*self._ending, media] if not ending.process.has_exited]
        if media.listeners:
            logger.error("media process %d died; its calls (%d) end", media.process.pid, len(media.listeners))
        media.end_calls("The media process of the call died.")
