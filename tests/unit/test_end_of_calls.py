"""What is left when a telephone call ends: complete transcripts, and no response or tool that is still in progress."""

from typing import Any

from harness import Talk, error, events, of_type
from streamsrv.core.call_rules import CallRules
from streamsrv.core.calls.course import CALL_OVER
from streamsrv.core.calls.leaving import CALLER_LEFT, HANDED_OVER
from streamsrv.core.effects import Close, Generate, HangUp
from streamsrv.core.inputs import EventReceived, LineDropped
from streamsrv.engines.llm.base import Finished, ToolCallDelta
from streamsrv.protocol.client_events import ResponseCreate
from streamsrv.protocol.session_object import Audio, AudioInput, SemanticVad, Session, Transcription
from streamsrv.testing.invariants import check
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import CallTraits, ChatTraits, ClientTraits, Scenario
from streamsrv.testing.simulated_user import (
    Act,
    After,
    AfterReply,
    AtReplyWord,
    LineDrops,
    Say,
    Send,
    Sound,
    say,
    words,
)
from streamsrv.testing.simulator import simulate

SESSION = Session(
    id="s",
    expires_at=0,
    audio=Audio(input=AudioInput(turn_detection=SemanticVad(), transcription=Transcription())),
)
ASIDE: dict[str, Any] = {"type": "response.create", "response": {"conversation": "none"}}
TRANSFER = ("transfer_call", '{"destination": "sales"}')


def call(*script: Act, answers: tuple[Any, ...] = (), rules: CallRules | None = None, **traits: Any) -> Record:
    record = simulate(
        Scenario(
            script,
            SESSION,
            client=ClientTraits(held_by_transport=True),
            chat=ChatTraits(answers=answers, answer_words=150),
            call=CallTraits(rules or CallRules(transfers={"sales": "+4930123456"}), **traits),
        )
    )
    check(record)
    assert [effect for _, effect in record.effects() if isinstance(effect, Close)] == [Close(*CALL_OVER)]
    return record


def done(record: Record) -> list[tuple[str, list[dict[str, Any]]]]:
    """The status and the items of each response."""
    responses = [event["response"] for _, event in record.events("response.done")]
    return [(response["status"], response["output"]) for response in responses]


def test_a_call_that_was_transferred_ends_with_the_result_of_the_tool():
    record = call(say("sales please"), answers=(TRANSFER,), transfer_ms=None)
    ((status, (item,)),) = done(record)
    assert (status, item["type"], item["output"], item["error"]) == ("completed", "mcp_call", HANDED_OVER, None)


def test_a_caller_who_hangs_up_while_the_last_words_are_said_leaves_a_tool_with_a_result():
    talk = Talk(call=CallRules(), holds_playback=True)
    talk.says("goodbye then")
    talk.model("Goodbye, dear caller.", ToolCallDelta(0, "{}", "call_1", "hang_up"), Finished("tool_calls"))
    talk.synthesize()
    effects = talk.give(LineDropped())
    items = [sent["item"] for sent in events(effects) if sent["type"] == "response.output_item.done"]
    (item,) = [item for item in items if item["type"] == "mcp_call"]
    assert (item["output"], item["error"]) == (CALLER_LEFT, None)
    assert not of_type(effects, HangUp)


def test_a_line_that_drops_in_the_middle_of_a_word_leaves_all_that_was_said_before():
    mid_word = (*words("I want to"), Sound(100))
    record = call(Act(After(500), Say(mid_word)), Act(After(0), LineDrops()))
    told = record.events("conversation.item.input_audio_transcription.completed")
    assert [event["transcript"] for _, event in told] == ["I want to"]
    assert not [effect for _, effect in record.effects() if isinstance(effect, Generate)]


def test_a_line_that_drops_during_a_reply_leaves_what_was_heard_of_it():
    record = call(say("tell me a story"), Act(AtReplyWord(2), LineDrops()), answers=("garden yellow paper mountain",))
    ((_, (item,)),) = done(record)
    ((_, truncated),) = record.events("conversation.item.truncated")
    assert truncated["item_id"] == item["id"]
    assert truncated["audio_end_ms"] == record.played[item["id"]].played_ms(record.ended_ms)


def test_a_response_outside_of_the_conversation_ends_with_the_call():
    record = call(Act(After(0), Send(ASIDE)), say("goodbye", After(300)), answers=(("hang_up", "{}"),))
    assert sorted(status for status, _ in done(record)) == ["cancelled", "completed"]


def test_nothing_is_answered_after_the_call_was_ended():
    talk = Talk(call=CallRules())
    talk.says("goodbye then")
    talk.model(ToolCallDelta(0, "{}", "call_1", "hang_up"), Finished("tool_calls"))
    assert of_type(talk.all, HangUp)
    assert "The call has ended" in error(talk.give(EventReceived(ResponseCreate())))["message"]


def test_a_dropped_line_ends_the_session_of_a_silent_caller():
    assert not done(call(Act(AfterReply(300), LineDrops())))
