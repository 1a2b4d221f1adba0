"""Which MCP servers a session may use, and how their tools are listed and offered."""

from typing import Any

import pytest

from harness import error, event, of_type, types
from streamsrv.core.effects import CallTool, Generate, ListTools
from streamsrv.core.timers import ListingTimeout
from streamsrv.core.toolbox import OperatorServer
from streamsrv.tools.base import ServerAddress
from tool_talk import DONE, LOOK, ROLL, URL, ToolTalk


def test_the_tools_of_a_server_are_listed_as_published():
    talk = ToolTalk()
    effects = talk.update(
        tools=[
            {"type": "mcp", "server_label": "dice", "server_url": URL, "authorization": "abc", "headers": {"X": "y"}}
        ]
    )
    assert types(effects) == ["session.updated", "conversation.item.added", "mcp_list_tools.in_progress"]
    (shown,) = event(effects, "session.updated")["session"]["tools"]
    assert shown == {"type": "mcp", "server_label": "dice", "server_url": URL}, "secrets are never sent back"
    (asked,) = of_type(effects, ListTools)
    assert asked.server == ServerAddress("dice", URL, (("Authorization", "Bearer abc"), ("X", "y")))
    assert "abc" not in repr(asked)
    effects = talk.listed(ROLL, LOOK)
    assert types(effects) == ["conversation.item.done", "mcp_list_tools.completed"]
    item = event(effects, "conversation.item.done")["item"]
    assert (item["type"], item["server_label"]) == ("mcp_list_tools", "dice")
    assert [tool["name"] for tool in item["tools"]] == ["roll", "look.up"]
    assert item["tools"][1]["annotations"] == {"readOnlyHint": True}
    assert not of_type(talk.update(instructions="x"), ListTools), "listed once"


def test_a_server_whose_tools_cannot_be_listed_is_told_and_answers_do_without():
    talk = ToolTalk()
    talk.update(tools=[{"type": "mcp", "server_label": "dice", "server_url": URL}])
    asked = talk.ask()
    assert not of_type(asked, Generate), "the answer waits for the tools"
    effects = talk.listed(error="it is away")
    assert event(effects, "mcp_list_tools.failed")["streamsrv"] == {"reason": "it is away"}
    (question,) = of_type(effects, Generate)
    assert question.tools == ()


def test_an_answer_waits_for_tools_only_for_a_while():
    talk = ToolTalk()
    talk.update(tools=[{"type": "mcp", "server_label": "dice", "server_url": URL}])
    talk.ask()
    (question,) = of_type(talk.fire(ListingTimeout(of_type(talk.all, ListTools)[-1].listing_id)), Generate)
    assert question.tools == ()
    talk.answers("I have no dice.")
    talk.listed(ROLL)
    (question,) = of_type(talk.ask(), Generate)
    assert [tool.name for tool in question.tools] == ["roll"]


@pytest.mark.parametrize(
    ("tools", "param", "words"),
    [
        ([{"type": "mcp", "server_label": "x"}], "session.tools[0].server_label", "operator; there are: 'files'"),
        ([{"type": "mcp", "server_label": "a b", "server_url": URL}], "session.tools[0].server_label", ""),
        ([{"type": "mcp", "server_label": "x", "server_url": "https://evil.example/"}], "session.tools[0].server_url",
         "tool_urls"),
        ([{"type": "mcp", "server_label": "x", "server_url": "ftp://x/"}], "session.tools[0].server_url", "http"),
        ([{"type": "mcp", "server_label": "x", "server_url": URL}] * 2, "session.tools[1].server_label", "another"),
        ([{"type": "mcp", "server_label": "x", "connector_id": "connector_gmail"}],
         "session.tools[0].connector_id", ""),
        ([{"type": "mcp", "server_label": "x", "server_url": URL, "defer_loading": True}],
         "session.tools[0].defer_loading", ""),
        ([{"type": "mcp", "server_label": "files", "authorization": "t"}], "session.tools[0].authorization",
         "server_url"),
        ([{"type": "mcp", "server_label": "x", "server_url": "http://tools.example.org/", "authorization": "t"}],
         "session.tools[0].server_url", "unencrypted"),
        ([{"type": "mcp", "server_label": "x", "server_url": URL, "headers": {"X": "a\nb"}}],
         "session.tools[0].headers", ""),
        ([{"type": "other"}], "session.tools[0].type", "'function', 'mcp'"),
    ],
)  # fmt: skip
def test_servers_that_a_client_may_not_use_are_refused(tools: list[dict[str, Any]], param: str, words: str):
    talk = ToolTalk(servers=(OperatorServer("files", in_every_session=False),))
    urls = ("https://tools.example.org/", "http://tools.example.org/")
    object.__setattr__(talk.core._capabilities, "tool_urls", urls)
    refused = error(talk.update(tools=tools))
    assert refused["param"].startswith(param)
    assert words in refused["message"]
    assert not of_type(talk.all, ListTools)


def test_tools_of_the_operator_are_offered_unasked_and_without_a_word():
    talk = ToolTalk(servers=(OperatorServer("house"), OperatorServer("files", in_every_session=False)))
    (asked,) = of_type(talk.all, ListTools)
    assert asked.server == ServerAddress("house")
    assert types(talk.listed(ROLL)) == []
    (question,) = of_type(talk.ask(), Generate)
    assert [tool.name for tool in question.tools] == ["roll"]
    talk.calls()
    assert of_type(talk.model(DONE), CallTool)
    talk.returned()
    talk.answers("Four.")
    talk.send("response.cancel")
    other = ToolTalk(servers=(OperatorServer("house"),), offers=False)
    assert not of_type(other.all, ListTools), "the model of the session cannot call tools"


def test_tools_of_one_name_are_told_apart():
    talk = ToolTalk(server_url=URL, require_approval="never")
    tools = [{"type": "function", "name": "roll"}, {"type": "mcp", "server_label": "dice", "server_url": URL,
             "require_approval": "never"}]  # fmt: skip
    talk.update(tools=tools)
    (question,) = of_type(talk.ask(), Generate)
    assert [tool.name for tool in question.tools] == ["roll", "dice__roll", "look_up"]
    talk.calls(name="dice__roll")
    (call,) = of_type(talk.model(DONE), CallTool)
    assert call.name == "roll"
