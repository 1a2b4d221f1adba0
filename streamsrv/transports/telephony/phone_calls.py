"""The telephone calls of a server: admits, runs and ends them, whatever carries them."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.ids import new_id
from streamsrv.observability.logging import log_as, log_event
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.observing import Connected
from streamsrv.service import Service
from streamsrv.signals import Signal
from streamsrv.transports.live_calls import LiveCalls
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.announcing import Announcer
from streamsrv.transports.telephony.caller_ids import caller_id
from streamsrv.transports.telephony.line import Line
from streamsrv.transports.telephony.phone_call import PhoneCall

logger = logging.getLogger(__name__)

END_S = 5.0
"""How many seconds sessions may take to end when the server stops."""


class PhoneCalls:
    """All telephone calls of a server; each is in `live` while it runs."""

    def __init__(self, service: Service, live: LiveCalls) -> None:
        self._service = service
        self._live = live
        self._announcer = Announcer()
        self._calls: dict[str, PhoneCall] = {}
        self._ended = Signal()
        service.metrics.phone_calls.set_function(lambda: len(self._calls))

    def __len__(self) -> int:
        """The number of calls that a session answers."""
        return len(self._calls)

    async def serve(
        self, line: Line, agent: Agent, principal: Principal, call_id: str = "", session: Session | None = None
    ) -> None:
        """Answer a call, and return when it has ended. The line is closed then.

        `call_id`: the id under which clients know the call already; empty: it gets one. `session`: that which an
        application has accepted the call with; None: the agent's. A call that there is no
        capacity for is told to call again, and is hung up.
        """
        caller = caller_id(line.facts.caller, self._service.settings)
        call = PhoneCall(call_id or new_id("rtc"), line, agent, principal, caller)
        log_as(call=call.id, principal=str(principal))
        self._log_beginning(call)
        try:
            with await self._service.admit(principal):
                await self._run(call, session or self.build(line, agent, principal))
        except Refusal as refusal:
            logger.warning("the call is refused: %s", refusal)
            self._service.metrics.phone_calls_refused.inc()
            await self._announcer.turn_away(line)
            call.hang_up("The call was refused.")
        except ProtocolError as error:
            logger.error("the agent '%s' cannot answer: %s", agent.name, error.details.message)
            await self._announcer.turn_away(line)
            call.hang_up("The agent cannot answer.")
        except Exception:
            logger.exception("call %s failed", call.id)
        finally:
            call.hang_up("The call failed.", "internal_error")
            self._log_end(call)

    def hang_up_all(self, reason: str) -> None:
        """End all calls."""
        for call in list(self._calls.values()):
            call.hang_up(reason, "server_stopped")

    async def aclose(self) -> None:
        """End all calls."""
        self.hang_up_all("The server stops.")
        try:
            async with asyncio.timeout(END_S):
                await self._ended.wait_until(lambda: not self._calls)
        except TimeoutError:
            logger.warning("%d telephone calls have not ended", len(self._calls))

    async def _run(self, call: PhoneCall, session: Session) -> None:
        log_as(call=call.id, session=session.id, principal=str(call.principal))
        driver = self._service.start_session(
            session,
            call.principal,
            call,
            call.speaker,
            Connected("telephone", why_closed=call.why_ended),
            call=call,
            rules=call.agent.rules,
            max_minutes=call.agent.max_minutes,
        )
        self._calls[call.id] = call
        self._live.add(call)
        try:
            outcome = await call.run(driver)
            if outcome is not None:
                call.hang_up(outcome[1])
        finally:
            self._live.remove(call)
            del self._calls[call.id]
            self._ended.notify()

    def build(self, line: Line, agent: Agent, principal: Principal, fields: dict[str, Any] | None = None) -> Session:
        """Build a session in the audio format of the line; raises `ProtocolError`.

        `fields`: those of a session object; None: the agent's.
        """
        given = dict(agent.session if fields is None else fields)
        audio = _fields(given.get("audio"))
        audio_format = msgspec.to_builtins(line.format)
        hears: dict[str, Any] = {"transcription": {}, **_fields(audio.get("input")), "format": audio_format}
        given["audio"] = {**audio, "input": hears, "output": {**_fields(audio.get("output")), "format": audio_format}}
        return self._service.opening.new(principal, given)

    def _log_beginning(self, call: PhoneCall) -> None:
        facts = call.facts
        fields = {"provider": facts.provider, "direction": facts.direction, "agent": call.agent.name}
        fields["caller"] = call.caller
        log_event(logger, logging.INFO, "a telephone call begins", fields)

    def _log_end(self, call: PhoneCall) -> None:
        reason, detail = call.why_ended()
        fields = {
            "provider": call.facts.provider,
            "agent": call.agent.name,
            "reason": reason,
            "detail": detail,
            "duration_s": round(time.time() - call.began_at, 1),
            "lost_marks": call.speaker.lost_marks or None,
        }
        log_event(logger, logging.INFO, "the telephone call has ended", fields)


def _fields(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


@asynccontextmanager
async def serving_phone_calls(service: Service, live: LiveCalls) -> AsyncGenerator[PhoneCalls]:
    """Serve calls within this block, and end them all when it ends."""
    calls = PhoneCalls(service, live)
    try:
        yield calls
    finally:
        await calls.aclose()
