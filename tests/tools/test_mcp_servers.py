"""Tools of real MCP servers: the official SDK's, as a command and over HTTP."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn

from streamsrv.server import bind
from streamsrv.tool_settings import ToolServerSettings
from streamsrv.tools.base import ServerAddress, ToolFailed
from streamsrv.tools.mcp_server import McpServer, configured, of_client
from streamsrv.tools.results import MAX_RESULT_CHARACTERS
from streamsrv.tools.servers import ToolServers

mcp = pytest.importorskip("mcp", reason="the package mcp is not installed")
SERVER = Path(__file__).parent / "mcp_test_server.py"
COMMAND = (sys.executable, str(SERVER))


@asynccontextmanager
async def as_command(**settings: object) -> AsyncIterator[McpServer]:
    given = {"label": "test", "command": COMMAND, "timeout_s": 30, **settings}
    server = configured(ToolServerSettings.model_validate(given))
    try:
        yield server
    finally:
        await server.aclose()


@asynccontextmanager
async def over_http(**settings: object) -> AsyncIterator[tuple[ToolServerSettings, list[dict[str, str]]]]:
    """The settings of a server over HTTP in this process, and the headers of the requests to it."""
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("http", log_level="CRITICAL")
    server.tool()(add)
    server.tool()(long_text)
    inner, seen = server.streamable_http_app(), []

    async def app(scope, receive, send):
        if scope["type"] == "http":
            seen.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await inner(scope, receive, send)

    listener = bind("127.0.0.1", 0)
    uv = uvicorn.Server(uvicorn.Config(app, log_config=None))
    task = asyncio.create_task(uv.serve([listener]))
    given = {"label": "web", "url": f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", "timeout_s": 30, **settings}
    try:
        yield ToolServerSettings.model_validate(given), seen
    finally:
        uv.should_exit = True
        await task


def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


def long_text(characters: int) -> str:
    return "x" * characters


async def test_tools_of_a_command_are_listed_and_called(monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-helpers")
    monkeypatch.setenv("STREAMSRV_API_KEYS", "not-for-helpers")
    monkeypatch.setenv("GITHUB_TOKEN", "for-this-one")
    caplog.set_level(logging.INFO, "streamsrv.tools")
    async with as_command(variables=("GITHUB_TOKEN",)) as server:
        tools = {tool.name: tool for tool in await server.list_tools()}
        assert tools["add"].description == "The sum of two numbers."
        assert tools["add"].input_schema["required"] == ["a", "b"]
        assert (tools["add"].is_read_only, tools["book_room"].is_read_only) == (True, False)
        assert await server.call("add", {"a": 1, "b": 2}) == "3"
        environment = json.loads(await server.call("environment", {}))
        assert environment["GITHUB_TOKEN"] == "for-this-one"
        assert not {"OPENAI_API_KEY", "STREAMSRV_API_KEYS"} & environment.keys()
        with pytest.raises(ToolFailed, match="there is no attic"):
            await server.call("book_room", {"room": "attic"})
        with pytest.raises(ToolFailed, match="integer"):
            await server.call("add", {"a": "x", "b": 2})
        text = await server.call("long_text", {"characters": 50_000})
        assert text.startswith("xxx")
        assert text.endswith("[30000 more characters were cut off]")
        assert len(text) < MAX_RESULT_CHARACTERS + 100
        with pytest.raises(ToolFailed, match="has ended"):
            await server.call("die", {})
        assert await server.call("add", {"a": 2, "b": 2}) == "4", "the command is started again"
    assert "tool server test: the server of the tests begins" in caplog.text
    assert "sk-not" not in caplog.text


async def test_a_call_that_is_late_fails_and_is_cancelled_and_others_go_on(tmp_path: Path):
    file = tmp_path / "note"
    async with as_command() as server:
        await server.list_tools()
        server._timeout_s = 0.5  # pyright: ignore[reportPrivateUsage]  # the start of a command takes longer
        with pytest.raises(ToolFailed, match=r"did not finish 'wait_and_note' within 0.5 s"):
            await server.call("wait_and_note", {"seconds": 30, "file": str(file)})
        server._timeout_s = 30  # pyright: ignore[reportPrivateUsage]
        assert await server.call("add", {"a": 1, "b": 1}) == "2"
    assert file.read_text() == "begun"


async def test_only_allowed_tools_are_listed_and_called():
    async with over_http(allowed_tools=("add",)) as (settings, _):
        server = configured(settings)
        assert [tool.name for tool in await server.list_tools()] == ["add"]
        with pytest.raises(ToolFailed, match="not allowed"):
            await server.call("long_text", {"characters": 1})
        await server.aclose()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("no-such-program-here",), "cannot be started"),
        ((sys.executable, "-c", "raise SystemExit(4)"), "cannot be reached, or has ended"),
        ((sys.executable, "-c", "print('this is no MCP')"), "cannot be reached, or has ended"),
    ],
)
async def test_a_command_that_is_no_server_is_told(command: tuple[str, ...], says: str):
    async with as_command(command=command) as server:
        with pytest.raises(ToolFailed, match=says):
            await server.list_tools()


async def test_tools_over_http_are_called_with_the_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WEB_KEY", "the-key")
    async with over_http(key_variable="WEB_KEY") as (settings, seen):
        server = configured(settings)
        assert [tool.name for tool in await server.list_tools()] == ["add", "long_text"]
        assert await server.call("add", {"a": 20, "b": 22}) == "42"
        assert {headers["authorization"] for headers in seen} == {"Bearer the-key"}
        await server.aclose()
        own = of_client(ServerAddress("own", settings.url, (("X-Team", "blue"),)), 30)
        assert await own.call("add", {"a": 1, "b": 1}) == "2"
        assert seen[-1]["x-team"] == "blue"
        assert "authorization" not in seen[-1]
        await own.aclose()


async def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WEB_KEY", raising=False)
    settings = {"label": "web", "url": "https://tools.example.org/mcp", "key_variable": "WEB_KEY"}
    server = configured(ToolServerSettings.model_validate(settings))
    with pytest.raises(ToolFailed, match="set WEB_KEY"):
        await server.list_tools()


async def test_an_address_without_a_server_is_told():
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    server = of_client(ServerAddress("own", f"http://127.0.0.1:{port}/mcp"), 10)
    with pytest.raises(ToolFailed, match="'own'"):
        await server.call("add", {})
    await server.aclose()


async def test_retired_servers_are_closed_when_the_last_session_leaves():
    async with over_http() as (settings, _):
        servers = ToolServers([settings])
        servers.enter()
        server = servers["web"]
        assert await server.call("add", {"a": 1, "b": 2}) == "3"
        await servers.retire()
        assert await server.call("add", {"a": 1, "b": 2}) == "3"
        connection = server._connection  # type: ignore[attr-defined]
        await servers.leave()
        assert connection.is_closed
