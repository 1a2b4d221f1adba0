"""A call that rings while an application decides about it. Pure."""

from dataclasses import dataclass

from streamsrv.access.refusal import Refusal
from streamsrv.protocol.session_object import Session


@dataclass(frozen=True, slots=True)
class Accepted:
    """The call is to be answered by this session."""

    session: Session


@dataclass(frozen=True, slots=True)
class Rejected:
    """The call is not to be answered; `status_code`: SIP's, from 400 on."""

    status_code: int


@dataclass(frozen=True, slots=True)
class Referred:
    """Another telephone has got the call."""

    target: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """The application has ended the call."""


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """The caller has hung up."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The application did not decide; `why` is a sentence."""

    why: str


Decision = Accepted | Rejected | Referred | HungUp | CallerLeft | Unanswered

_PAST = {
    Accepted: "has been accepted",
    Rejected: "has been rejected",
    Referred: "has been referred",
    HungUp: "has been hung up",
    CallerLeft: "was ended by the caller",
    Unanswered: "rang too long without an answer",
}


class PendingCall:
    """Takes the first decision about a call. A method for a later one raises `Refusal` (409)."""

    def __init__(self, call_id: str) -> None:
        self._call_id = call_id
        self._decision: Decision | None = None
        self._is_being_referred = False
        self._unanswered: Unanswered | None = None
        """What the decision will be if the transfer in progress fails."""

    @property
    def decision(self) -> Decision | None:
        """The decision; None while the call rings, also while it is being referred."""
        return self._decision

    def accept(self, session: Session) -> None:
        self._check_ringing()
        self._decision = Accepted(session)

    def reject(self, status_code: int) -> None:
        self._check_ringing()
        self._decision = Rejected(status_code)

    def hang_up(self) -> None:
        """End the call, also while it is being referred."""
        if self._decision is not None:
            raise self._too_late(_PAST[type(self._decision)])
        self._decision = HungUp()

    def begin_refer(self) -> None:
        """Begin a transfer: until its end no other decision but a hang-up is taken."""
        self._check_ringing()
        self._is_being_referred = True

    def end_refer(self, target: str, *, done: bool) -> None:
        """End the transfer; if it is not `done`, the call rings on, unless its time is over."""
        self._is_being_referred = False
        if self._decision is None:
            self._decision = Referred(target) if done else self._unanswered

    def caller_left(self) -> None:
        if self._decision is None:
            self._decision = CallerLeft()

    def unanswered(self, why: str) -> None:
        """Give up waiting for the application; a transfer in progress is waited for."""
        if self._is_being_referred:
            self._unanswered = Unanswered(why)
        elif self._decision is None:
            self._decision = Unanswered(why)

    def _check_ringing(self) -> None:
        if self._decision is not None:
            raise self._too_late(_PAST[type(self._decision)])
        if self._is_being_referred:
            raise self._too_late("is being referred")

    def _too_late(self, state: str) -> Refusal:
        return Refusal(409, "call_not_ringing", f"The call '{self._call_id}' {state}.", "call_id")
