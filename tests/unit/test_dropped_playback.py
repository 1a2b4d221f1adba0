"""What becomes of answers, in and out of the conversation, when the playback of all of them is dropped."""

from dataclasses import replace
from typing import Any

from streamsrv.core.effects import ClearPlayback
from streamsrv.errors import Overloaded
from streamsrv.testing.faults import Fault
from streamsrv.testing.invariants import check
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import ChatTraits, ClientTraits, Scenario, SynthesizerTraits
from streamsrv.testing.simulated_user import Act, After, AtReplyWord, Say, Send, pause, say, words
from streamsrv.testing.simulator import simulate

ASIDE: dict[str, Any] = {
    "type": "response.create",
    "response": {"conversation": "none", "output_modalities": ["audio"]},
}
LONG_ASIDE = Scenario(
    (
        Act(After(1200), Send(ASIDE)),
        Act(AtReplyWord(1), Say((*words("no"), pause(900)))),
        say("mhm", After(300)),
    ),
    client=ClientTraits(held_by_transport=True),
    chat=ChatTraits(answer_words=150),
)


def checked(scenario: Scenario) -> Record:
    record = simulate(scenario)
    check(record)
    return record


def detect(detection: dict[str, Any] | None) -> Send:
    return Send({"type": "session.update", "session": {"audio": {"input": {"turn_detection": detection}}}})


def test_an_interruption_that_drops_the_playback_also_cancels_what_was_begun_outside_of_the_conversation():
    record = checked(LONG_ASIDE)
    done = {event["response"]["id"]: event["response"] for _, event in record.events("response.done")}
    assert done["resp_1"]["conversation_id"] is None
    assert done["resp_1"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    aside = done["resp_1"]["output"][0]["id"]
    assert all(event["item_id"] != aside for _, event in record.events("conversation.item.truncated"))
    playback = [
        event["type"].rpartition(".")[2]
        for _, event in record.events()
        if event["type"].startswith("output_audio_buffer.") and event["response_id"] == "resp_1"
    ]
    assert playback == ["started", "cleared"]


def test_a_client_that_clears_the_playback_also_ends_what_was_begun_outside_of_the_conversation():
    clears = Act(AtReplyWord(2), Send({"type": "output_audio_buffer.clear"}))
    record = checked(replace(LONG_ASIDE, script=(LONG_ASIDE.script[0], clears)))
    ((_, done),) = record.events("response.done")
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert sum(isinstance(effect, ClearPlayback) for _, effect in record.effects()) == 1
    assert [event["response_id"] for _, event in record.events("output_audio_buffer.cleared")] == ["resp_1"]


def test_speech_during_an_aside_alone_leaves_it_playing():
    record = checked(replace(LONG_ASIDE, script=LONG_ASIDE.script[:2], chat=ChatTraits(answers=("river stone",))))
    assert not [effect for _, effect in record.effects() if isinstance(effect, ClearPlayback)]
    assert {event["response"]["status"] for _, event in record.events("response.done")} == {"completed"}


def test_a_turn_in_which_turn_detection_is_turned_off_and_on_again_begins_once():
    record = checked(
        Scenario(
            (
                say("to", After(1200)),
                Act(After(100), detect(None)),
                Act(After(1000), detect({"type": "server_vad"})),
                say("the garden", After(500)),
            )
        )
    )
    started = [event["item_id"] for _, event in record.events("input_audio_buffer.speech_started")]
    committed = [event["item_id"] for _, event in record.events("input_audio_buffer.committed")]
    assert (len(started), committed) == (1, started)


def test_the_context_of_an_answer_that_lost_its_voice_holds_all_of_its_text_until_it_is_interrupted():
    overloaded = Fault(each_ms=500, after=4, error=Overloaded("full"))
    text = {"type": "response.create", "response": {"conversation": "none", "output_modalities": ["text"]}}
    checked(
        Scenario(
            (
                say("hello"),
                Act(After(5000), Send(text)),
                say("four", AtReplyWord(1)),
            ),
            client=ClientTraits(held_by_transport=True),
            chat=ChatTraits(token_ms=100),
            synthesizer=SynthesizerTraits(character_ms=80, faults=(Fault(), overloaded)),
            seed=3065782644,
        )
    )
