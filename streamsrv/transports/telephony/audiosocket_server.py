"""The TCP server to which Asterisk connects with AudioSocket, one connection for each call.

The protocol has no authentication but the call's UUID, so only listed peers may connect, and the operator may ask that
each UUID is fetched from this server before (`POST /v1/calls/audiosocket`).
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from uuid import uuid4

from streamsrv.access.principal import Principal
from streamsrv.service import Service
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.agents import find_agent
from streamsrv.transports.telephony.audiosocket_line import AudioSocketConnection, AudioSocketLine
from streamsrv.transports.telephony.codec import MalformedMessage
from streamsrv.transports.telephony.codecs.audiosocket import HANG_UP, AudioCame, CallNamed, Message, message
from streamsrv.transports.telephony.exchange import Serve, telephone_principal
from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.media_socket import StreamRefused
from streamsrv.transports.telephony.oddities import Oddities
from streamsrv.transports.telephony.tokens import Admitted, PhoneTokens, TokenRefused

logger = logging.getLogger(__name__)

PROVIDER = "audiosocket"
START_S = 10.0
"""How many seconds Asterisk may take to say which call it carries."""
FIRST_AUDIO_S = 1.0
"""How many seconds the first audio is waited for, which tells the sample rate; after that the rate is the usual one."""
USUAL_RATE_HZ = 8_000
"""The rate of the application AudioSocket()."""
CLOSE_S = 2.0
"""How many seconds Asterisk may take to read the end."""
MAX_UNSTARTED = 64
"""Connections at once that have not said which call they carry."""
MAX_EARLY = 500
"""Messages that may come before the UUID."""


@dataclass(slots=True)
class AudioSocketServer:
    """The calls of all connections. `announced`: UUIDs that were fetched before, each good for one connection."""

    service: Service
    serve_call: Serve
    announced: PhoneTokens = field(default_factory=lambda: PhoneTokens(lambda: str(uuid4())))
    port: int = 0
    """The TCP port; 0: there is no server."""
    _lines: dict[str, AudioSocketLine] = field(default_factory=dict[str, AudioSocketLine])
    _unstarted: int = 0

    def announce(self, principal: Principal, caller: str, called: str) -> str:
        """Return a UUID for a call that will connect soon. Raises `StreamRefused` if nobody answers the number, and
        `NoRoomForTokens`."""
        facts = CallFacts(PROVIDER, "", caller, called)
        return self.announced.issue(Admitted(facts, self._agent_of(facts), principal), time.time())

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        peer = str(writer.get_extra_info("peername", ("",))[0])
        if not self._is_allowed(peer):
            logger.warning("an AudioSocket connection of %s is refused: audiosocket_peers does not have it", peer)
            writer.transport.abort()
            return
        if self._unstarted >= MAX_UNSTARTED:
            logger.warning("an AudioSocket connection is refused: too many have not named their call yet")
            writer.transport.abort()
            return
        try:
            self.service.background.spawn(self._serve(reader, writer), "a call over AudioSocket")
        except RuntimeError:  # the server stops
            writer.transport.abort()

    def _is_allowed(self, peer: str) -> bool:
        try:
            address: IPv4Address | IPv6Address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.service.settings.audiosocket_peers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        oddities = Oddities(PROVIDER, lambda oddity: self.service.metrics.phone_message_ignored(PROVIDER, oddity))
        connection = AudioSocketConnection(reader)
        try:
            line, agent, principal = await self._started(connection, writer, oddities)
        except StreamRefused as refused:
            logger.warning("a call over AudioSocket is refused: %s", refused)
            await _close(writer, message(HANG_UP))
            return
        except BaseException:
            writer.transport.abort()
            raise
        call_id = line.facts.provider_call_id
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(line.run())
                try:
                    await self.serve_call(line, agent, principal)
                finally:
                    line.end("The call has ended.")
        finally:
            del self._lines[call_id]
            await _close(writer)

    async def _started(
        self, connection: AudioSocketConnection, writer: asyncio.StreamWriter, oddities: Oddities
    ) -> tuple[AudioSocketLine, Agent, Principal]:
        """Find out which call this is and its rate; raises `StreamRefused`."""
        self._unstarted += 1
        try:
            call_id = await _call_id(connection, oddities)
        finally:
            self._unstarted -= 1
        if call_id in self._lines:
            raise StreamRefused(f"The call {call_id} is connected already.")
        admitted = self._admit(call_id)
        sample_rate, early = await _first_audio(connection, oddities)
        if call_id in self._lines:
            raise StreamRefused(f"The call {call_id} is connected already.")
        line = AudioSocketLine(connection, writer, admitted.facts, sample_rate, early, oddities)
        self._lines[call_id] = line
        return line, admitted.agent, admitted.principal or telephone_principal(self.service.settings)

    def _admit(self, call_id: str) -> Admitted:
        try:
            admitted = self.announced.redeem(call_id, PROVIDER, "", time.time())
        except TokenRefused:
            if self.service.settings.audiosocket_announced:
                raise StreamRefused(
                    "Its UUID was not fetched here within the last minute, or was used before."
                ) from None
        else:
            return replace(admitted, facts=replace(admitted.facts, provider_call_id=call_id))
        facts = CallFacts(PROVIDER, call_id)
        return Admitted(facts, self._agent_of(facts))

    def _agent_of(self, facts: CallFacts) -> Agent:
        if (agent := find_agent(self.service.settings, facts)) is None:
            told = "the number that was called" if facts.called else "calls without a number; '*' does"
            raise StreamRefused(f"No [[phone_number]] table answers {told}.")
        return agent


async def _call_id(connection: AudioSocketConnection, oddities: Oddities) -> str:
    try:
        async with asyncio.timeout(START_S):
            for _ in range(MAX_EARLY):
                match await connection.receive():
                    case CallNamed(call_id):
                        return call_id
                    case None:
                        raise StreamRefused("Asterisk closed the connection before it named the call.")
                    case MalformedMessage() as error:
                        oddities.malformed(str(error))
                        if error.ends_stream:
                            raise StreamRefused(f"The call cannot start: {error}.")
                    case _:
                        oddities.early()
    except TimeoutError:
        raise StreamRefused(f"No message has named the call for {START_S:g} s.") from None
    raise StreamRefused(f"None of the first {MAX_EARLY} messages has named the call.")


async def _first_audio(connection: AudioSocketConnection, oddities: Oddities) -> tuple[int, list[Message]]:
    """Return the rate in Hz of the first audio, and the messages up to it."""
    early: list[Message] = []
    try:
        async with asyncio.timeout(FIRST_AUDIO_S):
            while len(early) < MAX_EARLY:
                received = await connection.receive()
                if received is None:
                    break
                if isinstance(received, MalformedMessage):
                    oddities.malformed(str(received))
                    continue
                early.append(received)
                if isinstance(received, AudioCame):
                    return received.sample_rate, early
    except TimeoutError:
        pass
    return USUAL_RATE_HZ, early


async def _close(writer: asyncio.StreamWriter, last: bytes = b"") -> None:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            writer.write(last)
            writer.close()
            await writer.wait_closed()
            return
    writer.transport.abort()


@asynccontextmanager
async def serving_audiosocket(service: Service, serve_call: Serve) -> AsyncGenerator[AudioSocketServer]:
    """Listen within this block, if the settings have a port. Raises `OSError` if the port cannot be had."""
    calls = AudioSocketServer(service, serve_call)
    settings = service.settings
    if settings.audiosocket_port is None:
        yield calls
        return
    server = await asyncio.start_server(calls.accept, settings.audiosocket_host, settings.audiosocket_port)
    calls.port = server.sockets[0].getsockname()[1]
    logger.info("AudioSocket of Asterisk: %s:%d", settings.audiosocket_host, calls.port)
    try:
        yield calls
    finally:
        server.close()
