"""The course of telephone calls, in simulated conversations: the greeting, keys, hanging up, transfers and silences."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from harness import Talk, error, event, events, of_type, types
from streamsrv.core.call_rules import CallRules
from streamsrv.core.calls.keypad import MAX_KEYS
from streamsrv.core.calls.leaving import MAX_UNPLAYED_MS
from streamsrv.core.effects import (
    ClearPlayback,
    Effect,
    FinishRecognition,
    Generate,
    HangUp,
    SendAudio,
    SoundWaiting,
    Synthesize,
    TransferCall,
)
from streamsrv.core.inputs import DigitPressed, Failure, PlaybackEnded, RecognitionFailed
from streamsrv.core.timers import KeysPause, WaitingSoundDue
from streamsrv.engines.llm.base import Finished, ToolCallDelta
from streamsrv.protocol.session_object import Audio, AudioInput, SemanticVad, Session
from streamsrv.protocol.tools import FunctionTool
from streamsrv.testing.invariants import check
from streamsrv.testing.random_scenarios import random_call
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import CallTraits, ChatTraits, ClientTraits, Scenario
from streamsrv.testing.simulated_user import Act, After, AfterReply, AtReplyWord, Press, Say, say, words
from streamsrv.testing.simulator import simulate
from streamsrv.text.voice_manners import VoiceManners

SESSION = Session(id="s", expires_at=0, audio=Audio(input=AudioInput(turn_detection=SemanticVad())))
RULES = CallRules(greeting="garden yellow paper mountain", goodbye="silver morning letter apple winter")
SALES = replace(RULES, transfers={"sales": "+4930123456"})
HANG_UP = ("hang_up", "{}")


def call(*script: Act, answers: tuple[Any, ...] = (), rules: CallRules = RULES, **traits: Any) -> Record:
    """A telephone call in which the caller follows the script; `traits` are those of `CallTraits`."""
    scenario = Scenario(
        script,
        SESSION,
        client=ClientTraits(held_by_transport=True),
        chat=ChatTraits(answers=answers),
        call=CallTraits(rules, **traits),
    )
    record = simulate(scenario)
    check(record)
    return record


def found(record: Record, kind: type[Any]) -> list[tuple[int, Any]]:
    return [(at_ms, effect) for at_ms, effect in record.effects() if isinstance(effect, kind)]


def context(record: Record) -> list[list[str]]:
    """What the language model was shown at each request."""
    return [[message.content for message in asked.messages if message.content] for _, asked in found(record, Generate)]


def said(record: Record) -> list[tuple[str, str]]:
    """What each response was, and how it ended."""
    responses = [event["response"] for _, event in record.events("response.done")]
    return [(response.get("streamsrv", {}).get("said", "answer"), response["status"]) for response in responses]


# --- the greeting -----------------------------------------------------------------------------------------------------


def test_the_greeting_is_said_at_once_without_asking_the_language_model():
    record = call(Act(After(3000), Say(words("hello there"))), answers=("river stone",))
    created_ms, _ = next(record.events("response.created"))
    assert created_ms == 0
    assert said(record)[0] == ("greeting", "completed")
    assert context(record)[-1] == [RULES.greeting, "hello there"]


def test_the_greeting_can_be_interrupted_and_the_model_knows_what_was_heard_of_it():
    record = call(say("wait please I know", AtReplyWord(2)), answers=("river stone",))
    assert context(record)[-1][0] == "garden yellow"


def test_a_call_without_a_greeting_begins_in_silence():
    record = call(say("hello there"), answers=("river stone",), rules=replace(RULES, greeting=" "))
    assert said(record) == [("answer", "completed")]


def test_a_session_that_is_no_call_has_none_of_this():
    talk = Talk()
    assert not [sent for sent in events(talk.all) if sent["type"] == "response.created"]
    talk.says("hello")
    assert of_type(talk.all, Generate)[-1].tools == ()


# --- keys -------------------------------------------------------------------------------------------------------------


def pressed(talk: Talk, keys: str) -> list[Effect]:
    return [effect for key in keys for effect in talk.give(DigitPressed(key, 1_700_000_000))]


def test_each_key_is_the_published_event():
    talk = Talk(call=CallRules())
    sent = event(pressed(talk, "5"), "input_audio_buffer.dtmf_event_received")
    assert sent == {
        "type": "input_audio_buffer.dtmf_event_received",
        "event_id": sent["event_id"],
        "event": "5",
        "received_at": 1_700_000_000,
    }


def test_keys_are_given_to_the_model_after_a_pause():
    record = call(Act(After(2000), Press("12")), Act(After(1000), Press("34")), answers=("river stone",))
    assert context(record) == [[RULES.greeting, "The caller pressed 1234."]]


def test_the_hash_key_gives_them_at_once():
    record = call(Act(After(2000), Press("12*7#")), answers=("river stone",))
    assert context(record) == [[RULES.greeting, "The caller pressed 12*7."]]
    (at_ms, _), (last_key_ms, _) = (
        found(record, Generate)[0],
        [*record.events("input_audio_buffer.dtmf_event_received")][-1],
    )
    assert at_ms == last_key_ms


def test_a_hash_key_alone_is_a_key():
    assert context(call(Act(After(2000), Press("#")), answers=("river stone",)))[0][-1] == "The caller pressed #."


def test_keys_interrupt_a_reply():
    record = call(Act(AtReplyWord(1), Press("1#")), answers=("river stone",))
    assert context(record) == [["garden", "The caller pressed 1."]]


def test_a_flood_of_keys_is_one_entry_of_bounded_length():
    talk = Talk(call=CallRules())
    effects = pressed(talk, "1" * 500 + "#" + "2#" * 500)
    entries = [sent["item"]["content"][0]["text"] for sent in events(effects) if sent["type"].endswith("item.done")]
    assert entries == [f"The caller pressed {'1' * MAX_KEYS} and more keys."]


def test_keys_that_do_not_fit_in_the_conversation_are_an_error_and_still_interrupt(monkeypatch: pytest.MonkeyPatch):
    talk = Talk(call=RULES, holds_playback=True)
    talk.synthesize()
    monkeypatch.setattr("streamsrv.core.conversation.MAX_ITEMS", 1)
    effects = pressed(talk, "1")
    assert of_type(effects, ClearPlayback)
    talk.give(PlaybackEnded("item_1", 0))
    effects = pressed(talk, "#")
    assert "is full" in error(effects)["message"]
    assert not of_type(talk.all, Generate)


# --- what cannot be heard ---------------------------------------------------------------------------------------------


def test_a_caller_who_could_not_be_understood_is_told():
    talk = Talk(call=CallRules(), manners=VoiceManners(apology="I am sorry."))
    talk.speech()
    talk.silence()
    item_id = of_type(talk.all, FinishRecognition)[-1].item_id
    effects = talk.give(RecognitionFailed(item_id, Failure("unavailable", "It is down.")))
    assert [effect.text for effect in of_type(effects, Synthesize)] == ["I am sorry."]
    assert not of_type(talk.all, Generate)


# --- hanging up by the language model ---------------------------------------------------------------------------------


def test_the_model_hangs_up_and_the_application_sees_it():
    record = call(say("goodbye then", AfterReply(300)), answers=(HANG_UP,))
    assert [effect.reason for _, effect in found(record, HangUp)] == ["The agent hung up."]
    items = [event["item"] for _, event in record.events("response.output_item.done")]
    assert (items[-1]["type"], items[-1]["name"], items[-1]["output"]) == ("mcp_call", "hang_up", "The call was ended.")
    assert said(record)[-1] == ("answer", "completed")


def test_a_session_may_not_offer_it():
    record = call(say("hello there", AfterReply(300)), answers=("fine",), rules=replace(RULES, may_hang_up=False))
    assert found(record, Generate)[-1][1].tools == ()


# --- transfers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sales", " Sales"])
def test_the_model_transfers_the_call(name: str):
    answer = ("transfer_call", f'{{"destination": "{name}"}}')
    record = call(say("sales please", AfterReply(300)), answers=(answer,), rules=SALES, transfer_ms=None)
    assert [effect.destination for _, effect in found(record, TransferCall)] == ["+4930123456"]


def test_a_transfer_that_fails_is_told_to_the_model_and_the_call_goes_on():
    answers = (("transfer_call", '{"destination": "sales"}'), "nobody there")
    record = call(say("sales please", AfterReply(300)), answers=answers, rules=SALES, transfer_ms=2000)
    assert context(record)[-1] == [RULES.greeting, "sales please", "Error: Nobody answered."]
    assert said(record)[-1] == ("answer", "completed")


@pytest.mark.parametrize("arguments", ["{}", '{"destination": "+49900"}', '{"destination": 7}'])
def test_the_model_cannot_choose_another_number(arguments: str):
    answers = (("transfer_call", arguments), "river stone")
    record = call(say("sales please", AfterReply(300)), answers=answers, rules=SALES)
    assert not found(record, TransferCall)
    assert context(record)[-1][-1] == "Error: There is no such destination; there are: 'sales'."


# --- silences and the longest duration --------------------------------------------------------------------------------


def test_a_silent_caller_is_asked_and_then_the_call_ends():
    record = call(Act(After(60_000), Say(words("hello"))))
    assert said(record) == [("greeting", "completed"), ("silence_prompt", "completed"), ("goodbye", "completed")]
    ((ended_ms, ended),) = found(record, HangUp)
    assert ended.reason == "The caller said nothing."
    assert all(item.played_ms(ended_ms) == item.received_ms for item in record.played.values()), "all of it was heard"


def test_goodbye_is_said_before_the_longest_duration_is_over():
    record = call(say("tell me a story", AfterReply(300)), answers=("river " * 150,), max_ms=20_000)
    assert said(record)[-2:] == [("answer", "cancelled"), ("goodbye", "completed")]
    ((ended_ms, ended),) = found(record, HangUp)
    assert ended.reason == "The call has lasted for as long as it may."
    assert ended_ms < 20_000


def test_a_caller_who_answers_the_question_is_not_hung_up_on_and_asked_anew_later():
    record = call(say("yes I am", After(13_000)), Act(After(30_000), Press("1")), answers=("river stone",))
    assert [what for what, _ in said(record)] == ["greeting", "silence_prompt", "answer", "silence_prompt", "goodbye"]


def test_a_caller_who_speaks_while_goodbye_is_said_keeps_the_call():
    record = call(say("no wait please I am here", AfterReply(23_500)), answers=("river stone",))
    assert ("answer", "completed") in said(record)
    assert not found(record, HangUp)


def test_goodbye_at_the_longest_duration_cannot_be_interrupted():
    record = call(say("no wait please I am here", After(15_500)), answers=("river stone",), max_ms=30_000)
    assert said(record)[-1] == ("goodbye", "completed")
    assert [effect.reason for _, effect in found(record, HangUp)] == ["The call has lasted for as long as it may."]


@pytest.mark.parametrize("after_ms", [0, 300, 800])
def test_who_interrupts_the_last_words_prevents_hanging_up(after_ms: int):
    talk = Talk(call=RULES, holds_playback=True)
    talk.synthesize()
    talk.now_ms += 5000
    talk.give(PlaybackEnded("item_1", 1400))
    talk.says("goodbye then")
    talk.model("Goodbye, dear caller.", ToolCallDelta(0, "{}", "call_1", "hang_up"), Finished("tool_calls"))
    talk.synthesize()
    assert not of_type(talk.all, HangUp)
    talk.now_ms += after_ms
    effects = talk.give(DigitPressed("1", 0))
    response = event(effects, "response.done")["response"]
    assert response["status"] == "cancelled"
    (called,) = [item for item in response["output"] if item["type"] == "mcp_call"]
    assert "goes on" in called["error"]["message"]
    talk.now_ms += 60_000
    talk.silence(64)
    assert not of_type(talk.all, HangUp)


def test_hanging_up_waits_for_the_end_of_the_playback_and_not_for_ever():
    def hanging_up() -> Talk:
        talk = Talk(call=CallRules(), holds_playback=True)
        talk.says("goodbye then")
        talk.model("Goodbye, dear caller.", ToolCallDelta(0, "{}", "call_1", "hang_up"), Finished("tool_calls"))
        talk.synthesize()
        return talk

    told, untold = hanging_up(), hanging_up()
    item_id = next(e["item"]["id"] for e in events(told.all) if e.get("item", {}).get("role") == "assistant")
    assert "response.done" in types(told.give(PlaybackEnded(item_id, 1050)))
    assert of_type(told.all, HangUp)
    untold.now_ms += 1050 + MAX_UNPLAYED_MS - 100
    untold.silence(32)
    assert not of_type(untold.all, HangUp)
    untold.now_ms += 100
    untold.silence(32)
    assert of_type(untold.all, HangUp)


# --- the waiting sound ------------------------------------------------------------------------------------------------


def test_a_caller_who_waits_hears_a_sound_until_the_answer_begins():
    slow = ChatTraits(answers=("river stone",), first_ms=5000)
    scenario = Scenario(
        (say("hello there", AfterReply(300)),),
        SESSION,
        client=ClientTraits(held_by_transport=True),
        chat=slow,
        call=CallTraits(RULES),
    )
    record = simulate(scenario)
    check(record)
    (on_ms, on), (off_ms, off) = found(record, SoundWaiting)
    assert (on.on, off.on) == (True, False)
    answered_ms = next(at_ms for at_ms, _ in found(record, SendAudio) if at_ms > on_ms)
    assert off_ms == answered_ms


def test_whoever_waits_for_a_function_of_the_application_hears_it_too():
    talk = Talk(call=CallRules())
    talk.says("How is the weather?")
    talk.model(ToolCallDelta(0, "{}", "call_1", "weather"), Finished("tool_calls"))
    talk.now_ms += 1200
    talk.silence(320)
    assert [effect.on for effect in of_type(talk.all, SoundWaiting)] == [True]
    talk.speech()
    assert [effect.on for effect in of_type(talk.all, SoundWaiting)] == [True, False]


def test_keys_do_not_make_the_wait_for_an_answer_longer():
    talk = Talk(call=CallRules())
    pressed(talk, "1")
    talk.says("hello")
    talk.now_ms += 200
    talk.fire(KeysPause())
    assert not of_type(talk.all, SoundWaiting)
    talk.now_ms += 300
    assert [effect.on for effect in of_type(talk.fire(WaitingSoundDue()), SoundWaiting)] == [True]


# --- the tools --------------------------------------------------------------------------------------------------------


def test_a_function_of_the_client_takes_the_place_of_a_tool_of_its_name():
    talk = Talk(call=SALES, tools=[FunctionTool("hang_up", "Mine.")])
    talk.says("goodbye then")
    offered = {tool.name: tool.description for tool in of_type(talk.all, Generate)[-1].tools}
    assert sorted(offered) == ["hang_up", "transfer_call"]
    assert offered["hang_up"] == "Mine."
    talk.model(ToolCallDelta(0, "{}", "call_1", "hang_up"), Finished("tool_calls"))
    assert not of_type(talk.all, HangUp)


def test_a_session_that_requires_a_tool_does_not_require_that_the_call_is_left():
    talk = Talk(call=SALES, tool_choice="required")
    talk.says("hello")
    assert of_type(talk.all, Generate)[-1].options.tool_choice == "auto"


# --- whatever happens -------------------------------------------------------------------------------------------------


def test_the_invariants_hold_in_random_calls():
    for seed in range(50):
        check(simulate(random_call(Random(seed))))


@pytest.mark.slow
def test_the_invariants_hold_in_many_random_calls():
    for seed in range(50, 1000):
        check(simulate(random_call(Random(seed))))
