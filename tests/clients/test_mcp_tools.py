"""Tools that the server runs, for stock clients: the operator's Python functions, and MCP servers over HTTP."""

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from openai_talk import talking
from serving import serving
from streamsrv.server import bind
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines

SLOW_FUNCTION = '''
import threading

may_return = threading.Event()


def roll() -> str:
    """Rolls a die."""
    may_return.wait(20)
    return "4"
'''

pytest.importorskip("mcp", reason="the package mcp is not installed")


@pytest.fixture(scope="module")
def dice_url() -> Iterator[str]:
    """The address of a real MCP server, of the official SDK, in this process."""
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("dice", log_level="CRITICAL")

    @server.tool()
    def roll(sides: int) -> str:
        """Rolls a die."""
        return f"{sides - 2} of {sides}"

    @server.tool()
    def cheat() -> str:
        """Turns the die."""
        return "6 of 6"

    listener = bind("127.0.0.1", 0)
    running = uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_config=None))
    thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    running.should_exit = True
    thread.join(20)


async def test_an_mcp_server_that_the_client_names(chat: ScriptedChatModel, dice_url: str) -> None:
    chat.answers += [("roll", '{"sides": 6}'), "You rolled a four.", ("cheat", "{}"), "Now it is a six."]
    with serving(fake_engines(chat), tool_urls=dice_url) as server:
        async with talking(server) as talk:
            tool: Any = {
                "type": "mcp",
                "server_label": "dice",
                "server_url": dice_url,
                "headers": {"X-Secret": "s3cret"},
            }
            tool["require_approval"] = {"never": {"tool_names": ["roll"]}}
            session = await talk.update(output_modalities=["text"], tools=[tool])
            assert session.tools[0].headers is None
            await talk.until("mcp_list_tools.completed")
            listed = talk.of("conversation.item.done")[-1].item
            assert [tool.name for tool in listed.tools] == ["roll", "cheat"]
            await talk.write("Roll a die.")
            await talk.connection.response.create()
            called = (await talk.until("response.done")).response.output[0]
            assert (called.type, called.output, called.error) == ("mcp_call", "4 of 6", None)
            answer = (await talk.until("response.done")).response
            assert answer.output[0].content[0].text == "You rolled a four."
            assert [message.content for message in chat.asked[1]][-1] == "4 of 6"

            await talk.write("Cheat.")
            await talk.connection.response.create()
            request = (await talk.until("response.done")).response.output[0]
            assert (request.type, request.name) == ("mcp_approval_request", "cheat")
            item: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}
            await talk.connection.conversation.item.create(item=item)
            run = (await talk.until("response.done")).response.output[0]
            assert (run.output, run.approval_request_id) == ("6 of 6", request.id)
            answer = (await talk.until("response.done")).response
            assert answer.output[0].content[0].text == "Now it is a six."
            assert talk.of("error") == []


async def test_python_functions_of_the_operator(
    chat: ScriptedChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = 'async def lights(room: str) -> str:\n    """Switch the lights."""\n    return f"lights in {room}"\n'
    (tmp_path / "operators_house.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    chat.answers += [("lights", '{"room": "attic"}'), "Done.", ("lights", "{}"), "I need a room."]
    tools = [{"label": "house", "functions": ["operators_house:lights"]}]
    with serving(fake_engines(chat), tool_server=tools) as server:
        async with talking(server) as talk:
            await talk.update(output_modalities=["text"])
            await talk.write("Lights!")
            call = (await talk.answer()).output[0]
            assert (call.type, call.server_label, call.output) == ("mcp_call", "house", "lights in attic")
            assert (await talk.until("response.done")).response.output[0].content[0].text == "Done."
            await talk.write("Lights!")
            call = (await talk.answer()).output[0]
            assert (call.output, call.error.type) == (None, "tool_execution_error")
            assert "room: Field required" in call.error.message
            assert (await talk.until("response.done")).response.output[0].content[0].text == "I need a room."
            assert talk.of("mcp_list_tools.in_progress") == []
    sys.modules.pop("operators_house", None)


async def test_words_are_said_while_a_slow_function_runs(
    chat: ScriptedChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "operators_dice.py").write_text(SLOW_FUNCTION)
    monkeypatch.syspath_prepend(tmp_path)
    dice = importlib.import_module("operators_dice")
    chat.answers += [("roll", "{}"), "You rolled a four."]
    tools = [{"label": "dice", "functions": ["operators_dice:roll"]}]
    with serving(fake_engines(chat), tool_server=tools, filler="One moment.", filler_after_ms=500) as server:
        async with talking(server) as talk:
            await talk.write("Roll a die.")
            await talk.connection.response.create()
            filler = (await talk.until("response.output_item.done")).item
            assert filler.content[0].transcript == "One moment."
            assert len(talk.audio()) > 0
            assert talk.of("response.done") == []
            dice.may_return.set()
            response = (await talk.until("response.done")).response
            assert [item.type for item in response.output] == ["mcp_call", "message"]
            assert (response.output[0].output, response.streamsrv["filler_items"]) == ("4", [filler.id])
            answer = (await talk.until("response.done")).response
            assert answer.output[0].content[0].transcript == "You rolled a four."
            assert talk.of("error") == []
    assert [message.role for message in chat.asked[1]] == ["system", "user", "assistant", "tool"]
    sys.modules.pop("operators_dice", None)


async def test_a_server_that_the_operator_does_not_allow_is_not_contacted(
    chat: ScriptedChatModel, dice_url: str
) -> None:
    with serving(fake_engines(chat)) as server:
        async with talking(server) as talk:
            tool: Any = {"type": "mcp", "server_label": "dice", "server_url": dice_url}
            await talk.connection.session.update(session={"type": "realtime", "tools": [tool]})
            refused = (await talk.until("error")).error
            assert (refused.param, "tool_urls" in refused.message) == ("session.tools[0].server_url", True)


def test_the_stock_agents_client_gets_one_answer_to_each_call(
    play: Any, chat: ScriptedChatModel, dice_url: str
) -> None:
    """It sends `response.create` itself when a call is done."""
    chat.answers += [("roll", '{"sides": 6}'), "You rolled a four.", ("cheat", "{}"), "Now it is a six."]
    with serving(fake_engines(chat), tool_urls=dice_url) as server:
        played = play("mcp.mjs", server, after=[dice_url])
    assert [call["output"] for call in played.all("call")] == ["4 of 6", "6 of 6"]
    assert played.all("approval") == [True]
    assert [text for role, _, text in played.history() if role == "assistant"] == [
        "You rolled a four.",
        "Now it is a six.",
    ]
    assert {status for status, _ in played.done()} == {"completed"}
