"""Takes the calls of the SIP process, and has them answered or rejected."""

import logging
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from streamsrv.errors import Unavailable
from streamsrv.processes.kept_process import KeptProcess
from streamsrv.service import Service
from streamsrv.sip.messages import (
    FRAMING,
    AnyMessage,
    HangUp,
    Incoming,
    Listen,
    Listening,
    Registered,
    Registrar,
    SipMessage,
)
from streamsrv.sip_settings import SipEndpointSettings
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.agents import find_agent
from streamsrv.transports.telephony.caller_ids import caller_id
from streamsrv.transports.telephony.exchange import telephone_principal
from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.phone_calls import PhoneCalls
from streamsrv.transports.telephony.sip.needs import check_sip
from streamsrv.transports.telephony.sip.sip_line import SipLine

logger = logging.getLogger(__name__)

MODULE = "streamsrv.sip.worker"
NAME = "sip"
"""The name of the SIP process in log, errors and metrics."""


def listen_message(settings: SipEndpointSettings, environ: Mapping[str, str] = os.environ) -> Listen:
    """Return the first message to the SIP process."""
    registrar = None
    if settings.registrar:
        password = environ.get(settings.password_variable, "")
        registrar = Registrar(
            settings.registrar, settings.user, settings.auth_user, password, settings.registration_seconds
        )
    return Listen(
        address=settings.address,
        port=settings.port,
        transports=list(settings.transports),
        peers=list(settings.peers),
        codecs=list(settings.codecs),
        ports=settings.port_range,
        max_calls=settings.max_calls,
        srtp=settings.srtp,
        certificate=settings.certificate,
        ca_file=settings.ca_file,
        registrar=registrar,
    )


class SipEndpoint:
    """The calls that come over SIP, and the process that holds their stack."""

    def __init__(self, service: Service, calls: PhoneCalls, settings: SipEndpointSettings) -> None:
        self._service = service
        self._phone_calls = calls
        self._lines: dict[int, SipLine] = {}
        self._process: KeptProcess[AnyMessage, Listening] = KeptProcess(
            MODULE, FRAMING, listen_message(settings), Listening, self._received, self._lost, name=NAME
        )

    @property
    def pid(self) -> int | None:
        """The SIP process, if it runs."""
        return self._process.pid

    def __len__(self) -> int:
        """The number of calls that ring or go on."""
        return len(self._lines)

    async def start(self) -> None:
        """Take calls; raises `Unavailable`."""
        await self._process.start()

    async def aclose(self) -> None:
        """End all calls, and the process."""
        await self._process.aclose()

    def _received(self, message: AnyMessage) -> None:
        match message:
            case Incoming():
                self._ring(message)
            case Registered(problem=problem):
                if problem:
                    logger.error("the registration of SIP has failed: %s", problem)
                else:
                    logger.info("SIP is registered")
            case SipMessage(call=call) if call in self._lines:
                self._lines[call].take(message)
            case _:
                pass

    def _lost(self, error: Unavailable) -> None:
        for line in list(self._lines.values()):
            line.end("The SIP process ended.")

    def _ring(self, incoming: Incoming) -> None:
        facts = CallFacts("sip", incoming.call_id, incoming.caller, incoming.called, parameters=incoming.headers)
        agent = find_agent(self._service.settings, facts)
        if agent is None:
            caller = caller_id(facts.caller, self._service.settings)
            logger.warning("a call over SIP from %s is rejected: nobody answers the number that was called", caller)
            self._process.send(HangUp(incoming.call))
            return
        line = self._lines[incoming.call] = SipLine(incoming.call, facts, incoming.sample_rate, self._process.send)
        try:
            self._service.background.spawn(self._serve(incoming.call, line, agent), f"call {incoming.call} over SIP")
        except RuntimeError:  # the server stops
            self._process.send(HangUp(incoming.call))
            del self._lines[incoming.call]

    async def _serve(self, call: int, line: SipLine, agent: Agent) -> None:
        try:
            await self._phone_calls.serve(line, agent, telephone_principal(self._service.settings))
        finally:
            line.hang_up()
            del self._lines[call]


@asynccontextmanager
async def serving_sip(service: Service, calls: PhoneCalls) -> AsyncGenerator[SipEndpoint | None]:
    """Take calls over SIP within this block, if the settings say so; raises `Unavailable`."""
    if not service.settings.sip_endpoint:
        yield None
        return
    settings = service.settings.sip_endpoint[0]
    check_sip(settings)
    endpoint = SipEndpoint(service, calls, settings)
    try:
        await endpoint.start()
        logger.info("SIP calls are taken at %s port %d", settings.address, settings.port)
        yield endpoint
    finally:
        await endpoint.aclose()
