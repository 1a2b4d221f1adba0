"""The choice of a tool that there is not is refused, and a function has a name that providers accept."""

from typing import Any

import pytest

from harness import Talk, error, event, of_type, types
from streamsrv.core.capabilities import Capabilities, ChatFacts
from streamsrv.core.effects import Generate
from streamsrv.core.toolbox import OperatorServer

WEATHER = {"type": "function", "name": "weather"}
DICE = {"type": "mcp", "server_label": "dice", "server_url": "https://tools.example.org/mcp"}


@pytest.mark.parametrize(
    ("tools", "choice", "field"),
    [
        ([], {"type": "function", "name": "weather"}, "name"),
        ([WEATHER], {"type": "function", "name": "time"}, "name"),
        ([WEATHER], {"type": "mcp", "server_label": "dice"}, "server_label"),
        ([DICE], {"type": "mcp", "server_label": "cards", "name": "draw"}, "server_label"),
    ],
)
def test_a_choice_of_none_of_the_tools_is_refused(tools: list[Any], choice: dict[str, str], field: str):
    talk = Talk()
    refused = error(talk.update(tools=tools, tool_choice=choice))
    assert (refused["code"], refused["param"]) == ("invalid_value", f"session.tool_choice.{field}")
    talk.update(tools=[WEATHER, DICE])
    refused = error(talk.send("response.create", response={"tools": tools, "tool_choice": choice}))
    assert (refused["code"], refused["param"]) == ("invalid_value", f"response.tool_choice.{field}")


def test_the_tools_of_a_session_stay_while_one_of_them_is_chosen():
    talk = Talk()
    chosen = {"type": "function", "name": "weather"}
    assert "session.updated" in types(talk.update(tools=[WEATHER], tool_choice=chosen))
    assert error(talk.update(tools=[]))["param"] == "session.tool_choice.name"
    assert "session.updated" in types(talk.update(tools=[], tool_choice="auto"))


def test_a_tool_must_be_called_only_where_there_is_one():
    talk = Talk()
    talk.update(output_modalities=["text"])
    refused = error(talk.send("response.create", response={"tool_choice": "required"}))
    assert (refused["code"], refused["param"]) == ("invalid_value", "response.tool_choice")
    talk.send("response.create", response={"tools": [WEATHER], "tool_choice": "required"})
    assert of_type(talk.all, Generate)[-1].options.tool_choice == "required"


@pytest.mark.parametrize(
    "choice", ["required", {"type": "mcp", "server_label": "dice"}, {"type": "function", "name": "roll"}]
)
def test_the_tools_of_the_operator_may_be_chosen(choice: Any):
    talk = Talk(capabilities=Capabilities(tool_servers=(OperatorServer("dice"),)))
    assert "response.created" in types(talk.send("response.create", response={"tool_choice": choice}))


def test_a_session_keeps_its_language_model():
    facts = ChatFacts(is_local=True, is_pinned=True)
    talk = Talk(capabilities=Capabilities(chats={"main": facts, "small": facts}, default_chat="main"), model="any")
    refused = error(talk.update(model="small"))
    assert (refused["code"], refused["param"]) == ("invalid_value", "session.model")
    for name in ("main", "gpt-realtime", "any"):
        assert event(talk.update(model=name), "session.updated")["session"]["model"] == "any"
