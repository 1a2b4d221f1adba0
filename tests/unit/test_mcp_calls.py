"""Tools that the server runs: how a session lists, offers and calls them, and how its answer goes on."""

import json
from typing import Any

import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from harness import Talk, counting_ids, error, event, events, of_type, types
from streamsrv.core.answers.tool_turns import MAX_IN_A_ROW
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.effects import CallTool, CancelTool, Generate, ListTools
from streamsrv.core.inputs import ToolReturned, ToolsListed
from streamsrv.core.session import SessionCore
from streamsrv.core.timers import FollowUpDue, ListingTimeout
from streamsrv.core.toolbox import OperatorServer
from streamsrv.engines.llm.base import Finished, Message, Text, ToolCall, ToolCallDelta
from streamsrv.protocol.session_object import Session
from streamsrv.tools.base import ServerAddress, ToolDescription, ToolFailure

URL = "https://tools.example.org/mcp"
ROLL = ToolDescription("roll", "Rolls dice.", {"type": "object", "properties": {"sides": {"type": "integer"}}})
LOOK = ToolDescription("look.up", "Looks something up.", {"type": "object"}, True, {"readOnlyHint": True})
STOCK: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
DONE = Finished("tool_calls")


class ToolTalk(Talk):
    """A session in text with an MCP server `dice`, whose tools are listed."""

    def __init__(self, *, servers: tuple[OperatorServer, ...] = (), offers: bool = True, **tool: Any) -> None:
        super().__init__()
        self.core = SessionCore(
            Session(id="sess_1", expires_at=0, model="test"),
            new_id=counting_ids(),
            capabilities=Capabilities(tool_servers=servers),
            offers_tools=offers,
        )
        self.all = self.core.start()
        self.update(output_modalities=["text"])
        if tool:
            self.update(tools=[{"type": "mcp", "server_label": "dice", **tool}])
            self.listed(ROLL, LOOK)

    def listed(self, *tools: ToolDescription, error: str = "") -> list[Any]:
        return self.give(ToolsListed(of_type(self.all, ListTools)[-1].listing_id, tools, error))

    def ask(self, text: str = "Roll a die.", **response: Any) -> list[Any]:
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        return self.send("response.create", **({"response": response} if response else {}))

    def calls(self, name: str = "roll", arguments: str = '{"sides": 6}', index: int = 0, **delta: Any) -> list[Any]:
        return self.model(ToolCallDelta(index, arguments, call_id=f"call_{index}", name=name, **delta))

    def returned(self, output: str = "4", failed: ToolFailure | None = None, call: int = -1) -> list[Any]:
        return self.give(ToolReturned(of_type(self.all, CallTool)[call].call_id, output, failed))


def never() -> ToolTalk:
    return ToolTalk(server_url=URL, require_approval="never")


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


def test_a_client_can_make_the_operators_rule_stricter_but_not_weaker():
    strict = OperatorServer("dice", needs_approval=True)
    talk = ToolTalk(servers=(strict,), require_approval="never")
    offer = talk.core._toolbox.offer(talk.core.session.tools, in_conversation=True)
    assert {tool.needs_approval for tool in offer.server_tools.values()} == {True}
    talk = ToolTalk(servers=(OperatorServer("dice"),), require_approval="always")
    offer = talk.core._toolbox.offer(talk.core.session.tools, in_conversation=True)
    assert {tool.needs_approval for tool in offer.server_tools.values()} == {True}


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


def test_a_response_outside_of_the_conversation_gets_no_tools_that_need_approval():
    talk = ToolTalk(server_url=URL)
    (question,) = of_type(talk.ask(conversation="none"), Generate)
    assert question.tools == ()


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
