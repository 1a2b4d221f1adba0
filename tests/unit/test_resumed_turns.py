"""A turn whose end was found too early: the user goes on, and both parts are one turn of the language model."""

import pytest

from harness import Talk, counting_ids, event, events, of_type, types
from streamsrv.core.effects import (
    CallTool,
    FinishRecognition,
    Generate,
    HoldPlayback,
    RecordEarlyTurnEnd,
    RecordInterruption,
    StopGeneration,
)
from streamsrv.core.inputs import TranscriptReceived
from streamsrv.core.turns.input_buffer import CommittedAudio, InputBuffer
from streamsrv.core.turns.resuming import Resuming
from streamsrv.engines.asr.base import RecognitionOptions, Transcript
from streamsrv.engines.llm.base import Finished, ToolCallDelta
from streamsrv.protocol.session_object import Session

SEMANTIC = {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}


def asked(talk: Talk) -> list[tuple[str, str]]:
    """What the model was asked last, without the instructions."""
    last = of_type(talk.all, Generate)[-1]
    return [(message.role, message.content) for message in last.messages if message.role != "system"]


REPLY = "The weather in Paris is fine. It rains in. "


def speaks(talk: Talk, text: str) -> None:
    """The user says something, and the turn ends."""
    talk.speech()
    while not of_type(talk.silence(32), FinishRecognition):
        pass
    talk.transcript(text)


def cut_off(talk: Talk, first: str = "What is the weather in.", reply: str = REPLY) -> None:
    """The user says half a sentence, and is answered."""
    speaks(talk, first)
    talk.model(reply)
    talk.synthesize()


@pytest.mark.parametrize("detection", ["server_vad", "semantic_vad"])
@pytest.mark.parametrize("holds_playback", [False, True])
def test_both_parts_reach_the_model_as_one_message(detection, holds_playback):
    talk = Talk(holds_playback=holds_playback)
    talk.update(type="realtime", audio={"input": {"turn_detection": {"type": detection}}})
    cut_off(talk)
    talk.silence(192)
    went_on = [*talk.speech(), *talk.silence(4000), *talk.transcript("Berlin, please?")]
    assert event(went_on, "response.done")["response"]["status_details"]["reason"] == "turn_detected"
    assert event(went_on, "response.done")["response"]["streamsrv"]["turn_resumed"] is True
    assert asked(talk) == [("user", "What is the weather in Berlin, please?")]
    assert len(of_type(went_on, RecordEarlyTurnEnd)) == 1
    assert not of_type(went_on, RecordInterruption)


def test_the_pause_is_told_and_the_turn_goes_on_across_several_pauses():
    talk = Talk()
    talk.update(type="realtime", streamsrv={"events": ["turn.resumed"]})
    cut_off(talk)
    talk.silence(192)
    resumed = event(talk.speech(), "streamsrv.turn.resumed")
    assert resumed["resumed_item_id"] == "item_1"
    assert resumed["response_id"] == "resp_1"
    assert resumed["pause_ms"] == 512 + 192
    talk.silence()
    talk.transcript("Berlin.")
    talk.silence(96)
    talk.speech()
    talk.silence()
    talk.transcript("And in Rome?")
    assert asked(talk) == [("user", "What is the weather in Berlin And in Rome?")]


def test_a_client_that_plays_what_it_gets_is_interrupted_by_a_tenth_of_a_second_of_speech():
    talk = Talk()
    talk.update(**{"type": "realtime", **SEMANTIC})
    cut_off(talk, reply="The")
    talk.silence(96)
    assert not events(talk.speech(64))
    assert types(talk.speech(32))[:1] == ["input_audio_buffer.speech_started"]
    assert talk.core._responses.active is None


def test_a_click_does_not_interrupt():
    talk = Talk()
    talk.update(**{"type": "realtime", **SEMANTIC})
    cut_off(talk, reply="The")
    talk.speech(64)
    talk.silence()
    assert talk.core._responses.active is not None


def test_where_playback_can_be_held_the_first_frame_holds_it_and_a_backchannel_lets_it_go_on():
    talk = Talk(holds_playback=True)
    talk.update(**{"type": "realtime", **SEMANTIC})
    cut_off(talk)
    talk.silence(96)
    assert of_type(talk.speech(32), HoldPlayback)
    talk.speech(256)
    item = talk.core._input.item_id
    talk.silence(96)
    assert item is not None
    talk.give(TranscriptReceived(item, Transcript("mm-hmm", at_pause=True)))
    talk.silence(96)
    assert talk.core._responses.active is not None
    assert not of_type(talk.all, RecordEarlyTurnEnd)


def test_speech_after_more_than_a_second_interrupts_and_is_a_turn_of_its_own():
    talk = Talk()
    cut_off(talk)
    talk.silence(1056)
    went_on = [*talk.speech(), *talk.silence(), *talk.transcript("Stop that.")]
    assert of_type(went_on, RecordInterruption)
    assert not of_type(went_on, RecordEarlyTurnEnd)
    assert [role for role, _ in asked(talk)] == ["user", "assistant", "user"]


def test_what_the_client_asked_for_is_no_false_reply():
    talk = Talk()
    talk.update(type="realtime", audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
    talk.says("What is the weather in.")
    talk.send("response.create")
    talk.model("The weather in Paris is fine. ")
    talk.synthesize()
    talk.silence(960)
    talk.speech()
    assert not of_type(talk.all, RecordEarlyTurnEnd)


def test_a_noise_after_an_early_end_has_the_first_part_answered_again():
    talk = Talk()
    cut_off(talk)
    before = len(of_type(talk.all, Generate))
    talk.speech(128)
    talk.silence()
    talk.transcript("")
    assert len(of_type(talk.all, Generate)) == before + 1
    assert asked(talk) == [("user", "What is the weather in.")]


def test_a_call_that_the_client_acts_on_stays_and_one_that_is_not_complete_goes():
    for is_complete in (True, False):
        talk = Talk()
        talk.update(type="realtime", tools=[{"type": "function", "name": "look", "parameters": {"type": "object"}}])
        talk.says("Look at.")
        talk.model(ToolCallDelta(0, "{}", "call_1", "look"), *([Finished("tool_calls")] if is_complete else []))
        talk.speech()
        talk.silence()
        talk.transcript("the sky")
        calls = [call.name for message in of_type(talk.all, Generate)[-1].messages for call in message.tool_calls]
        assert calls == (["look"] if is_complete else [])
        assert asked(talk)[0] == ("user", "Look at the sky")


def test_either_part_can_be_retrieved_and_deleted():
    talk = Talk()
    cut_off(talk)
    talk.says("Berlin?")
    first, _, second = [item.id for item in talk.core._conversation.items]
    assert event(talk.send("conversation.item.retrieve", item_id=second), "conversation.item.retrieved")
    talk.send("conversation.item.delete", item_id=first)
    talk.send("response.cancel")
    talk.send("response.create")
    assert asked(talk) == [("user", "Berlin?")]


def test_the_next_pause_begins_an_answer_to_the_whole_turn():
    talk = Talk()
    cut_off(talk)
    talk.silence(96)
    talk.speech()
    talk.silence(96)
    item = talk.core._input.item_id
    assert item is not None
    talk.give(TranscriptReceived(item, Transcript("Berlin?", at_pause=True)))
    assert asked(talk) == [("user", "What is the weather in Berlin?")]
    generation = talk.generation
    talk.model("In Berlin it rains. ")
    done = [*talk.silence(), *talk.transcript("Berlin?")]
    assert talk.generation == generation
    assert not [stop for stop in of_type(done, StopGeneration) if stop.generation == generation]


def test_the_latency_is_that_of_the_whole_turn():
    talk = Talk()
    cut_off(talk)
    talk.speech()
    talk.silence()
    talk.transcript("Berlin?")
    done = talk.answers("Rain.")
    assert event(done, "response.done")["response"]["streamsrv"]["latency"]["turn_ended_ms"] <= 640


def test_a_reply_that_was_heard_to_its_end_is_a_reply():
    talk = Talk()
    talk.says("Is it late?")
    talk.answers("Yes.")
    talk.silence(640)
    talk.speech()
    assert not of_type(talk.all, RecordEarlyTurnEnd)


def test_no_tool_of_the_server_is_called_for_an_answer_that_is_undone():
    talk = Talk()
    cut_off(talk)
    talk.speech()
    assert not of_type(talk.all, CallTool)


def test_speech_after_the_client_sent_nothing_for_the_length_of_a_reply_is_a_turn_of_its_own():
    talk = Talk()
    cut_off(talk)
    talk.now_ms += 3000
    talk.says("Thanks.")
    assert not of_type(talk.all, RecordEarlyTurnEnd)


def test_a_turn_is_answered_again_after_one_noise_and_not_after_each():
    talk = Talk()
    cut_off(talk)
    for _ in range(3):
        talk.speech(128)
        talk.silence()
        talk.transcript("")
        talk.model(REPLY)
        talk.synthesize()
    assert len(of_type(talk.all, Generate)) == 2


def test_a_click_does_not_resume_a_turn_and_speech_does():
    resuming, audio = Resuming(), InputBuffer(Session(id="s", expires_at=0), counting_ids())
    resuming.end_turn(CommittedAudio("item_0", 0, 0, True, RecognitionOptions()), 0, 0)
    interrupts: list[bool] = []
    for until_ms in (32, 64, 96):
        audio.append(until_ms)
        audio.hear(0.9, until_ms)
        interrupts.append(resuming.interrupts(audio, 0))
    assert interrupts == [False, False, True]


def test_a_reply_that_plays_is_interrupted_by_words_as_its_echo_may_be_as_loud_as_the_user():
    talk = Talk()
    talk.update(**{"type": "realtime", **SEMANTIC})
    cut_off(talk)
    talk.silence(96)
    assert not events(talk.speech(320))


def test_a_sound_without_words_that_lasts_until_the_reply_is_over_is_no_part_of_the_turn():
    """It may be the echo of the reply, which has been heard."""
    talk = Talk()
    talk.update(**{"type": "realtime", **SEMANTIC})
    speaks(talk, "Is it late?")
    talk.answers("It is not late.")
    talk.silence(96)
    assert "input_audio_buffer.speech_started" in types(talk.speech(1600))
    talk.silence(2500)
    talk.transcript("")
    assert not of_type(talk.all, RecordEarlyTurnEnd)
    assert len(of_type(talk.all, Generate)) == 1
    speaks(talk, "And now?")
    assert asked(talk) == [("user", "Is it late?"), ("assistant", "It is not late."), ("user", "And now?")]
