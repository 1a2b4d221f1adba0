"""Uses the tools of an MCP server, over the standard input and output of a command or over Streamable HTTP."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from streamsrv.engines.readiness.needs import is_installed
from streamsrv.engines.readiness.remedy import find_installer, install_command
from streamsrv.tool_settings import ToolServerSettings
from streamsrv.tools.base import ServerAddress, ToolDescription, ToolFailed
from streamsrv.tools.connection import Connection, Open, http_client_of, stdio_client_of
from streamsrv.tools.results import MAX_TOOLS, bounded, checked_list, text_of_content
from streamsrv.web_addresses import is_loopback

if TYPE_CHECKING:
    from mcp import Client

MAX_PARALLEL = 16
"""Calls of one server at once; more wait, within their time-out."""
MAX_PAGES = 20
"""Pages of a listing."""
MAX_REASON = 2000
"""Characters of a server's own message that are passed on."""
_CONNECTION_CLOSED = -32000
_SESSION_TERMINATED = "Session terminated"

logger = logging.getLogger(__name__)

T = TypeVar("T")


class McpServer:
    """One MCP server. It is connected when it is first used, and again after the connection broke.

    A call is never sent twice: when the connection breaks during a call, it may have acted, and it fails.
    """

    def __init__(self, label: str, open_client: Open, timeout_s: float, allowed: Sequence[str] | None = None) -> None:
        self.label = label
        self._open = open_client
        self._timeout_s = timeout_s
        self._allowed = allowed
        self._connection: Connection | None = None
        self._ending: set[Connection] = set()
        self._places = asyncio.Semaphore(MAX_PARALLEL)

    async def list_tools(self) -> Sequence[ToolDescription]:
        tools = await self._ask(self._list, "list its tools")
        return checked_list(self.label, tools, self._allowed)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        if self._allowed is not None and name not in self._allowed:
            raise ToolFailed(f"The tool '{name}' of '{self.label}' is not allowed.")
        result = await self._ask(lambda client: client.call_tool(name, dict(arguments)), f"finish '{name}'")
        text = bounded(text_of_content(result.content, result.structured_content))
        if result.is_error:
            raise ToolFailed(text or f"The tool '{name}' failed.")
        return text

    async def aclose(self) -> None:
        connections = {*self._ending, *([self._connection] if self._connection is not None else [])}
        self._connection = None
        await asyncio.gather(*(connection.aclose() for connection in connections))

    async def _ask(self, ask: Callable[["Client"], Awaitable[T]], what: str) -> T:
        require_mcp()
        try:
            async with asyncio.timeout(self._timeout_s), self._places:
                return await self._ask_connected(ask)
        except TimeoutError:
            raise ToolFailed(f"The tool server '{self.label}' did not {what} within {self._timeout_s:g} s.") from None
        except ToolFailed:
            raise
        except Exception as error:
            raise _failure(self.label, error) from error

    async def _ask_connected(self, ask: Callable[["Client"], Awaitable[T]]) -> T:
        connection = self._connected()
        try:
            return await ask(await connection.client())
        except Exception as error:
            if not _is_broken(error):
                raise
            connection.end()
            if str(error) != _SESSION_TERMINATED:
                raise
        return await ask(await self._connected().client())  # the server forgot the session, so nothing has acted

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_over:
            if self._connection is not None:
                self._ending = {held for held in (*self._ending, self._connection) if not held.is_closed}
            self._connection = Connection(self._open, f"tool server {self.label}")
        return self._connection

    async def _list(self, client: "Client") -> list[ToolDescription]:
        tools: list[ToolDescription] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            for tool in page.tools:
                hints = tool.annotations
                told = None if hints is None else hints.model_dump(by_alias=True, exclude_none=True)
                is_read_only = hints is not None and hints.read_only_hint is True
                tools.append(ToolDescription(tool.name, tool.description or "", tool.input_schema, is_read_only, told))
            cursor = page.next_cursor
            if not cursor:
                return tools
        raise ToolFailed(
            f"The tool server '{self.label}' lists its tools on more than {MAX_PAGES} pages ({MAX_TOOLS} tools)."
        )


def configured(settings: ToolServerSettings) -> McpServer:
    """Return an MCP server of the operator."""
    if settings.command:
        open_client: Open = partial(
            stdio_client_of, settings.command, settings.folder, settings.variables, settings.label
        )
    else:
        open_client = _over_http(settings.url, partial(_key_header, settings), settings.timeout_s)
    return McpServer(settings.label, open_client, settings.timeout_s, settings.allowed_tools)


def of_client(address: ServerAddress, timeout_s: float) -> McpServer:
    """Return the MCP server that a client named by its URL."""
    return McpServer(address.label, _over_http(address.url, lambda: dict(address.headers), timeout_s), timeout_s)


def require_mcp() -> None:
    """Raise `ToolFailed`, with the command that mends it, if the MCP package is not installed."""
    if not is_installed("mcp"):
        command = install_command(["streamsrv[mcp]"], find_installer())
        raise ToolFailed(f"The package for MCP is not installed. Run: {command}")


def _over_http(url: str, headers: Callable[[], dict[str, str]], timeout_s: float) -> Open:
    is_local = is_loopback(urlsplit(url).hostname or "")  # which no proxy can reach
    return lambda ended: http_client_of(url, headers(), timeout_s, not is_local)


def _key_header(settings: ToolServerSettings) -> dict[str, str]:
    if not settings.key_variable:
        return {}
    if not (key := os.environ.get(settings.key_variable)):
        raise ToolFailed(f"The tool server '{settings.label}' needs a key: set {settings.key_variable}.")
    return {"Authorization": f"Bearer {key}"}


def _is_broken(error: BaseException) -> bool:
    """Whether the connection cannot be used any more."""
    code = getattr(error, "code", None)
    return not isinstance(code, int) or code == _CONNECTION_CLOSED or str(error) == _SESSION_TERMINATED


def _failure(label: str, error: BaseException) -> ToolFailed:
    """Return what the model and the user are told of an exception of the SDK."""
    while isinstance(error, BaseExceptionGroup):
        inner = cast("BaseExceptionGroup[BaseException]", error)
        error = inner.exceptions[0]
    if isinstance(error, ToolFailed):
        return error
    reason = bounded(" ".join(str(error).split()) or type(error).__name__, MAX_REASON)
    code = getattr(error, "code", None)
    status = getattr(getattr(error, "response", None), "status_code", None)
    message = f"The tool server '{label}': {reason}"
    if isinstance(status, int):
        return ToolFailed(message, kind="http_error", code=status)
    if isinstance(code, int) and code != _CONNECTION_CLOSED:
        return ToolFailed(message, kind="protocol_error", code=code)
    if isinstance(error, FileNotFoundError | PermissionError):
        return ToolFailed(f"The tool server '{label}' cannot be started: {reason}")
    if isinstance(error, OSError) or code == _CONNECTION_CLOSED:
        return ToolFailed(f"The tool server '{label}' cannot be reached, or has ended: {reason}")
    logger.debug("the tool server %s failed", label, exc_info=error)
    return ToolFailed(message)
