"""The tool servers of one server: those of the operator, shared by all sessions."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from streamsrv.tool_settings import ToolServerSettings
from streamsrv.tools import mcp_server
from streamsrv.tools.base import ToolFailed, ToolServer
from streamsrv.tools.functions import FunctionServer

logger = logging.getLogger(__name__)


class ToolServers:
    """Holds the operator's servers by label, until the last session that uses them has left and they are retired."""

    def __init__(self, settings: Iterable[ToolServerSettings] = ()) -> None:
        self.settings: Mapping[str, ToolServerSettings] = {server.label: server for server in settings}
        self._servers: dict[str, ToolServer] = {}
        self._users = 0
        self._is_retired = False

    def __getitem__(self, label: str) -> ToolServer:
        """Return a server; raises `ToolFailed` if there is none of that label, or it cannot be made."""
        if label not in self.settings:
            raise ToolFailed(f"There is no tool server '{label}'.")
        if label not in self._servers:
            settings = self.settings[label]
            self._servers[label] = FunctionServer(settings) if settings.functions else mcp_server.configured(settings)
        return self._servers[label]

    def enter(self) -> None:
        """Take the servers for a session, which gives them back with `leave`."""
        self._users += 1

    async def leave(self) -> None:
        self._users -= 1
        await self._close_if_unused()

    async def retire(self) -> None:
        """Close the servers as soon as no session uses them."""
        self._is_retired = True
        await self._close_if_unused()

    async def aclose(self) -> None:
        """Close the servers."""
        servers, self._servers = list(self._servers.values()), {}
        await asyncio.gather(*(server.aclose() for server in servers), return_exceptions=True)

    async def survey(self) -> dict[str, list[str] | ToolFailed]:
        """Ask each server for its tools; return their names by label, or why there are none."""
        found = await asyncio.gather(*(self._names(label) for label in self.settings))
        return dict(zip(self.settings, found, strict=True))

    async def report(self) -> None:
        """Log what each server offers, so that the operator sees what does not work."""
        for label, found in (await self.survey()).items():
            if isinstance(found, ToolFailed):
                logger.warning("no tools of the server %s: %s", label, found)
            else:
                logger.info("tools of the server %s: %s", label, ", ".join(found) or "none")

    async def _names(self, label: str) -> list[str] | ToolFailed:
        try:
            return [tool.name for tool in await self[label].list_tools()]
        except ToolFailed as error:
            return error

    async def _close_if_unused(self) -> None:
        if self._is_retired and self._users <= 0:
            await self.aclose()
