"""Calls on a server whose media uses a range of UDP ports."""

import asyncio
import re
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import aioice
import pytest
from aioice.ice import TransportPolicy
from aiortc import RTCSessionDescription
from pydantic import ValidationError

from caller import Caller, Reply, calling, form, request
from serving import RunningServer, serving
from streamsrv.media.udp_ports import PortRangeLoop
from streamsrv.settings import Settings
from streamsrv.testing.fakes import fake_engines

LOOPBACK = {"webrtc_hosts": "127.0.0.1"}


def free_range(ports: int) -> tuple[int, int]:
    """A range of UDP ports that are free on loopback now, below those that the kernel gives away."""
    for first in range(20_000, 32_000, ports):
        with ExitStack() as stack:
            try:
                for port in range(first, first + ports):
                    stack.enter_context(taken("127.0.0.1", port))
            except OSError:
                continue
            return first, first + ports - 1
    pytest.fail("no range of free UDP ports")


@contextmanager
def taken(host: str, port: int) -> Generator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, port))
        yield


async def until_free(port: int, server: RunningServer) -> None:
    """Until the media process has closed the sockets of a call, soon after its session has ended."""
    async with asyncio.timeout(20):
        while True:
            try:
                with taken("127.0.0.1", port):
                    return
            except OSError:
                await server.tasks()


def ports_of(caller: Caller) -> set[int]:
    """The ports that the server offered to a caller."""
    answer = caller.connection.remoteDescription.sdp
    return {int(port) for port in re.findall(r"a=candidate:\S+ \d+ udp \d+ \S+ (\d+) ", answer)}


async def answer_to_a_call(server: RunningServer) -> Reply:
    caller = Caller()
    try:
        return await caller.connect(server)
    finally:
        await caller.close()


async def test_calls_at_once_use_ports_of_the_range_each_its_own():
    first, last = free_range(6)
    with serving(fake_engines(), **LOOPBACK, webrtc_ports=f"{first}-{last}", webrtc_processes=2) as server:
        callers = [Caller() for _ in range(6)]
        for caller in callers:
            assert (await caller.connect(server)).status == 201
            assert (await caller.next())["type"] == "session.created"
        assert len(server.app.state.calls.media_pids) == 2
        assert sorted(port for caller in callers for port in ports_of(caller)) == list(range(first, last + 1))
        await asyncio.gather(*(caller.close() for caller in callers))


async def test_a_call_without_a_free_port_is_refused_and_a_later_one_gets_the_port_of_a_call_that_ended():
    first, last = free_range(1)
    with serving(fake_engines(), **LOOPBACK, webrtc_ports=f"{first}-{last}") as server:
        async with calling(server) as caller:
            assert ports_of(caller) == {first}
            refused = await answer_to_a_call(server)
            assert refused.status == 503
            assert refused.error["code"] == "media_ports_in_use"
            assert "All UDP ports" in refused.error["message"]
            assert int(refused.headers["retry-after"]) > 0
            metrics = (await request(server, "GET", "/metrics")).body.decode()
            assert 'streamsrv_refusals_total{reason="full"} 1.0' in metrics
        await until_free(first, server)
        async with calling(server) as caller:
            assert ports_of(caller) == {first}


async def test_a_port_of_another_program_is_left_out():
    first, last = free_range(2)
    with (
        taken("127.0.0.1", first),
        serving(fake_engines(), **LOOPBACK, webrtc_ports=f"{first}-{last}") as server,
    ):
        async with calling(server) as caller:
            assert ports_of(caller) == {last}


async def test_a_call_that_finds_no_port_at_one_of_its_addresses_is_refused():
    """The client may be unable to reach the other address."""
    first, last = free_range(1)
    hosts = {"webrtc_hosts": "127.0.0.1,127.0.0.2"}
    with taken("127.0.0.2", first), serving(fake_engines(), **hosts, webrtc_ports=f"{first}-{last}") as server:
        assert (await answer_to_a_call(server)).error["code"] == "media_ports_in_use"
    with serving(fake_engines(), **hosts, webrtc_ports=f"{first}-{last}") as server:
        async with calling(server) as caller:
            assert ports_of(caller) == {first}


class TurnDouble(asyncio.DatagramProtocol):
    """Notes where each request comes from, and refuses it."""

    def __init__(self) -> None:
        self.clients: list[tuple[str, int]] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.clients.append(addr)
        request = aioice.stun.parse_message(data)
        refusal = aioice.stun.Message(request.message_method, aioice.stun.Class.ERROR, request.transaction_id)
        refusal.attributes["ERROR-CODE"] = (400, "Bad Request")
        self._transport.sendto(bytes(refusal), addr)


def test_the_socket_towards_a_turn_server_has_a_port_of_the_range_too():
    first, last = free_range(2)

    async def gather() -> None:
        loop = asyncio.get_running_loop()
        transport, turn = await loop.create_datagram_endpoint(TurnDouble, local_addr=("127.0.0.1", 0))
        loop.udp_ports = range(first, last + 1)
        address = transport.get_extra_info("sockname")
        connection = aioice.Connection(
            True, turn_server=address, turn_username="u", turn_password="p", transport_policy=TransportPolicy.RELAY
        )
        await connection.gather_candidates()
        assert [first <= port <= last for _, port in turn.clients] == [True]
        await connection.close()
        transport.close()

    with asyncio.Runner(loop_factory=PortRangeLoop) as runner:
        runner.run(gather())


class Nat(asyncio.DatagramProtocol):
    """Passes what arrives at a port of the public address on to the same port of the server, and its answers back."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.passed = 0
        self._server = server
        self._client: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr == self._server:
            target = self._client
        else:
            self._client, target, self.passed = addr, self._server, self.passed + 1
        self._transport.sendto(data, target)


def only_public(answer: str) -> str:
    """What a client can use that does not reach the server's own addresses."""
    return "".join(line for line in answer.splitlines(keepends=True) if " typ host" not in line)


async def test_a_call_is_reached_through_nat_at_the_public_address():
    first, last = free_range(1)
    server = {"webrtc_ports": f"{first}-{last}", "webrtc_public_addresses": "127.0.0.2, ::2"}
    loop = asyncio.get_running_loop()
    transport, nat = await loop.create_datagram_endpoint(
        lambda: Nat(("127.0.0.1", first)), local_addr=("127.0.0.2", first)
    )
    with serving(fake_engines(), **LOOPBACK, **server) as running:
        caller = Caller()
        # Without candidates in the offer, the server cannot reach the client first.
        offer = re.sub("a=candidate:.*\r\n", "", await caller.offer())
        reply = await request(running, "POST", "/v1/realtime/calls", *form(sdp=offer))
        answer = only_public(reply.body.decode())
        assert set(re.findall(r"a=candidate:\S+ 1 udp \d+ (.*)\r", answer)) == {
            f"127.0.0.2 {first} typ srflx raddr 127.0.0.1 rport {first}"
        }
        await caller.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        assert (await caller.next())["type"] == "session.created"
        assert nat.passed
        await caller.close()
    transport.close()


NO_RANGES = ["50000", "50100-50000", "80-90", "50000-70000", "a-b", "50000-", "1-2-3", "५0000-50001"]


@pytest.mark.parametrize("value", NO_RANGES)
def test_a_setting_that_is_no_range_names_what_is_accepted(value: str):
    with pytest.raises(ValidationError, match=f"'{value}' is not a range of UDP ports"):
        Settings(webrtc_ports=value)


def test_a_range_may_hold_one_port():
    assert Settings(webrtc_ports="50000-50000").webrtc_ports == "50000-50000"
