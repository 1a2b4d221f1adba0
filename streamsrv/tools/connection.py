"""Holds one connection to an MCP server, in a task of its own."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from mcp import Client

CLOSE_S = 10.0
"""Seconds that closing a connection may take; the SDK kills a command that does not end within six."""
MAX_LINE = 500
"""Characters of a line on a command's standard error that are logged."""

logger = logging.getLogger(__name__)

Open = Callable[[Callable[[], None]], AbstractAsyncContextManager["Client"]]
"""Opens a connection; calls its argument when the other side has ended it."""


class Connection:
    """One connection, from `start` to `aclose`, or until the other side ends it.

    The SDK's contexts belong to the task that entered them, so one task holds them for all callers.
    """

    def __init__(self, open_client: Open, name: str) -> None:
        self._open = open_client
        self._closing = asyncio.Event()
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._ready.add_done_callback(_retrieve)
        self._task = asyncio.create_task(self._hold(), name=name)
        self.is_over = False
        """Whether it can no longer be used."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing of it is left."""
        return self._task.done()

    async def client(self) -> "Client":
        """Wait until it is open; raises what opening it raised."""
        return await asyncio.shield(self._ready)

    def end(self) -> None:
        """Begin to close it."""
        self.is_over = True
        self._closing.set()

    async def aclose(self) -> None:
        """Close it."""
        self.end()
        if not self._ready.done():
            self._task.cancel()
        _, late = await asyncio.wait([self._task], timeout=CLOSE_S)
        for task in late:
            task.cancel()

    async def _hold(self) -> None:
        try:
            async with self._open(self.end) as client:
                if not self._ready.done():
                    self._ready.set_result(client)
                await self._closing.wait()
        except asyncio.CancelledError as error:
            self._settle(ConnectionError("The connection was closed."))
            raise error
        except Exception as error:
            if self._ready.done():
                logger.debug("%s ended", self._task.get_name(), exc_info=error)
            self._settle(error)
        finally:
            self.is_over = True

    def _settle(self, error: Exception) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)


def _retrieve(future: "asyncio.Future[Client]") -> None:
    """Mark the exception of a future as seen, because nobody may be waiting for it."""
    if not future.cancelled():
        future.exception()


@asynccontextmanager
async def stdio_client_of(
    command: tuple[str, ...], folder: Path | None, variables: tuple[str, ...], label: str, ended: Callable[[], None]
) -> "AsyncGenerator[Client]":
    """Start a command and speak MCP with it. It gets HOME, PATH and the like, and the named variables."""
    from mcp import Client, StdioServerParameters, stdio_client

    # A command that inherited the whole environment would get the keys of clients and providers.
    environment = {name: os.environ[name] for name in variables if name in os.environ}
    parameters = StdioServerParameters(
        command=command[0], args=list(command[1:]), env=environment, cwd=folder, encoding_error_handler="replace"
    )
    async with _logged_lines(label, ended) as errors, Client(stdio_client(parameters, errors), cache=None) as client:
        errors.close()  # the command has its own copy; without this one, the pipe ends when the command does
        yield client


@asynccontextmanager
async def http_client_of(
    url: str, headers: dict[str, str], timeout_s: float, trust_proxies: bool
) -> "AsyncGenerator[Client]":
    """Speak MCP with a server over Streamable HTTP."""
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    http = httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(timeout_s), trust_env=trust_proxies)
    async with http, Client(streamable_http_client(url, http_client=http), cache=None) as client:
        yield client


@asynccontextmanager
async def _logged_lines(label: str, ended: Callable[[], None]) -> AsyncGenerator[TextIO]:
    """Yield a file for the standard error of a command: its lines are logged, and its end is the command's."""
    read_end, write_end = os.pipe()
    file = os.fdopen(write_end, "w", encoding="utf-8")
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
    )
    task = asyncio.create_task(_log(reader, label, ended), name=f"messages of the tool server {label}")
    try:
        yield file
    finally:
        file.close()
        transport.close()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _log(reader: asyncio.StreamReader, label: str, ended: Callable[[], None]) -> None:
    while block := await reader.read(65_536):
        for line in block.decode(errors="replace").splitlines():
            logger.info("tool server %s: %s", label, line[:MAX_LINE])
    ended()
