"""Binds the UDP sockets of a media process to ports of a range, so that a firewall can be opened for them."""

import asyncio
import errno
import random
import socket
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

P = TypeVar("P", bound=asyncio.BaseProtocol)

Address = tuple[str, int]


@dataclass(slots=True)
class PortUse:
    """Whether a UDP socket of one call found all ports taken."""

    lacks_port: bool = False


_port_use: ContextVar[PortUse] = ContextVar("port_use")


def watch_ports() -> PortUse:
    """Return what the sockets that this task and its subtasks open from now on find."""
    use = PortUse()
    _port_use.set(use)
    return use


class PortRangeLoop(uvloop.Loop):
    """An event loop that binds UDP sockets to a free port of `udp_ports`; None: to any free port.

    aioice has no option for its ports (its issue 47), but opens each socket with this method of the running loop, and
    skips an address whose socket raises `OSError`. `watch_ports` tells a call about that. Other processes may share the
    range: the kernel decides who gets a port.
    """

    udp_ports: range | None = None

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], P],
        local_addr: Address | None = None,
        remote_addr: Address | None = None,
        *,
        sock: socket.socket | None = None,
        **options: Any,
    ) -> tuple[asyncio.BaseProtocol, P]:
        """Open a UDP socket. Raises `OSError`, with EADDRINUSE if no port of the range is free."""
        if self.udp_ports is None or sock is not None:
            return await super().create_datagram_endpoint(
                protocol_factory, local_addr, remote_addr, sock=sock, **options
            )
        sock = await self._open(self.udp_ports, local_addr, remote_addr)
        try:
            return await super().create_datagram_endpoint(protocol_factory, sock=sock)
        except BaseException:
            sock.close()
            raise

    async def _open(self, ports: range, local_addr: Address | None, remote_addr: Address | None) -> socket.socket:
        """Return a socket at a port of the range, connected to `remote_addr` if there is one."""
        if remote_addr is None:
            assert local_addr is not None
            return _bind(socket.AF_INET6 if ":" in local_addr[0] else socket.AF_INET, local_addr[0], ports)
        (family, _, _, _, remote), *_ = await self.getaddrinfo(*remote_addr, type=socket.SOCK_DGRAM)
        sock = _bind(socket.AddressFamily(family), "::" if family == socket.AF_INET6 else "0.0.0.0", ports)
        try:
            await self.sock_connect(sock, remote)
        except BaseException:
            sock.close()
            raise
        return sock


def _bind(family: socket.AddressFamily, host: str, ports: range) -> socket.socket:
    """Bind a socket to the first free port from a random one on, so that processes rarely try the same port."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        start = random.randrange(len(ports))
        for port in [*ports[start:], *ports[:start]]:
            try:
                sock.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return sock
        _port_use.get(PortUse()).lacks_port = True
        raise OSError(errno.EADDRINUSE, f"no UDP port of {ports[0]}-{ports[-1]} is free at {host}")
    except BaseException:
        sock.close()
        raise
