"""Whether and how much Claude is asked to think, and which of its thoughts go back to it."""

from typing import Any

import pytest

from messages_api_requests import HELLO, SIGNED, THOUGHT, WEATHER, called, result, write
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.llm.abilities import abilities_of
from streamsrv.engines.llm.base import ChatOptions, Effort, Message, ToolCall
from streamsrv.engines.llm.messages_api.options import AnthropicOptions
from streamsrv.engines.llm.messages_api.request import RequestWriter
from strict_history import messages_api_refusal

LOW = ChatOptions(reasoning_effort="low")
CLAUDE = [entry for entry in load_catalogue().entries() if entry.engine == "anthropic"]


def kinds(request: dict[str, Any]) -> list[list[str]]:
    return [[block["type"] for block in turn["content"]] for turn in request["messages"]]


def test_a_model_with_a_budget_thinks_beside_the_limit_of_its_answer():
    options = ChatOptions(max_output_tokens=100, reasoning_effort="medium")
    request = write(options=options, thinking="budget")
    assert request["thinking"] == {"type": "enabled", "budget_tokens": 4096}
    assert request["max_tokens"] == 4196
    assert "thinking" not in write(thinking="budget")


@pytest.mark.parametrize(("effort", "wire"), [("minimal", "low"), ("low", "low"), ("high", "high")])
def test_a_model_that_thinks_by_effort(effort: Any, wire: str):
    request = write(options=ChatOptions(reasoning_effort=effort), thinking="adaptive", thinking_off="disabled")
    assert request["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert request["output_config"] == {"effort": wire}


@pytest.mark.parametrize("off", ["disabled", "between_tools"])
def test_a_model_that_thinks_unless_it_is_told_not_to(off: Any):
    assert write(thinking="adaptive", thinking_off=off)["thinking"] == {"type": off}


@pytest.mark.parametrize(
    ("entry", "options"),
    [
        ({"thinking": "budget"}, LOW),
        ({"thinking": "adaptive"}, LOW),
        ({"thinking": "adaptive", "thinking_off": "between_tools"}, ChatOptions()),
    ],
)
def test_what_it_thought_before_a_call_comes_back_first_and_unchanged(entry: dict[str, Any], options: ChatOptions):
    talk = [*HELLO, Message("assistant", "Wait."), called(SIGNED), result()]
    request = write(talk, [WEATHER], options, **entry)
    assert kinds(request) == [["text"], ["thinking", "text", "tool_use"], ["tool_result"]]
    assert request["messages"][1]["content"][0] == THOUGHT


def test_what_it_thought_between_two_calls_comes_back_between_them():
    calls = tuple(ToolCall(call_id, "get_weather", "{}", SIGNED) for call_id in "ab")
    talk = [*HELLO, Message("assistant", "", calls), result("a"), result("b")]
    request = write(talk, [WEATHER], LOW, thinking="adaptive")
    assert kinds(request)[1] == ["thinking", "tool_use", "thinking", "tool_use"]


def test_what_it_thought_before_the_user_spoke_again_is_not_sent():
    talk = [*HELLO, called(SIGNED), result(), Message("assistant", "Sunny."), *HELLO]
    assert kinds(write(talk, [WEATHER], LOW, thinking="adaptive"))[1] == ["tool_use"]


def test_while_it_does_not_think_its_thoughts_are_not_sent():
    talk = [*HELLO, called(SIGNED), result()]
    assert kinds(write(talk, [WEATHER], thinking="adaptive", thinking_off="disabled"))[1] == ["tool_use"]


def test_the_thoughts_of_another_model_are_not_sent():
    talk = [*HELLO, called({"other": {"thinking": [THOUGHT]}}), result()]
    assert kinds(write(talk, [WEATHER], LOW, thinking="adaptive"))[1] == ["tool_use"]


def test_a_model_with_a_budget_does_not_think_after_a_call_without_thoughts():
    request = write([*HELLO, called(), result()], [WEATHER], LOW, thinking="budget")
    assert "thinking" not in request
    assert messages_api_refusal(request) is None


def test_a_model_that_thinks_by_default_does_not_where_a_function_must_be_called():
    entry: dict[str, Any] = {"thinking": "budget", "reasoning_effort": "low"}
    assert "thinking" in write(HELLO, [WEATHER], **entry)
    assert "thinking" not in write(HELLO, [WEATHER], ChatOptions(tool_choice="required"), **entry)


def test_the_catalogue_has_claude():
    assert {"claude-sonnet-4-5", "claude-haiku-4-5"} <= {entry.name for entry in CLAUDE}


@pytest.mark.parametrize(("entry", "effort"), [(entry, effort) for entry in CLAUDE for effort in entry.efforts])
def test_every_entry_takes_every_effort_that_it_states(entry: ModelEntry, effort: Effort):
    writer = RequestWriter(entry.name, AnthropicOptions(**entry.options), abilities_of(entry))
    request = writer.write(HELLO, [WEATHER], ChatOptions(reasoning_effort=effort))
    assert request["max_tokens"] <= entry.max_output_tokens
    assert (request.get("thinking", {}).get("type") in ("enabled", "adaptive")) is (effort != "none")
