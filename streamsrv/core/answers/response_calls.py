"""The calls of functions and tools in one response. Pure."""

from streamsrv.core.answers.output_items import FunctionCall, OutputItems
from streamsrv.core.answers.server_calls import CallToApprove, ServerCall, UnaskedCall
from streamsrv.core.inputs import ToolReturned
from streamsrv.core.toolbox import Offer, ServerTool
from streamsrv.engines.llm.base import ToolCallDelta
from streamsrv.protocol.items import McpApprovalRequestItem


class ResponseCalls:
    """Calls by their index in the model's output: of the client's functions, and of tools that this server runs."""

    def __init__(self, items: OutputItems) -> None:
        self._items = items
        self._calls: dict[int, FunctionCall | ServerCall | CallToApprove | UnaskedCall] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def take(self, delta: ToolCallDelta, offer: Offer) -> None:
        """Take a part of a call; `offer`: what the model may call."""
        if delta.index in self._calls:
            self._calls[delta.index].take(delta)
        elif not offer.may_call:
            self._calls[delta.index] = UnaskedCall(delta)
        elif (tool := offer.server_tools.get(delta.name)) is None:
            self._calls[delta.index] = FunctionCall(self._items, delta)
        elif tool.needs_approval:
            self._calls[delta.index] = CallToApprove(self._items, tool, delta)
        else:
            self._calls[delta.index] = ServerCall(self._items, tool, delta)

    def finish(self, *, is_complete: bool, has_words: bool) -> str:
        """Make the calls that can be made, and give up the others, because the model has finished.

        `is_complete`: whether it has said all; `has_words`: whether it has said anything besides. Returns what is wrong
        with the first call that cannot be made, as a sentence; empty: nothing.
        """
        problems: list[str] = []
        for call in self._calls.values():
            if is_complete and not call.problem:
                call.complete()
                continue
            is_harmless = isinstance(call, UnaskedCall) and has_words  # the words are the answer
            if call.problem and not is_harmless:
                problems.append(call.problem)
            call.abandon()
        return next(iter(problems), "")

    def run(self, tool: ServerTool, request: McpApprovalRequestItem) -> None:
        """Run a call that the client approved."""
        call = ServerCall(self._items, tool, ToolCallDelta(0, request.arguments), approval_id=request.id)
        self._calls[len(self._calls)] = call
        call.complete()

    def settle(self, returned: ToolReturned) -> None:
        """Take the result of one of the calls."""
        for call in self.of_server:
            if call.item.id == returned.call_id and call.is_running:
                call.settle(returned)

    def abandon(self) -> None:
        """Give up the calls that are not closed."""
        for call in self._calls.values():
            if not call.closed:
                call.abandon()

    def begin_again(self) -> None:
        """Give up all calls, because the model is asked again."""
        for call in self._calls.values():
            call.abandon()
        self._calls.clear()

    @property
    def can_be_made(self) -> bool:
        """Whether there is a call whose arguments can be read."""
        return any(not call.problem for call in self._calls.values())

    @property
    def of_client(self) -> frozenset[str]:
        """The ids of the function calls on which the client acts."""
        calls = (call for call in self._calls.values() if isinstance(call, FunctionCall))
        return frozenset(call.call_id for call in calls if call.is_complete)

    @property
    def of_server(self) -> list[ServerCall]:
        """The calls of tools that this server runs."""
        return [call for call in self._calls.values() if isinstance(call, ServerCall)]

    @property
    def are_all_of_server(self) -> bool:
        """Whether there are calls, all of tools that this server runs."""
        return bool(self._calls) and all(isinstance(call, ServerCall) for call in self._calls.values())

    @property
    def is_any_running(self) -> bool:
        """Whether the result of a tool of this server is awaited."""
        return any(call.is_running for call in self.of_server)

    @property
    def requests(self) -> dict[str, tuple[ServerTool, McpApprovalRequestItem]]:
        """The tools whose calls the client has to approve and the items that ask for it, by their ids."""
        calls = (call for call in self._calls.values() if isinstance(call, CallToApprove))
        return {call.item.id: (call.tool, call.item) for call in calls if call.item is not None}
