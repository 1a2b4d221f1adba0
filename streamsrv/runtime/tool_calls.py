"""Lists and runs the tools of a session on their servers."""

import asyncio
import json
import logging
from collections.abc import Callable

from streamsrv.core.effects import CallTool, CancelTool, ListTools
from streamsrv.core.inputs import Input, ToolReturned, ToolsListed
from streamsrv.runtime.tasks import Spawn
from streamsrv.tools import mcp_server
from streamsrv.tools.base import ServerAddress, ToolFailed, ToolFailure, ToolServer
from streamsrv.tools.servers import ToolServers

MAX_OWN_SERVERS = 8
"""Servers that a session named by their URLs and that stay connected; the one named first is closed for one more."""
OWN_TIMEOUT_S = 20.0
"""Seconds after which a call of such a server, or the listing of its tools, has failed."""
MAX_PARALLEL = 16
"""Listings and calls of one session at once; more wait."""

logger = logging.getLogger(__name__)


class ToolCalls:
    """Runs one task for each listing and each call, and reports what comes of it to the core (`report`)."""

    def __init__(self, servers: ToolServers, spawn: Spawn, report: Callable[[Input], None]) -> None:
        self._servers = servers
        self._spawn = spawn
        self._report = report
        self._own: dict[ServerAddress, ToolServer] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(MAX_PARALLEL)
        servers.enter()

    def list_tools(self, effect: ListTools) -> None:
        self._spawn(self._list(effect))

    def call(self, effect: CallTool) -> None:
        task = self._spawn(self._call(effect))
        self._running[effect.call_id] = task
        task.add_done_callback(lambda _: self._running.pop(effect.call_id, None))

    def cancel(self, effect: CancelTool) -> None:
        if (task := self._running.pop(effect.call_id, None)) is not None:
            task.cancel()

    async def aclose(self) -> None:
        """Close the connections of this session, and give back those of the operator."""
        servers, self._own = list(self._own.values()), {}
        await asyncio.gather(*(server.aclose() for server in servers), return_exceptions=True)
        await self._servers.leave()

    async def _list(self, effect: ListTools) -> None:
        try:
            async with self._places:
                tools = await self._server(effect.server).list_tools()
            listed = ToolsListed(effect.listing_id, tuple(tools))
        except ToolFailed as error:
            logger.warning("the tools of %s cannot be listed: %s", effect.server.label, error)
            listed = ToolsListed(effect.listing_id, error=str(error))
        except Exception:
            logger.exception("the tool server %s failed", effect.server.label)
            listed = ToolsListed(effect.listing_id, error=f"The tool server '{effect.server.label}' failed.")
        self._report(listed)

    async def _call(self, effect: CallTool) -> None:
        try:
            async with self._places:
                output = await self._server(effect.server).call(effect.name, json.loads(effect.arguments))
            returned = ToolReturned(effect.call_id, output)
        except ToolFailed as error:
            logger.info("the tool %s of %s failed: %s", effect.name, effect.server.label, error.failure.kind)
            returned = ToolReturned(effect.call_id, "", error.failure)
        except Exception:
            logger.exception("the tool %s of %s failed", effect.name, effect.server.label)
            failed = ToolFailure(f"The tool server '{effect.server.label}' failed.")
            returned = ToolReturned(effect.call_id, "", failed)
        self._running.pop(effect.call_id, None)  # what follows may cancel other calls, but not this one
        self._report(returned)

    def _server(self, address: ServerAddress) -> ToolServer:
        if not address.url:
            return self._servers[address.label]
        if address not in self._own:
            while len(self._own) >= MAX_OWN_SERVERS:
                oldest = self._own.pop(next(iter(self._own)))
                self._spawn(oldest.aclose())
            self._own[address] = mcp_server.of_client(address, OWN_TIMEOUT_S)
        return self._own[address]
