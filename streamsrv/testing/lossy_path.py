"""Relays UDP between a WebRTC client and a server on loopback, and loses and reorders packets as a seed decides.

It needs no kernel module (`netem` is often missing). Neither end is aware of it: the SDP descriptions that they
exchange contain its ports in place of theirs.
"""

import asyncio
import random
import re
from dataclasses import dataclass
from typing import Any, Self

Address = tuple[str | Any, int]

LOOPBACK = "127.0.0.1"
_CANDIDATE = re.compile(r"(?P<head>a=candidate:\S+ \d+ udp \d+) (?P<host>\S+) (?P<port>\d+) typ host", re.IGNORECASE)


@dataclass(slots=True)
class Impairment:
    """Loss and reordering of the packets in one direction; fields may be changed at any time."""

    loss: float = 0.0
    """Share of packets that are dropped."""
    reordered: float = 0.0
    """Share of packets that are delayed by `reorder_ms`, so that later packets overtake them."""
    reorder_ms: float = 30.0
    passed: int = 0
    dropped: int = 0


class _Side(asyncio.DatagramProtocol):
    """The socket that stands for one end towards the other."""

    def __init__(self, impairment: Impairment, chance: random.Random) -> None:
        self.peer: Address | None = None  # address of the end that uses this socket, from its description
        self.other: _Side | None = None
        self._impairment = impairment  # of packets from the peer
        self._chance = chance
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        assert self._transport is not None
        return self._transport.get_extra_info("sockname")[1]

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(LOOPBACK, 0))

    def datagram_received(self, data: bytes, addr: Address) -> None:
        assert self.other is not None
        impairment, draw = self._impairment, self._chance.random()
        if draw < impairment.loss:
            impairment.dropped += 1
            return
        impairment.passed += 1
        if draw < impairment.loss + impairment.reordered:
            asyncio.get_running_loop().call_later(impairment.reorder_ms / 1000, self.other.send, data)
        else:
            self.other.send(data)

    def send(self, data: bytes) -> None:
        if self._transport is not None and self.peer is not None and not self._transport.is_closing():
            self._transport.sendto(data, self.peer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class LossyPath:
    """The network path of one call: an async context manager, without loss until an `Impairment` is changed.

    Pass the client's description through `from_client` and the server's through `from_server` before the other end
    gets it.
    """

    def __init__(self, seed: int = 0) -> None:
        self.uplink = Impairment()
        """From the client to the server."""
        self.downlink = Impairment()
        """From the server to the client."""
        self._client_side = _Side(self.uplink, random.Random(seed))
        self._server_side = _Side(self.downlink, random.Random(seed + 1))
        self._client_side.other, self._server_side.other = self._server_side, self._client_side

    async def __aenter__(self) -> Self:
        await self._client_side.open()
        await self._server_side.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client_side.close()
        self._server_side.close()

    def from_client(self, sdp: str) -> str:
        """Return the client's description with the relay's port. Raises `ValueError` without a loopback candidate."""
        return _redirect(sdp, self._client_side, self._server_side.port)

    def from_server(self, sdp: str) -> str:
        """Return the server's description with the relay's port. Raises `ValueError` without a loopback candidate."""
        return _redirect(sdp, self._server_side, self._client_side.port)


def _redirect(sdp: str, side: _Side, port: int) -> str:
    """Store the first loopback address of a description as the peer of `side`, and replace its port by `port`.

    The other media sections share its transport (BUNDLE). Other candidates are removed, so that no packet bypasses the
    relay.
    """
    peer = next((found for found in _CANDIDATE.finditer(sdp) if found["host"] == LOOPBACK), None)
    if peer is None:
        raise ValueError(f"the description has no UDP candidate on {LOOPBACK}")
    side.peer = (LOOPBACK, int(peer["port"]))
    lines: list[str] = []
    for line in sdp.splitlines():
        found = _CANDIDATE.match(line)
        if found is not None and found["host"] == LOOPBACK:
            lines.append(f"{found['head']} {LOOPBACK} {port} typ host")
        elif not line.startswith("a=candidate:"):
            lines.append(line)
    return "\r\n".join([*lines, ""])
