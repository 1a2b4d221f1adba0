"""The main module of a media process, which holds connections and codecs. A `WorkerProcess` of the server starts it.

The process ends when its socket to the server's process closes, so it never outlives the server.
"""

import asyncio
import logging
import socket

import aioice.ice
from aiortc import RTCIceServer

from streamsrv.media.messages import FRAMING, CallMessage, Configure, Ended, Microphone, Offer
from streamsrv.media.peer import Peer
from streamsrv.media.seams import answer_with_offered_payload_types
from streamsrv.media.udp_ports import PortRangeLoop
from streamsrv.processes.framing import Status
from streamsrv.processes.link import Link
from streamsrv.processes.worker_main import run_worker, send_heartbeats

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""Bytes that the server's process may leave unread. Half of them are reserved for events, so audio is dropped first."""


class Worker:
    """The calls of one media process."""

    def __init__(self) -> None:
        self._peers: dict[int, Peer] = {}
        self._tasks = asyncio.TaskGroup()
        self._stopped = asyncio.Event()
        self._link: Link[Configure | CallMessage] = Link(FRAMING, self._take, self._stopped.set)
        self._ice_servers: list[RTCIceServer] = []
        self._public_addresses: list[str] = []

    async def run(self, sock: socket.socket) -> None:
        """Serve until the server's process closes the socket; then end each call with a reason."""
        async with self._tasks:
            await self._link.open(sock)
            await send_heartbeats(self._link, self._stopped)
            for peer in self._peers.values():
                peer.end("The server stops.")

    def _take(self, message: Configure | CallMessage | Status) -> None:
        match message:
            case Configure():
                self._configure(message)
            case Offer(call=call, sdp=sdp):
                self._open(call, sdp)
            case CallMessage(call=call) if call in self._peers:
                self._hand_over(self._peers[call], message)
            case _:
                pass  # the call has just ended

    def _open(self, call: int, sdp: str) -> None:
        try:
            self._peers[call] = Peer(call, self._ice_servers, self._public_addresses, self._send)
        except Exception:  # must not end the other calls of this process
            logger.exception("call %d cannot be served", call)
            self._send(Ended(call, "The media process failed."))
        else:
            self._tasks.create_task(self._serve(call, sdp))

    def _hand_over(self, peer: Peer, message: CallMessage) -> None:
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
        self._public_addresses = options.public_addresses
        if options.hosts or options.offer_loopback:
            _offer(options.hosts)
        if options.ports is not None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, PortRangeLoop)
            loop.udp_ports = range(options.ports[0], options.ports[1] + 1)

    async def _serve(self, call: int, sdp: str) -> None:
        try:
            await self._peers[call].run(sdp)
        except Exception:
            logger.exception("call %d failed", call)
            self._send(Ended(call, "The media process failed."))
        finally:
            del self._peers[call]

    def _send(self, message: CallMessage) -> None:
        if not self._link.send_within(message, MAX_WAITING_BYTES, is_audio=isinstance(message, Microphone)):
            logger.error("the server's process does not read; stopping")
            self._stopped.set()


def _offer(hosts: list[str]) -> None:
    """Offer these addresses as ICE candidates, or if the list is empty, those of all interfaces including loopback.

    Replaces a function of aioice, which has no option for loopback. Nothing else in this process uses it.
    """
    all_but_loopback = aioice.ice.get_host_addresses

    def addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        chosen = hosts or [*all_but_loopback(use_ipv4, use_ipv6), LOOPBACK]
        return [host for host in chosen if (use_ipv6 if ":" in host else use_ipv4)]

    aioice.ice.get_host_addresses = addresses


if __name__ == "__main__":
    answer_with_offered_payload_types()
    run_worker(Worker().run, PortRangeLoop)
