"""Defines the tools of sessions and responses: functions that the client runs, and MCP servers that this server uses.

Source: the OpenAI Realtime GA schema (`RealtimeToolsConfig`, `RealtimeToolChoiceConfig`).
"""

import re
from typing import Annotated, Any, Literal, cast

from msgspec import Meta, Struct

MAX_MCP_SERVERS = 8
"""MCP servers in the tools of one session or response."""
Label = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
ToolName = Annotated[str, Meta(min_length=1, max_length=128)]
FunctionName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""What all providers of language models accept."""
ToolNames = Annotated[list[ToolName], Meta(max_length=128)]
_HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]
_HeaderValue = Annotated[str, Meta(pattern=r"^[\x20-\x7e\t]{0,8192}$")]


class FunctionTool(Struct, frozen=True, forbid_unknown_fields=True, tag="function"):
    """A function that the client runs."""

    name: FunctionName
    description: Annotated[str, Meta(max_length=500_000)] = ""
    parameters: dict[str, Any] = {}


class ToolFilter(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Tools of an MCP server, by name or by whether the server says that they change nothing."""

    tool_names: ToolNames | None = None
    read_only: bool | None = None

    def matches(self, name: str, *, is_read_only: bool) -> bool:
        named = self.tool_names is None or name in self.tool_names
        return named and (self.read_only is None or self.read_only == is_read_only)


class ApprovalFilter(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which tools need an approval of each call."""

    always: ToolFilter | None = None
    never: ToolFilter | None = None


class McpTool(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="mcp"):
    """The tools of an MCP server: of one at `server_url`, or (extension) of the operator's with this label."""

    server_label: Label
    server_url: Annotated[str, Meta(max_length=2048)] | None = None
    authorization: _HeaderValue | None = None
    """A token for the server; it is never sent back."""
    headers: Annotated[dict[_HeaderName, _HeaderValue], Meta(max_length=32)] | None = None
    """Headers for the server; their values are never sent back."""
    allowed_tools: ToolNames | ToolFilter | None = None
    require_approval: Literal["always", "never"] | ApprovalFilter | None = None
    server_description: Annotated[str, Meta(max_length=10_000)] | None = None
    allowed_callers: list[Literal["direct"]] | None = None
    connector_id: None = None
    tunnel_id: None = None
    defer_loading: Literal[False] | None = None

    def allows(self, name: str, *, is_read_only: bool) -> bool:
        """Whether the model may call this tool."""
        match self.allowed_tools:
            case None:
                return True
            case ToolFilter() as chosen:
                return chosen.matches(name, is_read_only=is_read_only)
            case names:
                return name in names

    def needs_approval(self, name: str, *, is_read_only: bool) -> bool | None:
        """Whether a call of this tool waits for an approval; None: the definition does not say."""
        match self.require_approval:
            case None:
                return None
            case "always" | "never" as answer:
                return answer == "always"
            case ApprovalFilter(always=always, never=never):
                if never is not None and never.matches(name, is_read_only=is_read_only):
                    return False
                if always is not None:
                    return always.matches(name, is_read_only=is_read_only) or never is not None
                return True

    @property
    def has_secrets(self) -> bool:
        return bool(self.authorization or self.headers)


ToolDefinition = FunctionTool | McpTool
Tools = Annotated[list[ToolDefinition], Meta(max_length=128)]


class NamedFunction(Struct, frozen=True, forbid_unknown_fields=True, tag="function"):
    name: ToolName


class NamedMcpTool(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag="mcp"):
    """Any tool of an MCP server, or the named one."""

    server_label: Label
    name: ToolName | None = None


ToolChoice = Literal["auto", "none", "required"] | NamedFunction | NamedMcpTool


_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
MAX_FUNCTION_NAME = 64
"""Characters in the name of a function: what all providers of language models accept."""


def function_name(name: str) -> str:
    """Return the name of a tool as one that all providers accept for a function."""
    return _NOT_IN_NAMES.sub("_", name)[:MAX_FUNCTION_NAME]


def with_types(tools: Any) -> Any:
    """Return tools as a client sent them, where those without a `type` are functions."""
    if not isinstance(tools, list):
        return tools
    return [
        {"type": "function", **cast("dict[str, Any]", tool)} if isinstance(tool, dict) else tool
        for tool in cast("list[Any]", tools)
    ]


def without_secrets(tools: Any) -> Any:
    """Return tools as they are sent to clients: without the secrets for MCP servers."""
    return [{name: value for name, value in tool.items() if name not in ("authorization", "headers")} for tool in tools]
