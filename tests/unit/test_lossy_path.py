"""The network that loses packets, between two plain UDP sockets."""

import asyncio

import pytest

from streamsrv.testing.lossy_path import LossyPath

SDP = (
    "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    "a=candidate:1 1 udp 2130706431 192.0.2.7 4000 typ host\r\n"
    "a=candidate:2 1 udp 2130706175 127.0.0.1 {port} typ host generation 0\r\n"
    "a=candidate:3 1 tcp 2130706175 127.0.0.1 9 typ host tcptype active\r\n"
    "a=end-of-candidates\r\n"
)


def address_in(sdp: str) -> tuple[str, int]:
    return "127.0.0.1", int(sdp.split("127.0.0.1 ")[1].split()[0])


class End(asyncio.DatagramProtocol):
    """One end of a call: numbers what it sends, keeps what it gets."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.arrived = asyncio.Event()
        self.transport: asyncio.DatagramTransport

    async def open(self) -> str:
        """Its description."""
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return SDP.format(port=self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.received.append(int(data))
        self.arrived.set()

    async def send(self, count: int, to: str) -> None:
        """Send the numbers up to `count` to the address in a description."""
        for number in range(count):
            self.transport.sendto(str(number).encode(), address_in(to))
            await asyncio.sleep(0)  # the others read, so that no socket overflows

    async def until(self, number: int) -> None:
        async with asyncio.timeout(10):
            while number not in self.received:
                self.arrived.clear()
                await self.arrived.wait()


async def seen(path: LossyPath, count: int) -> None:
    """Until that many packets of the client have come to the path."""
    async with asyncio.timeout(10):
        while path.uplink.passed + path.uplink.dropped < count:
            await asyncio.sleep(0)


@pytest.fixture
async def ends():
    client, server = End(), End()
    async with LossyPath(seed=3) as path:
        to_server = path.from_client(await client.open()), path.from_server(await server.open())
        yield path, client, server, to_server
        client.transport.close()
        server.transport.close()


async def test_without_loss_everything_arrives_in_order_both_ways(ends):
    _, client, server, (client_sdp, server_sdp) = ends
    await client.send(200, to=server_sdp)
    await server.send(200, to=client_sdp)
    await server.until(199)
    await client.until(199)
    assert server.received == client.received == list(range(200))


async def test_nothing_leads_around_the_path(ends):
    _, client, _, (client_sdp, _) = ends
    assert client_sdp.count("a=candidate:") == 1
    assert str(client.transport.get_extra_info("sockname")[1]) not in client_sdp
    assert client_sdp.endswith("a=end-of-candidates\r\n")


async def test_the_share_that_is_lost_is_the_share_that_was_asked_for(ends):
    path, client, server, (_, server_sdp) = ends
    path.uplink.loss = 0.05
    await client.send(2000, to=server_sdp)
    await seen(path, 2000)
    path.uplink.loss = 0.0
    client.transport.sendto(b"9999", address_in(server_sdp))
    await server.until(9999)
    assert 70 <= path.uplink.dropped <= 130
    assert len(server.received) == 2001 - path.uplink.dropped


async def test_a_seed_loses_the_same_packets_again():
    async def lost(seed: int) -> set[int]:
        client, server = End(), End()
        async with LossyPath(seed) as path:
            path.from_client(await client.open())
            server_sdp = path.from_server(await server.open())
            path.uplink.loss = 0.1
            await client.send(300, to=server_sdp)
            await seen(path, 300)
            path.uplink.loss = 0.0
            client.transport.sendto(b"9999", address_in(server_sdp))
            await server.until(9999)
            client.transport.close()
            server.transport.close()
        return set(range(300)) - set(server.received)

    assert await lost(1) == await lost(1) != await lost(2)


async def test_reordered_packets_arrive_behind_later_ones(ends):
    path, client, server, (_, server_sdp) = ends
    path.uplink.reordered, path.uplink.reorder_ms = 1.0, 50
    await client.send(1, to=server_sdp)
    await seen(path, 1)
    path.uplink.reordered = 0.0
    client.transport.sendto(b"1", address_in(server_sdp))
    await server.until(0)
    assert server.received == [1, 0]


async def test_a_description_without_a_loopback_address_is_refused():
    async with LossyPath() as path:
        with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
            path.from_client("v=0\r\na=candidate:1 1 udp 2130706431 192.0.2.7 4000 typ host\r\n")
