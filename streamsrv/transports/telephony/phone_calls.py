"""The telephone calls of a server: admits, runs and ends them, whatever carries them."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, cast

import msgspec

from streamsrv.access.admission import Place
from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.ids import new_id
from streamsrv.observability.logging import log_as, log_event
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session
from streamsrv.protocol.session_update import update_session
from streamsrv.runtime.observing import Connected
from streamsrv.service import Service
from streamsrv.signals import Signal
from streamsrv.transports.live_calls import LiveCalls
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.agent_speech import AgentSpeech
from streamsrv.transports.telephony.agents import voicemail_agent
from streamsrv.transports.telephony.announcing import Announcer
from streamsrv.transports.telephony.application.pending_call import (
    Accepted,
    CallerLeft,
    HungUp,
    Referred,
    Rejected,
    Unanswered,
)
from streamsrv.transports.telephony.application.ringing_calls import RingingCalls
from streamsrv.transports.telephony.callee_tones import CalleeTones
from streamsrv.transports.telephony.caller_ids import caller_id
from streamsrv.transports.telephony.dialled_call import DialledCall
from streamsrv.transports.telephony.line import Line, LineClosed, UnansweredLine
from streamsrv.transports.telephony.phone_call import PhoneCall
from streamsrv.transports.telephony.recording import CallRecording, RecordingFacts
from streamsrv.transports.telephony.ringing import refuse, ring

logger = logging.getLogger(__name__)

UNAVAILABLE, TEMPORARILY_UNAVAILABLE = 503, 480
"""Statuses of SIP: the server has no capacity; nobody can take the call now."""
END_S = 5.0
"""How many seconds sessions may take to end when the server stops."""


class PhoneCalls:
    """All telephone calls of a server; each is in `live` while it runs."""

    def __init__(self, service: Service, live: LiveCalls, ringing: RingingCalls | None = None) -> None:
        self._service = service
        self._live = live
        self._ringing = RingingCalls(service.background) if ringing is None else ringing
        self.speech = AgentSpeech(service)
        self._announcer = Announcer()
        self._calls: set[PhoneCall] = set()
        self._recordings: set[asyncio.Task[None]] = set()
        self._ended = Signal()
        service.metrics.phone_calls.set_function(lambda: len(self._calls))

    def __len__(self) -> int:
        """The number of calls that a session answers."""
        return len(self._calls)

    async def serve(self, line: Line, agent: Agent, principal: Principal, call_id: str = "") -> None:
        """Answer a call, and return when it has ended. The line is closed then.

        `call_id`: the id under which clients know the call already; empty: it gets one. An application of the agent
        decides first whether the call is answered. A call that there is no capacity for is told to call again, and is
        hung up.
        """
        call = self._new_call(call_id or line.facts.call_id, line, agent, principal)
        log_as(call=call.id, principal=str(principal))
        self._log_beginning(call)
        try:
            with await self._admit(call, line):
                await self._answer(call, line)
                if call.leaves_message:
                    await self._leave_message(call, line)
        except Refusal as refusal:
            logger.warning("the call is refused: %s", refusal)
            self._service.metrics.phone_calls_refused.inc()
            await self._turn_away(line, agent)
            call.hang_up("The call was refused.")
        except ProtocolError as error:
            logger.error("the agent '%s' cannot answer: %s", agent.name, error.details.message)
            await self._turn_away(line, agent)
            call.hang_up("The agent cannot answer.")
        except LineClosed as closed:
            call.hang_up(str(closed), "client_left")
        except Exception:
            logger.exception("call %s failed", call.id)
        finally:
            call.hang_up("The call failed.", "internal_error")
            self._log_end(call)

    def _new_call(self, call_id: str, line: Line, agent: Agent, principal: Principal) -> PhoneCall:
        """Return the call of a line. Clients that have joined it while it was dialled stay joined."""
        caller = caller_id(line.facts.caller, self._service.settings)
        tones = CalleeTones(line.sample_rate) if self._looks_for_machines(line) else None
        dialled = self._live.get(call_id)
        if not isinstance(dialled, DialledCall) or dialled.reason is not None or dialled.answered_by is not None:
            call_id = call_id or new_id("rtc")
            return PhoneCall(call_id, line, agent, principal, caller, tones=tones)
        joined = dialled.incoming, dialled.listeners
        call = PhoneCall(call_id, line, agent, principal, caller, tones=tones, joined=joined)
        dialled.answered_by = call
        return call

    async def _admit(self, call: PhoneCall, line: Line) -> Place:
        """Take a place; the line rings while the load of the calls before is measured. Raises `LineClosed`, too."""
        if not self._service.admission.is_measuring(call.principal):
            return await self._service.admit(call.principal)
        return await ring(line, call.speaker, self._service.admit(call.principal))

    async def _answer(self, call: PhoneCall, line: Line) -> None:
        """Let the agent answer; returns when the call has ended."""
        with self._registered(call):
            session = await self._decide(call, line)
            if session is not None and call.reason is None:  # nobody has ended it since it was accepted
                await self._run(call, line, session)

    async def _leave_message(self, call: PhoneCall, line: Line) -> None:
        """Say the agent's message to the answering machine on the line of a call that has ended."""
        logger.info("an answering machine gets a message")
        message = PhoneCall(call.id, line, voicemail_agent(call.agent), call.principal, call.caller, tones=call.tones)
        try:
            await self._answer(message, line)
        finally:
            message.hang_up("The call failed.", "internal_error")

    def _looks_for_machines(self, line: Line) -> bool:
        """Whether tones may end a call: one that this server began, unless the settings say no."""
        tables = self._service.settings.phone_provider
        told_not_to = any(not table.detect_machines for table in tables if table.name == line.facts.provider)
        return line.facts.direction == "outbound" and not told_not_to

    async def _decide(self, call: PhoneCall, line: Line) -> Session | None:
        """Return the session that answers the call; None: it is not answered.

        Raises `ProtocolError`, and `LineClosed` if the caller hangs up before.
        """
        agent = call.agent
        application = agent.application
        if application is None:
            return self.build(line, agent, call.principal)
        build = partial(self.build, line, agent, call.principal)
        decision = await ring(
            line, call.speaker, self._ringing.ask(call.id, call.facts, application, build, call.refer)
        )
        match decision:
            case Accepted(session=session):
                logger.info("the application accepts the call")
                return session
            case Unanswered(why=why) if application.otherwise == "answer":
                logger.warning("the agent answers by itself: %s", why)
                return self.build(line, agent, call.principal)
            case Unanswered(why=why):
                logger.warning("the call is rejected: %s", why)
                call.is_refused = True
                await refuse(line, TEMPORARILY_UNAVAILABLE)
                call.hang_up(why)
            case Rejected(status_code=status_code):
                call.is_refused = True
                await refuse(line, status_code)
                call.hang_up(f"The application rejected the call with {status_code}.")
            case HungUp():
                call.hang_up("The call was hung up.")
            case Referred() | CallerLeft():
                pass  # the call has ended
        return None

    async def _turn_away(self, line: Line, agent: Agent) -> None:
        """End a call that cannot be answered now."""
        if isinstance(line, UnansweredLine):
            line.refuse(UNAVAILABLE)
        else:
            await self._announcer.turn_away(line, self.speech.busy.get(agent.name))

    @contextmanager
    def _registered(self, call: PhoneCall) -> Generator[None]:
        """Let clients find the call within this block."""
        self._calls.add(call)
        self._live.add(call)
        try:
            yield
        finally:
            self._live.remove(call)
            self._calls.discard(call)
            self._ended.notify()

    def hang_up_all(self, reason: str) -> None:
        """End all calls."""
        for call in list(self._calls):
            call.hang_up(reason, "server_stopped")

    async def aclose(self) -> None:
        """End all calls."""
        self.hang_up_all("The server stops.")
        try:
            async with asyncio.timeout(END_S):
                await self._ended.wait_until(lambda: not self._calls)
        except TimeoutError:
            logger.warning("%d telephone calls have not ended", len(self._calls))
        if self._recordings:
            await asyncio.wait(self._recordings, timeout=END_S)

    async def _run(self, call: PhoneCall, line: Line, session: Session) -> None:
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
        if isinstance(line, UnansweredLine):
            line.answer()
        self._record(call, line)
        outcome = await call.run(driver)
        if outcome is not None:
            call.hang_up(outcome[1])

    def _record(self, call: PhoneCall, line: Line) -> None:
        """Begin to record the call, if its agent does."""
        folder, facts = self._service.settings.recording_folder, call.facts
        if folder is None or not call.agent.records:
            return
        told = RecordingFacts(
            call.id, int(call.began_at), facts.provider, facts.direction, call.agent.name, call.caller
        )
        call.recording = CallRecording(folder, told, line.sample_rate)
        task = self._service.background.spawn(call.recording.run(), f"the recording of call {call.id}")
        self._recordings.add(task)
        task.add_done_callback(self._recordings.discard)

    def build(self, line: Line, agent: Agent, principal: Principal, fields: dict[str, Any] | None = None) -> Session:
        """Build the agent's session in the audio formats of the line; raises `ProtocolError`.

        `fields`: those of a session object that have precedence over the agent's, but for the formats.
        """
        given = dict(agent.session)
        if fields is not None and fields.get("model") is not None:
            given["model"] = fields["model"]
        audio = _fields(given.get("audio"))
        audio_format = msgspec.to_builtins(line.format)
        hears: dict[str, Any] = {"transcription": {}, **_fields(audio.get("input")), "format": audio_format}
        given["audio"] = {**audio, "input": hears, "output": {**_fields(audio.get("output")), "format": audio_format}}
        session = self._service.opening.new(principal, given)
        if fields is None:
            return session
        session = update_session(session, fields, caption_rooms=principal.caption_rooms, keeps_formats=True)
        self._service.capabilities_of(principal).fit(session)
        return session

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
async def serving_phone_calls(
    service: Service, live: LiveCalls, ringing: RingingCalls | None = None
) -> AsyncGenerator[PhoneCalls]:
    """Serve calls within this block, and end them all when it ends."""
    calls = PhoneCalls(service, live, ringing)
    try:
        yield calls
    finally:
        await calls.aclose()
