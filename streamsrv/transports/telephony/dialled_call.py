"""A call that this server has begun, until its stream comes: clients can join and end it by its id."""

import time
from collections.abc import Callable

from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.runtime.send_queue import SendQueue
from streamsrv.transports.incoming import IncomingQueue
from streamsrv.transports.listeners import Listeners
from streamsrv.transports.live_calls import CallSummary, LiveCall


class DialledCall:
    """A `LiveCall` that rings at the callee. `hang_up` ends it in the network.

    Events of clients wait in `incoming` for the session. The call that is answered takes `incoming` and `listeners`, so
    that clients stay joined, and is `answered_by`.
    """

    def __init__(
        self,
        call_id: str,
        provider: str,
        agent: str,
        principal: Principal,
        caller: str,
        hang_up: Callable[[str], None],
    ) -> None:
        self.id = call_id
        self.principal = principal
        self.answered_by: LiveCall | None = None
        """The call that has taken the place of this one."""
        self._why_ended: str | None = None
        self.summary = CallSummary(provider, time.time(), "outbound", "ringing", agent, caller)
        self.incoming = IncomingQueue()
        self.listeners = Listeners()
        self._hang_up = hang_up

    @property
    def reason(self) -> str | None:
        return self._why_ended if self.answered_by is None else self.answered_by.reason

    def end(self, reason: str) -> None:
        """The call has ended without having been answered; otherwise nothing happens."""
        if self.answered_by is None and self._why_ended is None:
            self._why_ended = reason
            self.incoming.close()
            self.listeners.end()

    def hang_up(self, reason: str) -> None:
        self._hang_up(reason)

    def attach(self) -> SendQueue:
        return self.listeners.join()

    def detach(self, queue: SendQueue) -> None:
        self.listeners.detach(queue)

    async def take_attached_event(self, text: str) -> bool:
        return await self.incoming.put_event_later(text)

    async def refer(self, target: str) -> None:
        raise Refusal(409, "call_not_referable", "The call has not been answered yet.", "call_id")
