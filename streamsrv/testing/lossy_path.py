"""A stretch of network between a WebRTC client and a server that loses and reorders packets, by a seed.

It relays UDP on loopback and needs nothing of the kernel (`netem` is often missing). Neither end knows of it: the
descriptions that they exchange name its ports in place of theirs.
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
    """What happens to the packets of one direction; each field may be changed while they flow."""

    loss: float = 0.0
    """Share of packets that are dropped."""
    reordered: float = 0.0
    """Share of packets that are held back for `reorder_ms`, so that later ones overtake them."""
    reorder_ms: float = 30.0
    passed: int = 0
    dropped: int = 0


class _Side(asyncio.DatagramProtocol):
    """The socket that one end takes for the other end."""

    def __init__(self, impairment: Impairment, chance: random.Random) -> None:
        self.peer: Address | None = None  # whom this socket talks to: named in a description
        self.other: _Side | None = None
        self._impairment = impairment  # of the packets that come from the peer
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
    """The way of one call; open while its `async with` block runs, and without loss until told otherwise.

    Give the client's description to `from_client` before the server sees it, and the server's to `from_server`.
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
        """The client's description, as the server is to see it; raises `ValueError`."""
        return _redirect(sdp, self._client_side, self._server_side.port)

    def from_server(self, sdp: str) -> str:
        """The server's description, as the client is to see it; raises `ValueError`."""
        return _redirect(sdp, self._server_side, self._client_side.port)


def _redirect(sdp: str, side: _Side, port: int) -> str:
    """Note the first loopback address of a description as the peer of a side, and name `port` in its place.

    The other media sections share its transport (BUNDLE). Other candidates are left out: nothing goes around the path.
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
