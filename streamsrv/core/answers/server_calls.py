"""The calls of tools that this server runs, as output items of a response. Pure."""

from typing import Any

from streamsrv.core.answers.output_items import OutputItems
from streamsrv.core.effects import CallTool, CancelTool
from streamsrv.core.inputs import ToolReturned
from streamsrv.core.toolbox import ServerTool
from streamsrv.engines.llm.base import ProviderData, ToolCallDelta
from streamsrv.protocol.items import (
    NO_ARGUMENTS,
    McpApprovalRequestItem,
    McpCallItem,
    McpError,
    unreadable_arguments,
)
from streamsrv.protocol.tools import MAX_FUNCTION_NAME

CANCELLED = "The call was cancelled before it had a result."
STAYS = "The telephone call goes on, because the caller spoke before this was done."
NOT_MADE = "The call was not made: it was cut off, or its arguments are no JSON object."


class ServerCall:
    """A call from its first arguments to its result.

    The tool runs when the model has finished, if the arguments can be read. A call that was cut off, or whose response
    was interrupted, is stopped, and its result is not used.
    """

    def __init__(self, items: OutputItems, tool: ServerTool, first: ToolCallDelta, approval_id: str = "") -> None:
        self._items = items
        self._tool = tool
        self.item = McpCallItem(
            id=items.new_id("mcp"),
            status="in_progress",
            server_label=tool.server.label,
            name=tool.name,
            arguments="",
            approval_request_id=approval_id or None,
        )
        self._index = items.add(self.item)
        self.closed = False
        self.is_running = False
        self.take(first)

    def take(self, delta: ToolCallDelta) -> None:
        if delta.provider_data:
            self._items.keep_provider_data(self._index, delta.provider_data)
        if delta.arguments:
            self.item.arguments += delta.arguments
            self._send("response.mcp_call_arguments.delta", delta=delta.arguments)

    @property
    def is_of_call(self) -> bool:
        """Whether the session itself runs the tool, because it is about the telephone call."""
        return self._tool.is_of_call

    @property
    def problem(self) -> str:
        """What is wrong with the arguments, as a sentence; empty: nothing."""
        return _problem(self.item.name, self.item.arguments)

    def complete(self) -> None:
        """Run the tool."""
        if not self.item.arguments:
            self.take(ToolCallDelta(0, NO_ARGUMENTS))
        self._send("response.mcp_call_arguments.done", arguments=self.item.arguments)
        self._items.effects.send("response.mcp_call.in_progress", item_id=self.item.id, output_index=self._index)
        if not self.is_of_call:
            self._items.effects.emit(CallTool(self.item.id, self._tool.server, self._tool.name, self.item.arguments))
        self.is_running = True

    def settle(self, returned: ToolReturned) -> None:
        """Take the result."""
        if (failed := returned.failed) is None:
            self.item.output = returned.output
            self._finish("completed")
            return
        self.item.error = McpError(failed.kind, failed.message)
        if failed.kind != "tool_execution_error":
            self.item.error.code = failed.code
        self._finish("failed")

    def abandon(self) -> None:
        """Stop the call."""
        cancelled = STAYS if self.is_of_call else CANCELLED
        if self.is_running and not self.is_of_call:
            self._items.effects.emit(CancelTool(self.item.id))
        else:
            self._items.note_ineffective(self.item)
        self.item.error = McpError("tool_execution_error", cancelled if self.is_running else NOT_MADE)
        self._finish("failed")

    def _finish(self, outcome: str) -> None:
        self.closed = True
        self.is_running = False
        self._items.effects.send(f"response.mcp_call.{outcome}", item_id=self.item.id, output_index=self._index)
        self._items.finish(self._index, "completed")

    def _send(self, event_type: str, **fields: Any) -> None:
        self._items.effects.send(
            event_type,
            response_id=self._items.plan.id,
            item_id=self.item.id,
            output_index=self._index,
            **fields,
        )


class CallToApprove:
    """A call that waits for the client's approval; the client is told of it when its arguments are complete."""

    is_running = False

    def __init__(self, items: OutputItems, tool: ServerTool, first: ToolCallDelta) -> None:
        self._items = items
        self.tool = tool
        self.item: McpApprovalRequestItem | None = None
        self.closed = False
        self._arguments = ""
        self._provider_data: ProviderData = {}
        self.take(first)

    def take(self, delta: ToolCallDelta) -> None:
        self._arguments += delta.arguments
        self._provider_data = {**self._provider_data, **delta.provider_data}

    @property
    def problem(self) -> str:
        return _problem(self.tool.name, self._arguments)

    def complete(self) -> None:
        """Ask the client."""
        self.closed = True
        self.item = McpApprovalRequestItem(
            id=self._items.new_id("mcpr"),
            status="in_progress",
            server_label=self.tool.server.label,
            name=self.tool.name,
            arguments=self._arguments or NO_ARGUMENTS,
        )
        index = self._items.add(self.item)
        if self._provider_data:
            self._items.keep_provider_data(index, self._provider_data)
        self._items.finish(index, "completed")

    def abandon(self) -> None:
        self.closed = True


class UnaskedCall:
    """A call of a model that was told to call nothing: nobody acts on it, and it is no item."""

    is_running = False

    def __init__(self, first: ToolCallDelta) -> None:
        self.closed = False
        self.problem = f"The model called {first.name[:MAX_FUNCTION_NAME]!r}, although 'tool_choice' is 'none'."

    def take(self, delta: ToolCallDelta) -> None: ...

    def complete(self) -> None:
        self.closed = True

    def abandon(self) -> None:
        self.closed = True


def _problem(name: str, arguments: str) -> str:
    reason = unreadable_arguments(arguments or NO_ARGUMENTS)
    return f"The model called {name!r} with arguments that are no JSON object: {reason}." if reason else ""
