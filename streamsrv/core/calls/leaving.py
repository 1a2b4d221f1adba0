"""Decides when the server leaves a telephone call: by a tool, or after a goodbye of its own. Pure."""

from dataclasses import dataclass

from streamsrv.core.answers.response import Response
from streamsrv.core.answers.responses import Responses
from streamsrv.core.answers.server_calls import ServerCall
from streamsrv.core.call_rules import CallRules
from streamsrv.core.calls.tools import TRANSFER, destination_of
from streamsrv.core.effects import ClearTimer, Effect, HangUp, SetTimer, TransferCall
from streamsrv.core.inputs import ToolReturned
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.timers import LeavingDue
from streamsrv.protocol.session_object import Session
from streamsrv.tools.base import ToolFailure

MAX_UNPLAYED_MS = 5_000
"""How long after the expected end of what was said the call is left, although the playback has not ended."""
LOOK_MS = 100
"""How often the end of the playback is looked for, where nothing tells it."""
HANDED_OVER = "The call is over here: it was transferred, or the caller hung up meanwhile."
CALLER_LEFT = "The caller hung up."
MAX_TRANSFER_MS = 60_000
"""How long a transfer may take until it counts as failed."""
BY_TOOL = "The agent hung up."


@dataclass(slots=True)
class _Departure:
    """The call is to be left when `response` was heard; by a tool if there is a `call`."""

    response: Response
    reason: str = BY_TOOL
    call: ServerCall | None = None
    destination: str | None = None
    """To whom the caller is transferred; None: the call ends."""
    is_final: bool = False
    """Nothing that the caller does prevents it."""
    deadline_ms: int | None = None
    """None: not all of it is said yet."""
    is_transferring: bool = False


class Leaving:
    """Follows one departure at a time, from the decision to the end of the call.

    The caller hears first what is being said. Whoever interrupts that prevents the departure; but not once a transfer
    has begun, nor when the call has lasted for as long as it may.
    """

    def __init__(self, rules: CallRules, responses: Responses, output_buffer: OutputBuffer) -> None:
        self._rules = rules
        self._responses = responses
        self._output = output_buffer
        self._departure: _Departure | None = None
        self._is_timed = False
        self.is_over = False
        """Whether the call was ended."""

    @property
    def is_leaving(self) -> bool:
        return self.is_over or self._departure is not None

    @property
    def is_hanging_up(self) -> bool:
        return self.is_over or (self._departure is not None and self._departure.destination is None)

    @property
    def holds_floor(self) -> bool:
        """Whether the caller cannot interrupt any more."""
        departure = self._departure
        return self.is_over or (departure is not None and (departure.is_final or departure.is_transferring))

    def say_goodbye(self, reason: str, session: Session, now_ms: int, *, is_final: bool = False) -> list[Effect]:
        """Say goodbye and hang up; `is_final`: also if the caller speaks meanwhile."""
        if self.is_over or (self._departure is not None and self._departure.is_final):
            return []
        effects = self._responses.interrupt(now_ms) if is_final else []
        if not self._rules.goodbye.strip():
            return [*effects, *self._hang_up(reason, now_ms)]
        response, said = self._responses.announce(self._rules.goodbye, "goodbye", session, now_ms)
        self._departure = _Departure(response, reason, is_final=is_final)
        return [*effects, *said]

    def caller_spoke(self) -> list[Effect]:
        """Stay, because the caller speaks or presses a key before what is said before the end was heard."""
        departure = self._departure
        if departure is None or self.holds_floor or departure.call is not None:
            return []  # a departure by a tool is prevented if its response is interrupted
        return self._stay()

    def transfer_failed(self, message: str, now_ms: int) -> list[Effect]:
        """Tell the language model that the call goes on."""
        departure = self._departure
        if departure is None or not departure.is_transferring or departure.call is None:
            return []
        return [*self._stay(), *self._fail(departure.call, message, now_ms)]

    def drop_line(self, now_ms: int) -> list[Effect]:
        """The caller is gone: finish the call of the tool by which the server was about to leave."""
        departure, self.is_over = self._departure, True
        effects = self._stay()
        if departure is not None and departure.call is not None:
            told = HANDED_OVER if departure.is_transferring else CALLER_LEFT
            effects += self._responses.take_result(ToolReturned(departure.call.item.id, told), now_ms)
        return effects

    def watch(self, now_ms: int) -> list[Effect]:
        """Leave if it is time; to be called after every input."""
        if self.is_over:
            return []
        effects = self._begin(now_ms) if self._departure is None else []
        departure = self._departure
        if departure is None:
            return effects
        if self._is_prevented(departure):
            effects += self._stay()
            return [*effects, *self._hang_up(departure.reason, now_ms)] if departure.is_final else effects
        if not departure.is_transferring and self._is_said(departure):
            effects += self._wait(departure, now_ms)
        return effects

    def time_out(self, now_ms: int) -> list[Effect]:
        """The timer fired: `watch` looks at the playback. A transfer has taken too long."""
        self._is_timed = False
        departure = self._departure
        if departure is not None and departure.is_transferring:
            return self.transfer_failed("The call could not be transferred: nobody said whether it was.", now_ms)
        return []

    def _begin(self, now_ms: int) -> list[Effect]:
        """Take notice of what the language model has asked for."""
        response = self._responses.active
        if response is None or not response.awaits_only_tools:
            return []
        running = [call for call in response.server_calls if call.is_running]
        if not all(call.is_of_call for call in running):
            return []  # what another tool gives may still matter
        effects: list[Effect] = []
        for call in running:
            if self._departure is not None:
                effects += self._fail(call, "The call is being left already.", now_ms)
            elif call.item.name != TRANSFER:
                self._departure = _Departure(response, call=call)
            elif (destination := destination_of(call.item.arguments, self._rules.transfers)) is not None:
                self._departure = _Departure(response, call=call, destination=destination)
            else:
                names = ", ".join(f"'{name}'" for name in sorted(self._rules.transfers))
                effects += self._fail(call, f"There is no such destination; there are: {names}.", now_ms)
        return effects

    @staticmethod
    def _is_prevented(departure: _Departure) -> bool:
        if departure.call is not None:
            return not departure.call.is_running
        return departure.response.status == "cancelled"

    @staticmethod
    def _is_said(departure: _Departure) -> bool:
        return departure.call is not None or departure.response.done

    def _wait(self, departure: _Departure, now_ms: int) -> list[Effect]:
        """Leave when all was heard, and at the latest some time after that was expected."""
        if self._output.is_held:  # the caller may be about to interrupt
            departure.deadline_ms = None
            return self._look_again(LOOK_MS)
        unplayed_ms = max(0, self._output.play_until_ms - now_ms)
        if departure.deadline_ms is None:
            departure.deadline_ms = now_ms + unplayed_ms + MAX_UNPLAYED_MS
        if self._output.is_played(now_ms) or now_ms >= departure.deadline_ms:
            return self._leave(departure, now_ms)
        return self._look_again(min(departure.deadline_ms - now_ms, max(unplayed_ms, LOOK_MS)))

    def _look_again(self, delay_ms: int) -> list[Effect]:
        if self._is_timed:
            return []
        self._is_timed = True
        return [SetTimer(LeavingDue(), delay_ms)]

    def _leave(self, departure: _Departure, now_ms: int) -> list[Effect]:
        call = departure.call
        if departure.destination is not None:
            departure.is_transferring = self._is_timed = True
            return [SetTimer(LeavingDue(), MAX_TRANSFER_MS), TransferCall(departure.destination)]
        effects: list[Effect] = []
        if call is not None:
            effects += self._responses.take_result(ToolReturned(call.item.id, "The call was ended."), now_ms)
        return [*effects, *self._hang_up(departure.reason, now_ms)]

    def _fail(self, call: ServerCall, message: str, now_ms: int) -> list[Effect]:
        return self._responses.take_result(ToolReturned(call.item.id, "", ToolFailure(message)), now_ms)

    def _stay(self) -> list[Effect]:
        self._departure = None
        was_timed, self._is_timed = self._is_timed, False
        return [ClearTimer(LeavingDue())] if was_timed else []

    def _hang_up(self, reason: str, now_ms: int) -> list[Effect]:
        self.is_over = True
        return [*self._stay(), *self._responses.cancel_all(now_ms), HangUp(reason)]
