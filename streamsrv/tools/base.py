"""The contract of tool servers. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from streamsrv.errors import EngineError

ErrorKind = Literal["tool_execution_error", "protocol_error", "http_error"]
"""What failed, by the names of OpenAI Realtime: the tool, the MCP server's protocol, or its HTTP."""


@dataclass(frozen=True, slots=True)
class ToolDescription:
    """One tool as its server describes it. `input_schema` is the JSON schema of its arguments, an object."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    is_read_only: bool = False
    """The server says that the tool changes nothing."""
    annotations: Mapping[str, Any] | None = None
    """What else the server says about the tool, as MCP names it."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Names a tool server: one of the operator's by its label, or with a `url` an MCP server that a client named."""

    label: str
    url: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with each request to the URL; they may hold secrets."""


@dataclass(frozen=True, slots=True)
class ToolFailure:
    """Why a tool failed; `message` is for the language model and the user.

    `code` is the JSON-RPC code of a `protocol_error` and the status of an `http_error`.
    """

    message: str
    kind: ErrorKind = "tool_execution_error"
    code: int = 0


class ToolFailed(EngineError):
    """A tool, or the listing of tools, failed; see `ToolFailure`."""

    def __init__(self, message: str, *, kind: ErrorKind = "tool_execution_error", code: int = 0) -> None:
        super().__init__(message)
        self.failure = ToolFailure(message, kind, code)


class ToolServer(Protocol):
    """Lists and runs tools. Both methods end within the server's time-out, and raise `ToolFailed`."""

    label: str

    async def list_tools(self) -> Sequence[ToolDescription]:
        """Return the tools that may be called."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Run a tool and return its result: bounded text, for the language model."""
        ...

    async def aclose(self) -> None:
        """Free what the server holds; calls in progress fail."""
        ...
