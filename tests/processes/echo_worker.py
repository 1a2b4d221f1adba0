"""A helper process for tests: sends back what it is told, and misbehaves on request."""

import asyncio
import os
import socket
import sys
import time

from msgspec import Struct

from streamsrv.processes.framing import Framing, Status
from streamsrv.processes.link import Link
from streamsrv.processes.worker_main import run_worker, send_heartbeats


class Say(Struct, array_like=True, tag=True):
    """To be sent back; or `hang`, `deafen` (go on after the link is closed), `environment`, `log level`."""

    text: str


FRAMING: Framing[Say] = Framing(Say)


class Echo:
    def __init__(self) -> None:
        self._stopped = asyncio.Event()
        self._is_deaf = False
        self._link = Link(FRAMING, self._take, self._stopped.set)

    async def run(self, sock: socket.socket) -> None:
        await self._link.open(sock)
        await send_heartbeats(self._link, self._stopped)
        if self._is_deaf:
            await asyncio.Event().wait()

    def _take(self, message: Say | Status) -> None:
        assert isinstance(message, Say)
        match message.text:
            case "hang":
                time.sleep(1000)
            case "deafen":
                self._is_deaf = True
            case "environment":
                self._link.send(Say("\n".join(os.environ)))
            case "log level":
                self._link.send(Say(sys.argv[2]))
            case _:
                self._link.send(message)


if __name__ == "__main__":
    run_worker(Echo().run)
