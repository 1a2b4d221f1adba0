"""`run_worker`: the main function of the module that a `WorkerProcess` starts in a helper process."""

import asyncio
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from streamsrv.observability.logging import configure_logging
from streamsrv.processes.framing import Heartbeat
from streamsrv.processes.link import Link

T = TypeVar("T")

HEARTBEAT_S = 0.5
"""Seconds from one heartbeat to the next."""


def run_worker(
    serve: Callable[[socket.socket], Coroutine[Any, Any, None]],
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run `serve` on the socket whose descriptor is the first argument of the process. The second and the third are
    the level and the format of the log.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Terminals and service managers signal all processes of a server; it ends this one by closing the socket.
        signal.signal(number, signal.SIG_IGN)
    descriptor, level, log_format = sys.argv[1:4]
    configure_logging(level, "json" if log_format == "json" else "text")
    with socket.socket(fileno=int(descriptor)) as sock, asyncio.Runner(loop_factory=new_loop or _new_loop) as runner:
        runner.run(serve(sock))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        from uvloop import new_event_loop
    except ImportError:  # another environment may lack it
        return asyncio.new_event_loop()
    return new_event_loop()


async def send_heartbeats(link: Link[T], stopped: asyncio.Event, check: Callable[[], None] = lambda: None) -> None:
    """Send heartbeats to the server until `stopped` is set, and call `check` before each."""
    waiting = asyncio.ensure_future(stopped.wait())
    while not waiting.done():
        check()
        link.send(Heartbeat(time.process_time(), _resident_bytes()))
        await asyncio.wait([waiting], timeout=HEARTBEAT_S)


def _resident_bytes() -> int:
    """Return the memory that this process holds; on a system without /proc, the most that it held."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(pages) * resource.getpagesize()
