"""Results of functions that come late: after other words of the user, during other answers, twice or never."""

from typing import Any

from harness import Talk, error, event, of_type, types
from streamsrv.core.effects import Effect, Generate
from streamsrv.core.history import NO_RESULT
from streamsrv.engines.llm.base import Finished, ToolCallDelta
from strict_history import refusal

CALLS = (
    ToolCallDelta(0, call_id="a", name="weather", arguments="{}"),
    ToolCallDelta(1, call_id="b", name="time", arguments="{}"),
    Finished("tool_calls"),
)
ACTIVE = "conversation_already_has_active_response"


def called(**session: Any) -> Talk:
    """A session in which two functions were called, and the user has gone on talking."""
    talk = Talk(**session)
    talk.says("How is the weather?")
    talk.model(*CALLS)
    talk.silence(1056)  # longer than a pause inside a turn
    talk.says("And who are you?")
    return talk


def give(talk: Talk, call_id: str, output: str = "sun") -> list[Effect]:
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    return talk.send("conversation.item.create", item=item)


def shown(talk: Talk) -> list[tuple[str, str]]:
    """What the model was last shown."""
    messages = of_type(talk.all, Generate)[-1].messages
    assert refusal(messages) is None
    return [(message.role, message.content) for message in messages]


def test_words_of_the_user_are_answered_before_the_results_are_there():
    talk = called()
    assert shown(talk) == [
        ("user", "How is the weather?"), ("assistant", ""), ("tool", NO_RESULT), ("tool", NO_RESULT),
        ("user", "And who are you?"),
    ]  # fmt: skip


def test_results_that_come_during_another_answer_are_answered_after_it():
    talk = called()
    give(talk, "b", "noon")
    give(talk, "a")
    refused = error(talk.send("response.create", event_id="evt_1"))
    assert (refused["code"], refused["event_id"]) == (ACTIVE, "evt_1")
    assert refused["message"].endswith("The results of functions that have come meanwhile are answered then.")
    effects = talk.answers("I am a computer.")
    assert types(effects).index("response.created") > types(effects).index("response.done")
    assert len(of_type(effects, Generate)) == 1
    assert shown(talk) == [
        ("user", "How is the weather?"), ("assistant", ""), ("tool", "sun"), ("tool", "noon"),
        ("user", "And who are you?"), ("assistant", "I am a computer."),
    ]  # fmt: skip


def test_they_are_answered_once():
    talk = called()
    give(talk, "a")
    talk.send("response.create")
    talk.send("response.create")
    assert len(of_type(talk.answers("I am a computer."), Generate)) == 1
    assert of_type(talk.answers("It is sunny."), Generate) == []


def test_they_are_answered_with_the_next_words_of_the_user():
    talk = called()
    give(talk, "a")
    talk.send("response.create")
    talk.speech()
    talk.silence()
    assert len(of_type(talk.transcript("Tell me."), Generate)) == 1
    assert ("tool", "sun") in shown(talk)
    assert of_type(talk.answers("It is sunny."), Generate) == []


def test_results_alone_make_no_answer():
    """Clients say when they want one, as with any item."""
    talk = called()
    give(talk, "a")
    assert of_type(talk.answers("I am a computer."), Generate) == []


def test_a_refused_response_without_new_results_makes_no_answer():
    talk = called()
    refused = error(talk.send("response.create"))
    assert refused["message"].endswith("Wait until the response is finished before creating a new one.")
    assert of_type(talk.answers("I am a computer."), Generate) == []


def test_results_that_the_answer_in_progress_knows_make_no_other_answer():
    talk = Talk()
    talk.says("How is the weather?")
    talk.model(*CALLS)
    give(talk, "a")
    give(talk, "b")
    talk.send("response.create")
    assert error(talk.send("response.create"))["code"] == ACTIVE
    assert of_type(talk.answers("It is sunny."), Generate) == []


def test_a_second_result_changes_nothing():
    talk = called()
    give(talk, "a")
    give(talk, "a", "snow")
    talk.answers("I am a computer.")
    talk.send("response.create")
    assert [content for role, content in shown(talk) if role == "tool"] == ["sun", NO_RESULT]


def test_the_turn_of_an_owed_answer_has_no_latency_of_an_earlier_turn():
    talk = called()
    give(talk, "a")
    talk.send("response.create")
    talk.answers("I am a computer.")
    response = event(talk.answers("It is sunny."), "response.done")["response"]
    assert "latency" not in response.get("streamsrv", {})
