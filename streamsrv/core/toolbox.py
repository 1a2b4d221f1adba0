"""Knows the tools that this server runs in a session, and offers them to the model beside the client's. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from streamsrv.core.collector import Collector
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import ClearTimer, Effect, ListTools, SetTimer
from streamsrv.core.inputs import ToolsListed
from streamsrv.core.timers import ListingTimeout
from streamsrv.engines.llm.base import Tool
from streamsrv.protocol.errors import ProtocolError, invalid
from streamsrv.protocol.items import ListedTool, McpListToolsItem, item_to_wire
from streamsrv.protocol.session_object import Session
from streamsrv.protocol.tools import (
    MAX_MCP_SERVERS,
    FunctionTool,
    McpTool,
    NamedFunction,
    NamedMcpTool,
    ToolChoice,
    ToolDefinition,
    function_name,
)
from streamsrv.tools.base import ServerAddress, ToolDescription
from streamsrv.web_addresses import is_unencrypted, url_is_within, url_problem

MAX_LIST_WAIT_MS = 3000
"""How long an answer waits for the tools of a server. Tools that are listed later are offered from then on."""


@dataclass(frozen=True, slots=True)
class OperatorServer:
    """A tool server of the operator."""

    label: str
    needs_approval: bool = False
    in_every_session: bool = True


@dataclass(frozen=True, slots=True)
class ServerTool:
    """One tool as the model is offered it, as a function."""

    server: ServerAddress
    name: str
    function: Tool
    needs_approval: bool
    is_of_call: bool = False
    """Whether the session itself runs it, because it is about the telephone call."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the model may call in one response."""

    functions: tuple[Tool, ...] = ()
    """All of it, as functions."""
    server_tools: Mapping[str, ServerTool] = field(default_factory=dict[str, ServerTool])
    """By the name of the function, those that this server runs."""
    may_call: bool = True
    """Whether the model may call any of it now."""


@dataclass(slots=True)
class _Listing:
    """The tools of one server: asked for, listed, or not to be had."""

    id: str
    item: McpListToolsItem | None
    """Tells the client; None for a server that it did not name."""
    tools: tuple[ToolDescription, ...] = ()
    is_awaited: bool = True


class Toolbox:
    """Has the tools listed that the session and its responses name, and those that the operator offers in all sessions.

    `servers`: of the operator. `offers_all`: whether those that are for every session are offered in this one.
    `call_tools`: those of the telephone call, if the session runs in one.
    """

    def __init__(
        self,
        conversation: Conversation,
        new_id: Callable[[str], str],
        servers: Sequence[OperatorServer] = (),
        *,
        offers_all: bool = True,
        call_tools: Sequence[ServerTool] = (),
    ) -> None:
        self._call_tools = call_tools if offers_all else ()
        self._conversation = conversation
        self._new_id = new_id
        self._servers = {server.label: server for server in servers}
        self._common = [server.label for server in servers if server.in_every_session and offers_all]
        self._listings: dict[ServerAddress, _Listing] = {}
        self._effects = Collector()

    @property
    def offers_unasked(self) -> bool:
        """Whether the model is offered tools in the conversation that the client did not name."""
        return bool(self._call_tools or self._common)

    def start(self, session: Session) -> list[Effect]:
        """Have the tools of the session and the operator's listed; a session that only transcribes has none."""
        if session.type != "realtime":
            return []
        for label in self._common:
            self._list(ServerAddress(label), is_announced=False)
        return [*self._effects.take(), *self.prepare(session.tools)]

    def prepare(self, tools: Sequence[ToolDefinition]) -> list[Effect]:
        """Have the tools of the servers listed that a session or a response names for the first time."""
        for tool in tools:
            if isinstance(tool, McpTool):
                self._list(_address(tool), is_announced=True)
        return self._effects.take()

    def take(self, listed: ToolsListed) -> list[Effect]:
        """Take the tools of a server, and tell the client; a late answer is ignored."""
        address = next((address for address, held in self._listings.items() if held.id == listed.listing_id), None)
        if address is None:
            return []
        listing = self._listings[address]
        listing.is_awaited = False
        listing.tools = listed.tools
        self._effects.emit(ClearTimer(ListingTimeout(listing.id)))
        if listed.error:
            del self._listings[address]  # asked for again when it is next named
        if listing.item is not None:
            self._tell(listing.item, listed)
        return self._effects.take()

    def give_up_waiting(self, listing_id: str) -> None:
        """Let answers begin without these tools."""
        for listing in self._listings.values():
            if listing.id == listing_id:
                listing.is_awaited = False

    def is_awaited(self, tools: Sequence[ToolDefinition]) -> bool:
        """Whether an answer with these tools still waits for the tools of a server."""
        wanted = {_address(tool) for tool in tools if isinstance(tool, McpTool)} | set(map(ServerAddress, self._common))
        return any(listing.is_awaited for address, listing in self._listings.items() if address in wanted)

    def offer(self, tools: Sequence[ToolDefinition], *, in_conversation: bool) -> Offer:
        """Return what the model may call.

        Outside of the conversation nobody can approve a call, and the operator's tools are not offered unasked. A
        function of the client takes the place of a tool of the telephone call that has its name.
        """
        functions = {
            tool.name: Tool(tool.name, tool.description, tool.parameters)
            for tool in tools
            if isinstance(tool, FunctionTool)
        }
        ours: dict[str, ServerTool] = {}
        if in_conversation:
            ours |= {tool.name: tool for tool in self._call_tools if tool.name not in functions}
        named = [tool for tool in tools if isinstance(tool, McpTool)]
        labels = {tool.server_label for tool in named}
        unnamed = [McpTool(label) for label in self._common if label not in labels] if in_conversation else []
        for definition in (*named, *unnamed):
            for tool in self._tools_of(definition):
                if tool.needs_approval and not in_conversation:
                    continue
                name = _function_name(tool, functions.keys() | ours.keys())
                ours[name] = replace(tool, function=replace(tool.function, name=name))
        return Offer((*functions.values(), *(tool.function for tool in ours.values())), ours)

    def _tools_of(self, definition: McpTool) -> list[ServerTool]:
        address = _address(definition)
        listing = self._listings.get(address)
        if listing is None:
            return []
        found: list[ServerTool] = []
        for tool in listing.tools:
            if not definition.allows(tool.name, is_read_only=tool.is_read_only):
                continue
            asked = definition.needs_approval(tool.name, is_read_only=tool.is_read_only)
            needs = asked is not False if address.url else bool(asked) or self._servers[address.label].needs_approval
            function = Tool(tool.name, tool.description, dict(tool.input_schema))
            found.append(ServerTool(address, tool.name, function, needs))
        return found

    def _list(self, address: ServerAddress, *, is_announced: bool) -> None:
        held = self._listings.get(address)
        if held is not None and (held.item is not None or not is_announced):
            return
        listing_id = self._new_id("mcpl")
        item = None
        if is_announced:
            item = McpListToolsItem(id=listing_id, status="in_progress", server_label=address.label)
            previous_id = self._conversation.add(item)
            self._effects.send("conversation.item.added", previous_item_id=previous_id, item=item_to_wire(item))
            self._effects.send("mcp_list_tools.in_progress", item_id=item.id)
        tools = held.tools if held is not None else ()
        self._listings[address] = _Listing(listing_id, item, tools)
        self._effects.emit(SetTimer(ListingTimeout(listing_id), MAX_LIST_WAIT_MS))
        self._effects.emit(ListTools(listing_id, address))

    def _tell(self, item: McpListToolsItem, listed: ToolsListed) -> None:
        item.status = "completed"
        item.tools = [
            ListedTool(tool.name, tool.description, dict(tool.input_schema), dict(tool.annotations or {}) or None)
            for tool in listed.tools
        ]
        if item.id in self._conversation:
            self._effects.send("conversation.item.done", previous_item_id=None, item=item_to_wire(item))
        if listed.error:
            self._effects.send("mcp_list_tools.failed", item_id=item.id, streamsrv={"reason": listed.error})
        else:
            self._effects.send("mcp_list_tools.completed", item_id=item.id)


def check_tools(
    tools: Sequence[ToolDefinition], param: str, labels: Collection[str], allowed_urls: Collection[str]
) -> None:
    """Refuse MCP servers that a client may not use, and two functions of one name; `param` is the path of the tools.

    `labels`: the operator's servers. `allowed_urls`: the addresses that clients may name.
    """
    seen: set[str] = set()
    functions: set[str] = set()
    for index, tool in enumerate(tools):
        if isinstance(tool, FunctionTool):
            if tool.name in functions:
                raise invalid(tool.name, f"{param}[{index}].name", "another function has this name")
            functions.add(tool.name)
        if not isinstance(tool, McpTool):
            continue
        path = f"{param}[{index}]"
        if tool.server_label in seen:
            raise invalid(tool.server_label, f"{path}.server_label", "another tool has this label")
        seen.add(tool.server_label)
        if len(seen) > MAX_MCP_SERVERS:
            raise invalid(tool.server_label, path, f"at most {MAX_MCP_SERVERS} MCP servers are accepted")
        if tool.server_url is None:
            _check_label(tool, path, labels)
        else:
            _check_url(tool, tool.server_url, path, allowed_urls)


def check_tool_choice(
    choice: ToolChoice, tools: Sequence[ToolDefinition], param: str, labels: Collection[str], functions: Collection[str]
) -> None:
    """Refuse the choice of a function or MCP server that the tools do not have; `param` is the path of the choice.

    `labels`: the operator's servers. `functions`: names that may be chosen although they are not in the tools.
    """
    named = {tool.server_label for tool in tools if isinstance(tool, McpTool)}
    match choice:
        case NamedFunction(name=name) if not named and not labels:  # else it may be a tool of a server
            own = {tool.name for tool in tools if isinstance(tool, FunctionTool)}
            if name not in own | set(functions):
                reason = f"the tools have no function of this name; there are: {_listed(own)}"
                raise invalid(name, f"{param}.name", reason)
        case NamedMcpTool(server_label=label) if label not in named | set(labels):
            reason = f"the tools have no MCP server with this label; there are: {_listed(named | set(labels))}"
            raise invalid(label, f"{param}.server_label", reason)
        case _:
            pass


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names)) or "none"


def _check_label(tool: McpTool, path: str, labels: Collection[str]) -> None:
    if tool.server_label not in labels:
        reason = (
            f"without a 'server_url' it must be the label of a server of the operator; there are: {_listed(labels)}"
        )
        raise invalid(tool.server_label, f"{path}.server_label", reason)
    if tool.has_secrets:
        name = "authorization" if tool.authorization else "headers"
        reason = f"'{path}.{name}' is only accepted with a 'server_url'"
        raise ProtocolError("invalid_value", f"Invalid value for '{path}.{name}': {reason}.", f"{path}.{name}")


def _check_url(tool: McpTool, url: str, path: str, allowed_urls: Collection[str]) -> None:
    if problem := url_problem(url):
        raise invalid(url, f"{path}.server_url", f"it {problem}")
    if not any(url_is_within(url, allowed) for allowed in allowed_urls):
        reason = "this server does not connect to it; its operator can allow addresses with the setting 'tool_urls'"
        raise invalid(url, f"{path}.server_url", reason)
    if tool.has_secrets and is_unencrypted(url):
        raise invalid(url, f"{path}.server_url", "it would carry the authorization unencrypted; accepted is https")


def _address(tool: McpTool) -> ServerAddress:
    if tool.server_url is None:
        return ServerAddress(tool.server_label)
    headers = dict(tool.headers or {})
    if tool.authorization:
        has_scheme = " " in tool.authorization.strip()
        headers["Authorization"] = tool.authorization if has_scheme else f"Bearer {tool.authorization}"
    return ServerAddress(tool.server_label, tool.server_url, tuple(sorted(headers.items())))


def _function_name(tool: ServerTool, taken: Collection[str]) -> str:
    """Return the name of the tool, with its server's label before it if another tool has that name."""
    plain = function_name(tool.name)
    if plain not in taken:
        return plain
    labelled = function_name(f"{tool.server.label}__{tool.name}")
    number = 2
    while labelled in taken:
        labelled = f"{labelled[:60]}_{number}"
        number += 1
    return labelled
