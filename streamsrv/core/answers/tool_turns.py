"""Decides how an answer goes on after the tools that this server ran, and what becomes of approvals. Pure.

When all tools of a response have returned, the model is asked again, so that it can say what they gave. Clients that
know MCP ask for that themselves with a `response.create`; the server waits a moment for it, and then asks on its own.
"""

from msgspec import structs

from streamsrv.core.answers.response import Response
from streamsrv.core.answers.responses import Responses
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import ClearTimer, Effect, SetTimer
from streamsrv.core.timers import FollowUpDue
from streamsrv.core.toolbox import ServerTool
from streamsrv.protocol.client_events import ResponseOptions
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.items import McpApprovalRequestItem, McpApprovalResponseItem
from streamsrv.protocol.session_object import Session

FOLLOW_UP_MS = 250
"""How long the server waits for the client to ask for the answer: longer than most connections take there and back."""
MAX_IN_A_ROW = 8
"""Answers that the server asks for on its own, one after the other; the next one must do without tools."""


class ToolTurns:
    """Follows the responses of a session that call tools of this server."""

    def __init__(self, responses: Responses) -> None:
        self._responses = responses
        self._follow_up: ResponseOptions | None = None  # that waits for the client, or for its time
        self._is_due = self._is_asked = False
        self._asked: ResponseOptions | None = None  # by the client, while tools still ran
        self._own_id = ""  # of the response that the server began on its own, until the client asks for it
        self._in_a_row = 0
        self._requests: dict[str, tuple[ServerTool, McpApprovalRequestItem]] = {}  # that wait for an approval, by item
        self._approved: list[tuple[ServerTool, McpApprovalRequestItem]] = []

    def go_on(self, session: Session, now_ms: int) -> list[Effect]:
        """Take notice of responses that ended, and run what was approved meanwhile."""
        effects: list[Effect] = []
        for response in self._responses.take_ended():
            self._requests |= response.requests
            asked, self._asked = self._asked, None
            if response.is_to_be_followed:
                effects += self._begin(asked or _following(response.options), at_once=asked is not None)
        if self._approved:
            active = self._responses.active
            if active is None or active.runs_approved_calls:
                effects += self._responses.run_approved(self._approved, session, now_ms)
                self._approved = []
        return effects

    def covers(self, options: ResponseOptions, active: Response | None) -> bool:
        """Whether a client that asks for a response gets what it asks for without a new one.

        So it is while tools run, whose results it cannot wait for better, and when the server was quicker than it.
        """
        if active is None or options.conversation == "none":
            return False
        if active.awaits_only_tools and active.server_calls:
            self._asked = options
            return True
        if active.plan.id == self._own_id and options == ResponseOptions():
            self._own_id = ""
            return True
        return False

    def begin(self, options: ResponseOptions, response: Response | None) -> list[Effect]:
        """Take notice that a response of the conversation was created; it answers all results so far."""
        is_own = options is self._follow_up and not self._is_asked
        self._in_a_row = self._in_a_row + 1 if is_own else 0
        self._own_id = response.plan.id if is_own and response is not None else ""
        return self.forget()

    def forget(self) -> list[Effect]:
        """Do not ask the model again."""
        if self._follow_up is None:
            return []
        self._follow_up, self._is_due, self._is_asked = None, False, False
        return [ClearTimer(FollowUpDue())]

    def fall_due(self) -> None:
        """The client has not asked in time."""
        self._is_due = self._follow_up is not None

    def due(self, *, speaking: bool) -> ResponseOptions | None:
        """Return the options of the answer that the server has to begin now, if there is one.

        While the user speaks there is none, because the answer to the user follows.
        """
        if not self._is_due or self._responses.active is not None or speaking:
            return None
        self._is_due = False
        return self._follow_up

    def check_decision(self, item: McpApprovalResponseItem, conversation: Conversation) -> None:
        """Refuse a decision of the client if there is no call to decide on."""
        if item.approval_request_id not in self._requests or item.approval_request_id not in conversation:
            message = (
                f"Invalid value {item.approval_request_id!r} for 'item.approval_request_id': no call waits for an "
                "approval under this id."
            )
            raise ProtocolError("invalid_value", message, "item.approval_request_id")

    def decide(self, item: McpApprovalResponseItem) -> list[Effect]:
        """Take the client's decision on a call."""
        tool, request = self._requests.pop(item.approval_request_id)
        if item.approve:
            self._approved.append((tool, request))
            return self.forget()
        return self._begin(ResponseOptions(), at_once=False)

    def forget_item(self, item_id: str) -> None:
        """Forget an item that is deleted."""
        self._requests.pop(item_id, None)
        self._approved = [(tool, request) for tool, request in self._approved if request.id != item_id]

    def _begin(self, options: ResponseOptions, *, at_once: bool) -> list[Effect]:
        if self._in_a_row >= MAX_IN_A_ROW and not at_once:
            options = structs.replace(options, tool_choice="none")
        self._follow_up, self._is_due, self._is_asked = options, at_once, at_once
        return [] if at_once else [SetTimer(FollowUpDue(), FOLLOW_UP_MS)]


def _following(options: ResponseOptions) -> ResponseOptions:
    """Return the options of the answer that follows; a call of a tool is not forced again."""
    return structs.replace(options, tool_choice="auto", input=None)
