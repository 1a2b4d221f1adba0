"""Which tools of the server need an approval before they run, and what follows from it."""

from typing import Any

import pytest

from harness import error, event, events, of_type, types
from streamsrv.core.effects import CallTool, Generate
from streamsrv.core.timers import FollowUpDue
from streamsrv.core.toolbox import OperatorServer
from streamsrv.engines.llm.base import Finished, Message, ToolCall
from tool_talk import DONE, STOCK, URL, ToolTalk


def test_a_call_needs_an_approval_unless_the_client_says_otherwise():
    talk = ToolTalk(server_url=URL)
    talk.ask()
    asked = [*talk.calls(provider_data={"m": 1}), *talk.model(DONE)]
    request = event(asked, "conversation.item.done")["item"]
    assert (request["type"], request["name"], request["arguments"]) == ("mcp_approval_request", "roll", '{"sides": 6}')
    assert not of_type(asked, CallTool)
    assert event(asked, "response.done")["response"]["output"] == [request]
    assert not of_type(talk.fire(FollowUpDue()), Generate)
    wrong = {"type": "mcp_approval_response", "approval_request_id": "other", "approve": True}
    assert error(talk.send("conversation.item.create", item=wrong))["param"] == "item.approval_request_id"
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
    run = talk.send("conversation.item.create", item=answer)
    (call,) = of_type(run, CallTool)
    assert (call.name, call.arguments) == ("roll", '{"sides": 6}')
    assert event(run, "response.output_item.added")["item"]["approval_request_id"] == request["id"]
    assert error(talk.send("conversation.item.create", item=answer))["param"] == "item.approval_request_id"
    assert types(talk.send("response.create")) == [], "the client need not wait for the tool"
    (question,) = of_type(talk.returned("5"), Generate)
    assert question.messages[-2:] == (
        Message("assistant", "", (ToolCall(request["id"], "roll", '{"sides": 6}', {"m": 1}),)),
        Message("tool", "5", call_id=request["id"]),
    )
    talk.model("Five.", Finished("stop"))
    for sent in events(talk.all):
        STOCK.validate_python(sent)


def test_a_call_that_is_denied_never_runs_and_the_model_is_told():
    talk = ToolTalk(server_url=URL)
    talk.ask()
    request = event([*talk.calls(), *talk.model(DONE)], "conversation.item.done")["item"]
    item = {
        "type": "mcp_approval_response", "approval_request_id": request["id"], "approve": False, "reason": "Too risky.",
    }  # fmt: skip
    talk.send("conversation.item.create", item=item)
    (question,) = of_type(talk.fire(FollowUpDue()), Generate)
    assert not of_type(talk.all, CallTool)
    assert "did not approve" in question.messages[-1].content
    assert "Too risky." in question.messages[-1].content


@pytest.mark.parametrize(
    ("definition", "approval"),
    [
        ({}, {"roll": True, "look.up": True}),
        ({"require_approval": "always"}, {"roll": True, "look.up": True}),
        ({"require_approval": {"never": {"read_only": True}}}, {"roll": True, "look.up": False}),
        ({"require_approval": {"always": {"tool_names": ["roll"]}}}, {"roll": True, "look.up": False}),
        ({"require_approval": "never", "allowed_tools": ["roll"]}, {"roll": False}),
        ({"require_approval": "never", "allowed_tools": {"read_only": True}}, {"look.up": False}),
        ({"require_approval": "never", "allowed_tools": {"tool_names": ["look.up"]}}, {"look.up": False}),
    ],
)
def test_filters_choose_tools_and_approvals(definition: dict[str, Any], approval: dict[str, bool]):
    talk = ToolTalk(server_url=URL, **definition)
    offer = talk.core._toolbox.offer(talk.core.session.tools, in_conversation=True)
    assert {tool.name: tool.needs_approval for tool in offer.server_tools.values()} == approval


def test_a_client_can_make_the_operators_rule_stricter_but_not_weaker():
    strict = OperatorServer("dice", needs_approval=True)
    talk = ToolTalk(servers=(strict,), require_approval="never")
    offer = talk.core._toolbox.offer(talk.core.session.tools, in_conversation=True)
    assert {tool.needs_approval for tool in offer.server_tools.values()} == {True}
    talk = ToolTalk(servers=(OperatorServer("dice"),), require_approval="always")
    offer = talk.core._toolbox.offer(talk.core.session.tools, in_conversation=True)
    assert {tool.needs_approval for tool in offer.server_tools.values()} == {True}


def test_a_response_outside_of_the_conversation_gets_no_tools_that_need_approval():
    talk = ToolTalk(server_url=URL)
    (question,) = of_type(talk.ask(conversation="none"), Generate)
    assert question.tools == ()
