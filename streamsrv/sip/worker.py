"""The main module of the SIP process, which holds the stack. A `KeptProcess` of the server starts it.

The process ends when its socket to the server's process closes, so it never outlives the server.
"""

import asyncio
import logging
import os
import socket
from importlib import import_module
from typing import Any

from streamsrv.processes.framing import Failed, Status
from streamsrv.processes.link import Link
from streamsrv.processes.worker_main import run_worker, send_heartbeats
from streamsrv.signals import Signal
from streamsrv.sip.addresses import Invite, Invites, address_of, host_of, is_among
from streamsrv.sip.configuration import account, configuration, registering_account
from streamsrv.sip.messages import (
    FRAMING,
    Answer,
    AnyMessage,
    Clear,
    Ended,
    HangUp,
    Heard,
    Incoming,
    Listen,
    Listening,
    Mark,
    Play,
    Registered,
    SipMessage,
    Transfer,
)
from streamsrv.sip.sip_call import SipCall

logger = logging.getLogger(__name__)

TICK_S = 0.02
WIDE_RATE_HZ = 16000
"""That of G.722."""
INVITE_S = 2.0
"""Seconds that the trace of an INVITE may come later than its call."""
RETRY_S = 30.0
"""Seconds from a failed registration to the next one."""
CLOSE_S = 3.0
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""Bytes that the server's process may leave unread; beyond half of them callers' audio is dropped."""


class Worker:
    """The calls of the SIP process."""

    def __init__(self) -> None:
        self._stack: Any = import_module("baresip")
        self._stopped = asyncio.Event()
        self._link: Link[AnyMessage] = Link(FRAMING, self._take, self._stopped.set)
        self._calls: dict[int, SipCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._invites = Invites()
        self._traced = Signal()
        self._listen: Listen | None = None
        self._runtime: Any = None

    async def run(self, sock: socket.socket) -> None:
        """Serve until the server's process closes the socket; then end each call."""
        await self._link.open(sock)
        ticking = asyncio.create_task(self._tick())
        await send_heartbeats(self._link, self._stopped)
        ticking.cancel()
        for call in list(self._calls.values()):
            self._spawn(call.hang_up())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)
        await asyncio.sleep(TICK_S)  # the last messages leave
        os._exit(0)  # the stack may be in the middle of something

    def _take(self, message: AnyMessage | Status) -> None:
        match message:
            case Listen():
                self._spawn(self._begin(message))
            case SipMessage(call=number) if number in self._calls:
                self._hand_over(self._calls[number], message)
            case _:
                pass  # the call has just ended

    def _hand_over(self, call: SipCall, message: SipMessage) -> None:
        match message:
            case Answer():
                self._spawn(call.answer())
            case HangUp():
                self._spawn(call.hang_up())
            case Play(pcm=pcm):
                call.play(pcm)
            case Mark(name=name):
                call.playout.mark(name)
            case Clear():
                call.clear()
            case Transfer(destination=destination):
                self._spawn(call.transfer(destination))
            case _:
                logger.error("a message of type %s is not for the SIP process", type(message).__name__)

    async def _begin(self, listen: Listen) -> None:
        self._listen = listen
        try:
            self._trace()
            self._runtime = self._stack.Runtime()
            self._runtime.on_dead = lambda: self._fail("the stack has ended")
            await self._runtime.start(configuration(self._stack, listen))
            for transport in listen.transports:  # an agent takes only the calls of its own
                address = account(listen, transport)
                agent = await self._stack.UserAgent.create(self._runtime, address, transfer_policy="reject")
                agent.on_incoming(self._comes)
            self._link.send(Listening())
            if listen.registrar is not None:
                self._spawn(self._register(listen))
        except Exception as error:
            logger.debug("the stack cannot start", exc_info=True)
            self._fail(f"{type(error).__name__}: {' '.join(str(error).split())}")

    def _fail(self, reason: str) -> None:
        where = f"{self._listen.address} port {self._listen.port}" if self._listen else ""
        self._link.send(Failed(f"it cannot serve SIP at {where}: {reason}"))
        self._stopped.set()

    async def _register(self, listen: Listen) -> None:
        """Register, and again after a failure; the stack then renews it by itself."""
        agent = await self._stack.UserAgent.create(self._runtime, registering_account(listen), transfer_policy="reject")
        agent.on_incoming(self._comes)
        while True:
            try:
                await agent.register()
            except self._stack.BaresipError as error:
                self._link.send(Registered(str(error)))
                await asyncio.sleep(RETRY_S)
            else:
                self._link.send(Registered(""))
                return

    def _comes(self, stack_call: Any) -> None:
        self._spawn(self._ring(stack_call))

    async def _ring(self, stack_call: Any) -> None:
        """Report a call, or reject it if it comes from a stranger."""
        assert self._listen is not None
        registrar = self._listen.registrar
        home = registrar.uri.partition(":")[2] if registrar else host_of(stack_call.peer or "")
        call = SipCall(self._stack, stack_call, home, self._send)
        self._calls[call.number] = call
        call.on_end(lambda: self._calls.pop(call.number, None))
        invite = await self._invite(stack_call.call_id or "")
        headers = {name: value for name, value in stack_call.headers.items() if value}
        if invite is None or not is_among(invite.source, self._listen.peers):
            logger.warning("a call from %s is rejected: it is none of the peers", invite and invite.source)
            await call.hang_up()
            return
        if "G722" in self._listen.codecs and invite.offers_g722:
            call.use_rate(WIDE_RATE_HZ)
        caller = address_of(headers.get("From", "")) or stack_call.peer or ""
        call_id = stack_call.call_id or ""
        self._send(Incoming(call.number, call_id, caller, invite.called, call.sample_rate, headers))
        if call.has_ended:
            self._send(Ended(call.number, call.reason))

    async def _invite(self, call_id: str) -> Invite | None:
        """Return what the trace says of a call; it comes on another thread than the call."""
        try:
            async with asyncio.timeout(INVITE_S):
                await self._traced.wait_until(lambda: call_id in self._invites)
        except TimeoutError:
            return None
        return self._invites.take(call_id)

    async def _tick(self) -> None:
        """Exchange audio with the stack at intervals that do not drift."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            for call in list(self._calls.values()):
                call.exchange()
            due_s = max(due_s + TICK_S, loop.time() - TICK_S)
            await asyncio.sleep(due_s - loop.time())

    def _send(self, message: SipMessage) -> None:
        if not self._link.send_within(message, MAX_WAITING_BYTES, is_audio=isinstance(message, Heard)):
            logger.error("the server's process does not read; stopping")
            self._stopped.set()

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a call of the SIP process failed", exc_info=error)

    def _trace(self) -> None:
        """Read the stack's trace, and keep it out of the log: it has the numbers of callers."""
        loop = asyncio.get_running_loop()

        def read(text: str) -> None:
            self._invites.read(text)
            self._traced.notify()

        class Reader(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                loop.call_soon_threadsafe(read, record.getMessage())

        trace = logging.getLogger("baresip.native.sip")
        trace.propagate = False
        trace.setLevel(logging.DEBUG)
        trace.addHandler(Reader())
        # What the stack says names callers, too.
        logging.getLogger("baresip").setLevel(logging.CRITICAL)


if __name__ == "__main__":
    run_worker(lambda sock: Worker().run(sock), asyncio.new_event_loop)
