"""Function calls of a session: which ones act, and what happens when the model's answer is of no use."""

from typing import Any

import pytest

from harness import Talk, error, event, events, of_type, types
from streamsrv.conformance.ladders import GENERATED_ITEM, ladders
from streamsrv.core.effects import Effect, Generate, StopGeneration
from streamsrv.core.inputs import Failure, GenerationFailed
from streamsrv.engines.llm.base import Finished, Message, ToolCall, ToolCallDelta, Usage

CALL = ToolCallDelta(0, call_id="a", name="weather", arguments='{"city": "Paris"}')
OTHER = ToolCallDelta(1, call_id="b", name="time", arguments="{}")
BROKEN = ToolCallDelta(0, call_id="a", name="weather", arguments='{"city": "Par')
DONE = Finished("tool_calls")


def asked(**session: Any) -> Talk:
    """A session whose user has asked something."""
    talk = Talk(**session)
    talk.says("How is the weather?")
    return talk


def done(effects: list[Effect]) -> dict[str, Any]:
    return event(effects, "response.done")["response"]


def called(effects: list[Effect]) -> list[tuple[str, str, str]]:
    """Name, status and arguments of the calls of a response."""
    output = done(effects)["output"]
    return [(item["name"], item["status"], item["arguments"]) for item in output if item["type"] == "function_call"]


def acted_on(effects: list[Effect]) -> list[str]:
    """The calls on which stock clients act: by the event of their arguments, or by the status of their item."""
    by_arguments = [sent["call_id"] for sent in events(effects) if sent["type"].endswith("arguments.done")]
    items = [sent["item"] for sent in events(effects) if sent["type"] == "response.output_item.done"]
    assert by_arguments == [item.get("call_id") for item in items if item["status"] == "completed" and "name" in item]
    return by_arguments


def history(talk: Talk) -> list[Message]:
    return list(of_type(talk.all, Generate)[-1].messages)


# --- calls that act ---------------------------------------------------------------------------------------------------


def test_parallel_calls_act_when_the_model_has_finished():
    talk = asked()
    assert acted_on(talk.model(CALL, OTHER)) == []
    effects = talk.model(DONE)
    assert acted_on(effects) == ["a", "b"]
    assert called(effects) == [("weather", "completed", '{"city": "Paris"}'), ("time", "completed", "{}")]
    assert done(effects)["status"] == "completed"


def test_calls_act_although_the_words_before_them_are_still_spoken():
    talk = asked()
    effects = talk.model("Let me look. ", CALL, DONE)
    assert acted_on(effects) == ["a"]
    assert "response.done" not in types(effects)
    assert done(talk.synthesize())["status"] == "completed"


def test_a_call_without_arguments_has_an_empty_object():
    talk = asked()
    effects = talk.model(ToolCallDelta(0, call_id="a", name="time"), DONE)
    assert event(effects, "response.function_call_arguments.done")["arguments"] == "{}"
    assert event(effects, "response.function_call_arguments.delta")["delta"] == "{}"
    assert called(effects) == [("time", "completed", "{}")]


# --- calls that never act ---------------------------------------------------------------------------------------------


def interrupt(talk: Talk) -> list[Effect]:
    return talk.speech()


def cancel(talk: Talk) -> list[Effect]:
    return talk.send("response.cancel")


def fail(talk: Talk) -> list[Effect]:
    return talk.give(GenerationFailed(talk.generation, Failure("unavailable", "The stream ended.")))


def reach_the_limit(talk: Talk) -> list[Effect]:
    return talk.model(Finished("max_output_tokens"))


def filter_content(talk: Talk) -> list[Effect]:
    return talk.model(Finished("content_filter"))


@pytest.mark.parametrize(
    ("cut_off", "status"),
    [
        (interrupt, "cancelled"),
        (cancel, "cancelled"),
        (fail, "failed"),
        (reach_the_limit, "incomplete"),
        (filter_content, "incomplete"),
    ],
)
@pytest.mark.parametrize("calls", [[CALL], [CALL, OTHER], [BROKEN]], ids=["one", "two", "in its arguments"])
def test_a_call_that_is_cut_off_never_acts(cut_off: Any, status: str, calls: list[ToolCallDelta]):
    talk = asked()
    talk.model(*calls)
    effects = cut_off(talk)
    assert acted_on(effects) == []
    assert done(effects)["status"] == status
    assert [call[1] for call in called(effects)] == ["incomplete"] * len(calls)
    item_ids = [item["id"] for item in done(effects)["output"]]
    assert all(GENERATED_ITEM.fullmatch(ladders(events(talk.all))[item_id]) for item_id in item_ids)


def test_late_output_of_a_cancelled_call_is_dropped():
    talk = asked()
    talk.model(CALL)
    generation = talk.generation
    talk.send("response.cancel")
    assert StopGeneration(generation) in talk.all
    assert talk.model(OTHER, DONE) == []


def test_the_model_is_not_shown_a_call_that_was_cut_off():
    talk = asked()
    talk.model(BROKEN)
    talk.speech()
    talk.silence()
    talk.transcript("In Rome.")
    assert history(talk) == [Message("user", "How is the weather? In Rome.")]


def test_a_result_for_a_call_that_was_cut_off_shows_both():
    """A client that has acted nevertheless is believed."""
    talk = asked()
    talk.model(CALL)
    talk.send("response.cancel")
    talk.send("conversation.item.create", item={"type": "function_call_output", "call_id": "a", "output": "sun"})
    talk.send("response.create")
    call = ToolCall("a", "weather", '{"city": "Paris"}')
    assert history(talk)[1:] == [Message("assistant", "", (call,)), Message("tool", "sun", call_id="a")]


def test_no_call_acts_before_the_turn_has_ended():
    talk = Talk()
    talk.speech()
    talk.silence(200)
    talk.partial("How is the weather?")
    effects = talk.silence()
    assert acted_on(effects) == []


# --- answers of no use ------------------------------------------------------------------------------------------------


USELESS = [
    pytest.param([BROKEN, DONE], "invalid_tool_call", id="broken arguments"),
    pytest.param([ToolCallDelta(0, "[1]", "a", "weather"), Finished("stop")], "invalid_tool_call", id="an array"),
    pytest.param([ToolCallDelta(0, '{"a": NaN}', "a", "weather"), DONE], "invalid_tool_call", id="no number"),
    pytest.param([ToolCallDelta(0, '{"a":' * 5000, "a", "weather"), DONE], "invalid_tool_call", id="deep"),
    pytest.param([Finished("stop")], "empty_answer", id="nothing"),
    pytest.param([" \n", Finished("stop")], "empty_answer", id="only spaces"),
    pytest.param([Finished("tool_calls")], "empty_answer", id="no call"),
]


@pytest.mark.parametrize(("deltas", "code"), USELESS)
def test_the_model_is_asked_again(deltas: list[Any], code: str):
    talk = asked()
    first = of_type(talk.all, Generate)[-1]
    effects = talk.model(*deltas)
    assert acted_on(effects) == []
    assert "response.done" not in types(effects)
    again = of_type(effects, Generate)[0]
    assert (again.messages, again.tools, again.options) == (first.messages, first.tools, first.options)
    assert StopGeneration(first.generation) in effects
    effects = talk.answers("It is sunny.")
    assert done(effects)["status"] == "completed"
    assert done(effects)["output"][-1]["content"][0]["transcript"] == "It is sunny."
    talk.silence(3200)  # in which the answer is played
    talk.says("Thank you.")
    assert [message.content for message in history(talk)] == ["How is the weather?", "It is sunny.", "Thank you."]


@pytest.mark.parametrize(("deltas", "code"), USELESS)
def test_a_second_useless_answer_is_an_error(deltas: list[Any], code: str):
    talk = asked()
    talk.model(*deltas)
    effects = talk.model(*deltas)
    assert acted_on(effects) == []
    assert not of_type(effects, Generate)
    response = done(effects)
    assert (response["status"], response["status_details"]["error"]["code"]) == ("failed", code)
    assert response["status_details"]["error"]["message"].endswith(".")


def test_the_error_names_the_function_and_what_is_wrong():
    talk = asked()
    talk.model(BROKEN, DONE)
    message = done(talk.model(BROKEN, DONE))["status_details"]["error"]["message"]
    assert message.startswith("The model called 'weather' with arguments that are no JSON object: Unterminated string")


def test_a_call_beside_a_broken_one_acts():
    talk = asked()
    effects = talk.model(BROKEN, OTHER, DONE)
    assert acted_on(effects) == ["b"]
    assert called(effects) == [("weather", "incomplete", '{"city": "Par'), ("time", "completed", "{}")]
    assert done(effects)["status_details"]["error"]["code"] == "invalid_tool_call"


def test_words_before_a_broken_call_are_spoken():
    talk = asked()
    talk.model("Let me look.", BROKEN, DONE)
    response = done(talk.synthesize())
    assert response["output"][0]["content"][0]["transcript"] == "Let me look."
    assert response["status_details"]["error"]["code"] == "invalid_tool_call"


def test_both_requests_are_part_of_the_usage():
    talk = asked()
    talk.model(Usage(100, 5, cached_tokens=40, reasoning_tokens=3), Finished("stop"))
    talk.model("Sun.", Usage(100, 7))
    effects = talk.model(Finished("stop"))
    usage = done([*effects, *talk.synthesize()])["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (200, 12, 212)
    assert usage["input_token_details"]["cached_tokens"] == 40


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_an_answer_that_was_cut_off_before_it_began_says_why(reason: Any):
    talk = asked()
    response = done(talk.model(Finished(reason)))
    assert (response["status"], response["status_details"]["reason"]) == ("incomplete", reason)


def test_a_response_that_is_asked_again_can_be_cancelled():
    talk = asked()
    talk.model(Finished("stop"))
    generation = talk.generation
    effects = talk.speech()
    assert StopGeneration(generation) in effects
    assert done(effects)["status"] == "cancelled"


def test_two_functions_of_one_name_are_refused():
    weather = {"type": "function", "name": "weather"}
    refused = error(Talk().update(tools=[weather, {"type": "function", "name": "time"}, weather]))
    assert (refused["code"], refused["param"]) == ("invalid_value", "session.tools[2].name")
