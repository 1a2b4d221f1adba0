"""The calls that ring now while an application decides about them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from streamsrv.protocol.session_object import Session
from streamsrv.supervisor import Supervisor
from streamsrv.transports.telephony.agent import Application
from streamsrv.transports.telephony.application.delivery import NotDelivered, deliver
from streamsrv.transports.telephony.application.pending_call import Decision, PendingCall
from streamsrv.transports.telephony.line import CallFacts

logger = logging.getLogger(__name__)


class RingingCall:
    """One call that rings.

    `build`: makes the session of the call from the fields of a session object; raises `ProtocolError`. `transfer`:
    gives the call to another telephone; raises `Unavailable` or `Rejected` if that fails.
    """

    def __init__(
        self, call_id: str, build: Callable[[dict[str, Any]], Session], transfer: Callable[[str], Awaitable[None]]
    ) -> None:
        self._pending = PendingCall(call_id)
        self._build = build
        self._transfer = transfer
        self._changed = asyncio.Event()

    def accept(self, fields: dict[str, Any]) -> None:
        """Have the call answered. Raises `ProtocolError` for a bad session, and `Refusal`; then it rings on."""
        session = self._build(fields)
        self._pending.accept(session)
        self._changed.set()

    def reject(self, status_code: int) -> None:
        """Have the call refused; raises `Refusal`."""
        self._pending.reject(status_code)
        self._changed.set()

    def hang_up(self) -> None:
        """Have the call ended; raises `Refusal`."""
        self._pending.hang_up()
        self._changed.set()

    async def refer(self, target: str) -> None:
        """Give the call to another telephone. Raises `Unavailable`, `Rejected` and `Refusal`; then it rings on."""
        self._pending.begin_refer()
        done = False
        try:
            await self._transfer(target)
            done = True
        finally:
            self._pending.end_refer(target, done=done)
            self._changed.set()

    def give_up(self, why: str) -> None:
        """Stop waiting for the application."""
        self._pending.unanswered(why)
        self._changed.set()

    async def decided(self, ring_s: float) -> Decision:
        """Wait for the decision; after `ring_s` it is `Unanswered`, or what becomes of a transfer in progress."""
        try:
            async with asyncio.timeout(ring_s):
                return await self._decision()
        except TimeoutError:
            self.give_up(f"The application did not answer the call within {ring_s:g} seconds.")
        return await self._decision()

    def caller_left(self) -> None:
        """Take no decision any more."""
        self._pending.caller_left()

    @property
    def is_decided(self) -> bool:
        return self._pending.decision is not None

    async def _decision(self) -> Decision:
        while (decision := self._pending.decision) is None:
            self._changed.clear()
            await self._changed.wait()
        return decision


class RingingCalls:
    """Rings, and asks applications. `background`: runs what sends the webhooks."""

    def __init__(self, background: Supervisor) -> None:
        self._background = background
        self._calls: dict[str, RingingCall] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def find(self, call_id: str) -> RingingCall | None:
        """Return a call that rings; None: it does not, or not any more."""
        return self._calls.get(call_id)

    async def ask(
        self,
        call_id: str,
        facts: CallFacts,
        application: Application,
        build: Callable[[dict[str, Any]], Session],
        transfer: Callable[[str], Awaitable[None]],
    ) -> Decision:
        """Ask the application, and return what is to be done with the call; `build`, `transfer`: as of `RingingCall`.

        Cancel this when the caller hangs up: then the call cannot be accepted any more.
        """
        call = RingingCall(call_id, build, transfer)
        self._calls[call_id] = call
        self._background.spawn(_send(call, application, call_id, facts), f"the webhook of call {call_id}")
        try:
            return await call.decided(application.ring_s)
        except asyncio.CancelledError:
            call.caller_left()
            raise
        finally:
            del self._calls[call_id]


async def _send(call: RingingCall, application: Application, call_id: str, facts: CallFacts) -> None:
    try:
        await deliver(application, call_id, facts, lambda: call.is_decided)
    except NotDelivered as error:
        logger.error("call %s: %s", call_id, error)
        call.give_up(str(error))
