"""Runs the media processes of a server: starts them when needed, shares them among calls, replaces those that die."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from streamsrv.errors import Unavailable
from streamsrv.media.messages import FRAMING, CallMessage, Configure, Ended, Offer, Refused
from streamsrv.processes.back_off import BackOff
from streamsrv.processes.usage import USAGES
from streamsrv.processes.worker_process import WorkerProcess

logger = logging.getLogger(__name__)

MEDIA_MODULE = "streamsrv.media.worker"
NAME = "media"
"""The name of media processes in log, errors and metrics."""
MAX_CALLS_BEFORE_NEW_PROCESS = 4
"""Calls that each process carries before a further process is started, within `processes`."""

Listener = Callable[[CallMessage], None]


@dataclass(slots=True, eq=False)
class _Media:
    """One media process and the listeners of its calls, by call number."""

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
        """Tell every listener that its call has ended."""
        listeners, self.listeners = self.listeners, {}
        for call, listener in listeners.items():
            try:
                listener(Ended(call, reason))
            except Exception:  # the other listeners must be told, too
                logger.exception("the end of call %d was not handled", call)


class Line:
    """Sends the messages of one call to its media process."""

    def __init__(self, media: _Media, call: int) -> None:
        self._media = media
        self.call = call

    def send(self, message: CallMessage) -> None:
        """Send a message to the media process; never waits."""
        self._media.process.send(message)


class MediaPool:
    """Up to `processes` media processes. None is started before the first call is expected.

    `on_death` is called when one dies that carries calls.
    """

    def __init__(self, processes: int, configure: Configure, on_death: Callable[[], None] = lambda: None) -> None:
        self._on_death = on_death
        self._processes = processes
        self._configure = configure
        self._media: list[_Media] = []
        self._ending: list[_Media] = []
        self._calls = 0
        self._back_off = BackOff()
        self._next_start_s = 0.0
        USAGES.expect(NAME)
        self._starting = asyncio.Lock()
        self._is_closed = False

    @property
    def pids(self) -> list[int]:
        """Process ids of the media processes that run."""
        return [media.process.pid for media in self._media]

    async def prepare(self) -> None:
        """Start a first process ahead of an expected call. Raises `Unavailable`."""
        async with self._starting:
            if not self._media:
                await self._start()

    async def open(self, sdp: str, listener: Listener) -> Line:
        """Give an offer to a media process; `listener` gets `Answer` or `Refused`, and all later messages.

        `Refused` or `Ended` comes last, also if the process dies. Raises `Unavailable` if no process can start.
        """
        async with self._starting:
            media = await self._choose()
            self._calls += 1
            line = Line(media, self._calls)
            media.listeners[line.call] = listener
        line.send(Offer(line.call, sdp))
        return line

    async def aclose(self) -> None:
        """Stop all processes and end their calls. No process is started after that."""
        self._is_closed = True
        self._end_calls()
        async with self._starting:  # so that a process that is being started is stopped, too
            self._end_calls()
            started = [*self._media, *self._ending]
        await asyncio.gather(*(media.process.stop() for media in started))

    def _end_calls(self) -> None:
        for media in self._media:
            media.end_calls("The server stops.")

    async def _choose(self) -> _Media:
        """Return the process with the fewest calls, or start a new one."""
        least = min(self._media, key=lambda media: len(media.listeners), default=None)
        if least is not None and (
            len(least.listeners) < MAX_CALLS_BEFORE_NEW_PROCESS or len(self._media) >= self._processes
        ):
            return least
        return await self._start()

    async def _start(self) -> _Media:
        if self._is_closed:
            raise Unavailable("The server stops.")
        wait_s = self._next_start_s - asyncio.get_running_loop().time()
        if wait_s > 0:
            raise Unavailable(f"Media processes end at their start; the next one may start in {wait_s:.0f} s.")
        media = _Media()
        media.process = await WorkerProcess[Configure | CallMessage].spawn(
            MEDIA_MODULE, FRAMING, media.received, lambda: self._process_ended(media), name=NAME
        )
        if media.process.is_lost:
            self._judge(media)
            raise Unavailable("A media process died at its start.")
        self._media.append(media)
        media.process.send(self._configure)
        return media

    def _process_ended(self, media: _Media) -> None:
        """Remove a process that has ended or is about to end, and end its calls."""
        if media in self._media:
            self._media.remove(media)
            self._judge(media)
            self._ending = [ending for ending in [*self._ending, media] if not ending.process.has_exited]
        if media.listeners:
            self._on_death()
            logger.error("media process %d died; its calls (%d) end", media.process.pid, len(media.listeners))
        media.end_calls("The media process of the call died.")

    def _judge(self, media: _Media) -> None:
        """Let calls wait longer each time that a process ends at its start, as without a library that it needs."""
        if media.process.has_answered or self._is_closed:
            self._back_off = BackOff()
        else:
            self._next_start_s = asyncio.get_running_loop().time() + self._back_off.next_s(0)
