"""Calls of tools that the server runs: how a session makes them, and how its answer goes on."""

import json
from typing import Any

import pytest

from harness import error, event, events, of_type, types
from streamsrv.core.answers.tool_turns import MAX_IN_A_ROW
from streamsrv.core.effects import CallTool, CancelTool, Generate
from streamsrv.core.timers import FollowUpDue
from streamsrv.engines.llm.base import Finished, Message, Text, ToolCall, ToolCallDelta
from streamsrv.tools.base import ToolFailure
from tool_talk import DONE, STOCK, ToolTalk, never


def test_a_call_runs_and_the_answer_goes_on():
    talk = never()
    (question,) = of_type(talk.ask(), Generate)
    assert [(tool.name, tool.description) for tool in question.tools] == [
        ("roll", "Rolls dice."),
        ("look_up", "Looks something up."),
    ]
    begun = [*talk.calls(arguments='{"sides"'), *talk.model(ToolCallDelta(0, ": 6}")), *talk.model(DONE)]
    assert types(begun) == [
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
    ]
    added = event(begun, "conversation.item.added")["item"]
    assert (added["type"], added["name"], added["output"]) == ("mcp_call", "roll", None)
    assert "status" not in added
    (call,) = of_type(begun, CallTool)
    assert (call.name, json.loads(call.arguments)) == ("roll", {"sides": 6})
    retrieved = talk.send("conversation.item.retrieve", item_id=added["id"])
    assert event(retrieved, "conversation.item.retrieved")["item"]["arguments"] == '{"sides": 6}'
    ended = talk.returned("4")
    assert types(ended)[:4] == [
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    response = event(ended, "response.done")["response"]
    assert (response["status"], response["output"][0]["output"]) == ("completed", "4")
    followed = talk.fire(FollowUpDue())
    (question,) = of_type(followed, Generate)
    assert question.messages[-2:] == (
        Message("assistant", "", (ToolCall(added["id"], "roll", '{"sides": 6}', {}),)),
        Message("tool", "4", call_id=added["id"]),
    )
    talk.model("You rolled a four.", Finished("stop"))
    for sent in events(talk.all):
        STOCK.validate_python(sent)  # the types of the stock client


def test_a_client_that_asks_itself_gets_one_answer():
    """As `@openai/agents-realtime` does, which sends `response.create` when a call is done."""
    talk = never()
    talk.ask()
    talk.calls()
    talk.model(DONE)
    talk.returned()
    assert len(of_type(talk.send("response.create"), Generate)) == 1
    assert not of_type(talk.fire(FollowUpDue()), Generate)
    talk.model("Four.", Finished("stop"))
    late = never()
    late.ask()
    late.calls()
    late.model(DONE)
    late.returned()
    assert len(of_type(late.fire(FollowUpDue()), Generate)) == 1
    assert types(late.send("response.create")) == [], "it crossed the answer that it asks for"
    assert error(late.send("response.create"))["code"] == "conversation_already_has_active_response"


def test_a_client_may_ask_while_a_tool_still_runs():
    talk = never()
    talk.ask()
    talk.calls()
    talk.calls(arguments='{"sides": 8}', index=1)
    talk.model(DONE)
    talk.returned("1", call=0)
    assert types(talk.send("response.create", response={"instructions": "Rhyme."})) == []
    (question,) = of_type(talk.returned("2", call=1), Generate)
    assert "Rhyme." in question.messages[0].content
    assert [message.content for message in question.messages[-2:]] == ["1", "2"]
    assert len(question.messages[-3].tool_calls) == 2


@pytest.mark.parametrize(
    ("failed", "wire"),
    [
        (ToolFailure("no such room"), {"type": "tool_execution_error", "message": "no such room"}),
        (
            ToolFailure("bad request", kind="protocol_error", code=-32602),
            {"type": "protocol_error", "message": "bad request", "code": -32602},
        ),
        (ToolFailure("away", kind="http_error", code=503), {"type": "http_error", "message": "away", "code": 503}),
    ],
)
def test_a_tool_that_fails_is_told_to_the_client_and_to_the_model(failed: ToolFailure, wire: dict[str, Any]):
    talk = never()
    talk.ask()
    talk.calls()
    talk.model(DONE)
    ended = talk.returned("", failed)
    assert "response.mcp_call.failed" in types(ended)
    assert event(ended, "conversation.item.done")["item"]["error"] == wire
    assert event(ended, "response.done")["response"]["status"] == "completed"
    (question,) = of_type(talk.fire(FollowUpDue()), Generate)
    assert question.messages[-1].content == f"Error: {wire['message']}"


def test_a_call_that_is_interrupted_is_cancelled_and_its_result_is_dropped():
    talk = never()
    talk.ask()
    talk.calls()
    talk.model(DONE)
    cancelled = talk.send("response.cancel")
    assert of_type(cancelled, CancelTool) == [CancelTool(of_type(talk.all, CallTool)[0].call_id)]
    assert "response.mcp_call.failed" in types(cancelled)
    assert event(cancelled, "response.done")["response"]["status"] == "cancelled"
    assert talk.returned("4") == []
    assert not of_type(talk.fire(FollowUpDue()), Generate)


def test_a_call_that_is_cut_off_never_runs():
    talk = never()
    talk.ask()
    talk.calls(arguments='{"sides": ')
    cancelled = talk.send("response.cancel")
    assert not of_type(talk.all, CallTool)
    assert "response.mcp_call_arguments.done" not in types(cancelled)
    assert "response.mcp_call.failed" in types(cancelled)


def test_the_words_of_the_user_replace_the_answer_that_would_follow():
    talk = never()
    talk.ask()
    talk.calls()
    talk.model(DONE)
    talk.returned()
    talk.speech()
    assert not of_type(talk.fire(FollowUpDue()), Generate)
    talk.silence()
    (question,) = of_type(talk.transcript("What is it?"), Generate)
    assert [message.role for message in question.messages[-3:]] == ["assistant", "tool", "user"]


def test_a_call_of_the_client_beside_one_of_the_server_is_answered_first():
    talk = never()
    talk.update(tools=[*event(talk.update(), "session.updated")["session"]["tools"],
                       {"type": "function", "name": "hang_up"}])  # fmt: skip
    talk.ask()
    talk.calls()
    talk.calls(name="hang_up", arguments="{}", index=1)
    done = talk.model(DONE)
    assert event(done, "response.function_call_arguments.done")["name"] == "hang_up"
    assert "response.done" not in types(done)
    assert "response.done" in types(talk.returned())
    assert not of_type(talk.fire(FollowUpDue()), Generate), "the client has to give its result first"


def test_the_choice_of_a_tool_is_translated_and_not_repeated():
    talk = never()
    (question,) = of_type(talk.ask(tool_choice={"type": "mcp", "server_label": "dice", "name": "look.up"}), Generate)
    assert question.options.tool_choice == "look_up"
    talk.calls(name="look_up", arguments="")
    talk.model(DONE)
    talk.returned("found")
    (question,) = of_type(talk.fire(FollowUpDue()), Generate)
    assert question.options.tool_choice == "auto"
    talk.answers("It is there.")
    (question,) = of_type(talk.ask(tool_choice={"type": "mcp", "server_label": "dice"}), Generate)
    assert question.options.tool_choice == "required"


def test_a_model_that_only_calls_tools_has_to_answer_in_the_end():
    talk = never()
    talk.ask()
    for _ in range(MAX_IN_A_ROW + 1):
        talk.calls()
        talk.model(DONE)
        talk.returned()
        (question,) = of_type(talk.fire(FollowUpDue()), Generate)
    assert question.options.tool_choice == "none"

    talk.calls()
    (question,) = of_type(talk.model(DONE), Generate)  # the model is asked once more
    assert question.options.tool_choice == "none"
    talk.calls()
    done = event(talk.model(DONE), "response.done")["response"]
    assert (done["status"], done["output"]) == ("failed", [])
    assert done["status_details"]["error"]["code"] == "invalid_tool_call"
    assert "although 'tool_choice' is 'none'" in done["status_details"]["error"]["message"]
    assert not of_type(talk.fire(FollowUpDue()), Generate)


def test_words_beside_a_call_that_nobody_asked_for_are_the_answer():
    talk = never()
    talk.ask(tool_choice="none")
    talk.model(Text("It is three."))
    talk.calls()
    done = event(talk.model(DONE), "response.done")["response"]
    assert (done["status"], [item["type"] for item in done["output"]]) == ("completed", ["message"])
    assert not of_type(talk.all, CallTool)


def test_broken_arguments_never_reach_a_tool():
    talk = never()
    talk.ask()
    talk.calls(arguments="{not json")
    again = talk.model(DONE)
    assert not of_type(talk.all, CallTool)
    assert of_type(again, Generate), "the model is asked once more"
    talk.calls()
    assert of_type(talk.model(DONE), CallTool)


def test_a_client_may_bring_calls_back_as_history_but_not_lists_or_requests():
    talk = ToolTalk()
    item = {"type": "mcp_call", "server_label": "dice", "name": "roll", "arguments": "{}", "output": "3"}
    talk.send("conversation.item.create", item=item)
    (question,) = of_type(talk.ask("And now?"), Generate)
    assert [message.role for message in question.messages[-3:]] == ["assistant", "tool", "user"]
    for kind, more in (("mcp_list_tools", {"tools": []}), ("mcp_approval_request", {"name": "x", "arguments": "{}"})):
        refused = error(talk.send("conversation.item.create", item={"type": kind, "server_label": "x", **more}))
        assert (refused["param"], "only the server" in refused["message"]) == ("item.type", True)
