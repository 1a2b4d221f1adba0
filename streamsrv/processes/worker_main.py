"""`run_worker`: the main function of the module that a `WorkerProcess` starts in a helper process."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from streamsrv.observability.logging import configure_logging
from streamsrv.processes.framing import Heartbeat
from streamsrv.processes.link import Link

T = TypeVar("T")

HEARTBEAT_S = 0.5
"""Seconds from one heartbeat to the next."""


def run_worker(
    serve: Callable[[socket.socket], Coroutine[Any, Any, None]],
    new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> None:
    """Run `serve` on the socket whose descriptor is the first argument of the process. The second and the third are
    the level and the format of the log.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Terminals and service managers signal all processes of a server; it ends this one by closing the socket.
        signal.signal(number, signal.SIG_IGN)
    descriptor, level, log_format = sys.argv[1:4]
    configure_logging(level, "json" if log_format == "json" else "text")
    with socket.socket(fileno=int(descriptor)) as sock, asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(sock))


async def send_heartbeats(link: Link[T], stopped: asyncio.Event) -> None:
    """Send heartbeats to the server until `stopped` is set."""
    waiting = asyncio.ensure_future(stopped.wait())
    while not waiting.done():
        link.send(Heartbeat(time.process_time()))
        await asyncio.wait([waiting], timeout=HEARTBEAT_S)
