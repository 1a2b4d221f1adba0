"""A real MCP server, of the official SDK, for the tests: over standard input and output, or HTTP on a given port."""

import asyncio
import json
import os
import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("the server of the tests", log_level="CRITICAL")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


@server.tool()
async def wait_and_note(seconds: float, file: str) -> str:
    """Waits, then writes into a file."""
    Path(file).write_text("begun")  # noqa: ASYNC240
    await asyncio.sleep(seconds)
    Path(file).write_text("acted")  # noqa: ASYNC240
    return "done"


@server.tool()
def environment() -> str:
    """The environment of this process."""
    return json.dumps(dict(os.environ))


@server.tool()
def book_room(room: str) -> str:
    """Books a room."""
    if room == "attic":
        from mcp.server.mcpserver.exceptions import ToolError

        raise ToolError("there is no attic")
    return f"{room} is booked"


@server.tool()
def long_text(characters: int) -> str:
    return "x" * characters


@server.tool()
def die() -> str:
    os._exit(3)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        print("the server of the tests begins", file=sys.stderr, flush=True)
        server.run("stdio")
