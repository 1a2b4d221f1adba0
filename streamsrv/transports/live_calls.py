"""The calls that run now on this server, of every transport: WebRTC, telephone providers and SIP."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.runtime.send_queue import SendQueue


@dataclass(frozen=True, slots=True)
class CallSummary:
    """What the operator is told of a call."""

    provider: str
    """`webrtc`, or as `CallFacts.provider`."""
    began_at: float
    """Unix time in seconds."""
    direction: Literal["inbound", "outbound"] = "inbound"
    state: Literal["ringing", "active"] = "active"
    agent: str | None = None
    """The name of the agent that answers; None: the call has none."""
    caller: str | None = None
    """Stands for the caller's number without revealing it; None: there is no number."""


class LiveCall(Protocol):
    """A call that clients can control by its id, and whose session they can join."""

    @property
    def id(self) -> str: ...

    @property
    def principal(self) -> Principal:
        """The client that opened the call."""
        ...

    @property
    def reason(self) -> str | None:
        """The reason why the call has ended; None while it goes on."""
        ...

    @property
    def summary(self) -> CallSummary: ...

    def attach(self) -> SendQueue:
        """Join the session: return a queue that gets every event from now on, and ends with the call."""
        ...

    def detach(self, queue: SendQueue) -> None:
        """Stop giving events to the queue; the session goes on."""
        ...

    async def take_attached_event(self, text: str) -> bool:
        """Add an event of an attached connection once there is room; return False if the call has ended."""
        ...

    def hang_up(self, reason: str) -> None:
        """End the call."""
        ...

    async def refer(self, target: str) -> None:
        """Give the call to another telephone: a `tel:`, `sip:` or `sips:` URI. Then the call ends.

        Raises `Refusal` for a call that cannot be given away, `Unavailable` or `Rejected` if it fails and the call goes
        on.
        """
        ...


class LiveCalls:
    """Finds calls by their ids."""

    def __init__(self) -> None:
        self._calls: dict[str, LiveCall] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[LiveCall]:
        return iter(list(self._calls.values()))

    def add(self, call: LiveCall) -> None:
        self._calls[call.id] = call

    def remove(self, call: LiveCall) -> None:
        """Forget a call, unless another one has taken its id."""
        if self._calls.get(call.id) is call:
            del self._calls[call.id]

    def get(self, call_id: str) -> LiveCall | None:
        """Return a current call."""
        return self._calls.get(call_id)

    def find(self, call_id: str, principal: Principal) -> LiveCall:
        """Return a current call that the client may control; raises `Refusal`."""
        call = self._calls.get(call_id)
        if call is None or call.reason is not None or not principal.may_reach(call.principal):
            message = f"There is no call '{call_id[:64]}'."
            if principal.secret_id is not None:
                message = f"This client secret did not open a call '{call_id[:64]}', or the call has ended."
            raise Refusal(404, "call_not_found", message, "call_id")
        return call
