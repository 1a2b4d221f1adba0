"""A media process: `python -m streamsrv.media.worker <fd>`. It owns connections and codecs, and knows no model.

The descriptor is a connected socket to the server's process. The process ends when that socket does, so it never
outlives the server.
"""

import asyncio
import logging
import signal
import socket
import sys
import time

import aioice.ice
import uvloop
from aiortc import RTCIceServer

from streamsrv.media.link import Link
from streamsrv.media.messages import Configure, CpuTime, Ended, Frame, Message, Microphone, Offer
from streamsrv.media.peer import Peer

logger = logging.getLogger(__name__)

REPORT_S = 0.5
"""How often the server learns how busy this process is."""
LOOPBACK = "127.0.0.1"
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""What the server's process may leave unread: half of it is kept free for events, so that audio is dropped first."""


class Worker:
    """The calls of one media process."""

    def __init__(self) -> None:
        self._peers: dict[int, Peer] = {}
        self._tasks = asyncio.TaskGroup()
        self._stopped = asyncio.Event()
        self._link: Link | None = None
        self._ice_servers: list[RTCIceServer] = []

    async def run(self, sock: socket.socket) -> None:
        """Serve until the server's process closes the socket; then let each client know."""
        async with self._tasks:
            self._link = await Link.over(sock, self._take, self._stopped.set)
            stopped = self._tasks.create_task(self._stopped.wait())
            while not self._stopped.is_set():
                self._link.send(CpuTime(time.process_time()))
                await asyncio.wait([stopped], timeout=REPORT_S)
            for peer in self._peers.values():
                peer.end("The server stops.")

    def _take(self, message: Frame) -> None:
        match message:
            case Configure():
                self._configure(message)
            case Offer(call=call, sdp=sdp):
                self._peers[call] = Peer(call, self._ice_servers, self._send)
                self._tasks.create_task(self._serve(call, sdp))
            case Message(call=call) if call in self._peers:
                self._hand_over(self._peers[call], message)
            case _:
                pass  # to a call that has just ended

    def _hand_over(self, peer: Peer, message: Message) -> None:
        try:
            peer.take(message)
        except Exception:  # must not end the other calls of this process
            logger.exception("a message of type %s failed", type(message).__name__)
            peer.end("The media process failed.")

    def _configure(self, options: Configure) -> None:
        self._ice_servers = [
            RTCIceServer(server.url, username=server.username, credential=server.password)
            for server in options.ice_servers
        ]
        if options.hosts or options.offer_loopback:
            _offer(options.hosts)

    async def _serve(self, call: int, sdp: str) -> None:
        try:
            await self._peers[call].run(sdp)
        except Exception:
            logger.exception("call %d failed", call)
            self._send(Ended(call, "The media process failed."))
        finally:
            del self._peers[call]

    def _send(self, message: Message) -> None:
        assert self._link is not None
        waiting = self._link.waiting_bytes
        if waiting > MAX_WAITING_BYTES // 2 and isinstance(message, Microphone):
            return
        if waiting > MAX_WAITING_BYTES:
            logger.error("the server's process does not read; this process stops")
            self._stopped.set()
            return
        self._link.send(message)


def _offer(hosts: list[str]) -> None:
    """Have these addresses offered as ICE candidates, or if there are none, those of all interfaces with the loopback.

    aioice leaves loopback out and has no option for it; this process does nothing but ICE, so its function may be
    replaced.
    """
    all_but_loopback = aioice.ice.get_host_addresses

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        chosen = hosts or [*all_but_loopback(use_ipv4, use_ipv6), LOOPBACK]
        return [host for host in chosen if (use_ipv6 if ":" in host else use_ipv4)]

    aioice.ice.get_host_addresses = addresses


def main() -> None:
    """Run a media process on the socket whose descriptor is the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server closes the socket
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with socket.socket(fileno=int(sys.argv[1])) as sock, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Worker().run(sock))


if __name__ == "__main__":
    main()
