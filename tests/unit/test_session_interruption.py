"""Barge-in, cancelling and truncation: the context holds what was heard, and nothing late gets through."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness import RATE, Talk, error, event, events, of_type, types
from streamsrv.core.effects import Generate, SendAudio, StopGeneration
from streamsrv.core.inputs import Failure, GenerationFailed, ModelOutput, RecognitionFailed, SegmentSpoken, SpeechOutput
from streamsrv.core.timers import ResponseTimeout
from streamsrv.engines.llm.base import Finished, Text

CLOSING = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


def talking(text: str = "One two three four. Five six seven eight.") -> Talk:
    """A session in the middle of an answer: all its audio was sent, the model has not finished."""
    talk = Talk()
    talk.says("Count.")
    talk.silence(1056)  # longer than a pause inside a turn
    talk.model(text)
    talk.synthesize(ms_per_character=100)
    return talk


def assistant_words(talk: Talk) -> str:
    """What the model is shown of the first answer when the user goes on."""
    return next((m.content for m in of_type(talk.all, Generate)[-1].messages if m.role == "assistant"), "")


def test_speech_interrupts_the_answer_and_closes_the_ladder():
    talk = talking()
    interrupted = talk.speech(96)
    assert types(interrupted) == ["input_audio_buffer.speech_started", *CLOSING]
    response = event(interrupted, "response.done")["response"]
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"
    assert of_type(interrupted, StopGeneration) == [StopGeneration(talk.generation)]


def test_after_an_interruption_the_context_holds_the_words_played_by_then():
    talk = talking()
    talk.now_ms += 1000  # playback: 100 ms a character, so "One two" (700 ms) was heard, "three" was not
    talk.speech(96)
    talk.speech()
    talk.silence()
    talk.transcript("Stop.")
    assert assistant_words(talk) == "One two"


def test_an_answer_that_is_complete_but_still_playing_is_trimmed_too():
    talk = talking()
    talk.model(Finished("stop"))
    talk.synthesize(ms_per_character=100)
    talk.now_ms += 1000
    assert "response.done" not in types(talk.speech(96))
    talk.silence()
    talk.transcript("Stop.")
    assert assistant_words(talk) == "One two"


def test_an_answer_that_was_played_to_the_end_stays_whole():
    talk = talking()
    talk.model(Finished("stop"))
    talk.synthesize(ms_per_character=100)
    talk.now_ms += 60_000
    talk.says("Thanks.")
    assert assistant_words(talk) == "One two three four. Five six seven eight."


def test_the_clients_truncation_is_exact_and_corrects_the_estimate():
    talk = talking()
    talk.now_ms += 300
    interrupted = talk.speech(96)
    item_id = event(interrupted, "response.done")["response"]["output"][0]["id"]
    truncated = talk.client(
        f'{{"type": "conversation.item.truncate", "item_id": "{item_id}", "content_index": 0, "audio_end_ms": 1400}}'
    )
    assert event(truncated, "conversation.item.truncated")["audio_end_ms"] == 1400
    talk.silence()
    talk.transcript("Stop.")
    assert assistant_words(talk) == "One two three"


def test_a_truncation_while_the_answer_goes_on_holds_when_it_ends():
    talk = talking()
    item_id = event(talk.all, "response.output_item.added")["item"]["id"]
    talk.client(
        f'{{"type": "conversation.item.truncate", "item_id": "{item_id}", "content_index": 0, "audio_end_ms": 800}}'
    )
    talk.client('{"type": "response.cancel"}')
    talk.says("Stop.")
    assert assistant_words(talk) == "One two"


def test_words_of_a_segment_that_was_cut_off_are_not_heard_as_a_whole():
    talk = Talk()
    talk.says("Count.")
    talk.model("One two three four five six seven eight. ", "Nine.")
    talk.give(SpeechOutput(talk.generation, np.ones(RATE * 500 // 1000, np.int16), RATE))
    talk.now_ms += 10_000
    talk.says("Stop.")
    heard = assistant_words(talk)
    assert heard
    assert "One two three four five six seven eight.".startswith(heard)
    assert "eight" not in heard


def test_truncating_something_else_is_an_error():
    talk = talking()
    text = '{"type": "conversation.item.truncate", "item_id": "%s", "content_index": %d, "audio_end_ms": 0}'
    assert error(talk.client(text % ("nothing", 0)))["code"] == "item_truncate_invalid_item_id"
    user_item = event(talk.all, "input_audio_buffer.committed")["item_id"]
    assert error(talk.client(text % (user_item, 0)))["code"] == "item_truncate_invalid_item_id"
    spoken = event(talk.all, "response.output_item.added")["item"]["id"]
    refused = error(talk.client(text % (spoken, 3)))
    assert refused["param"] == "content_index"
    assert "Invalid value 3 " in refused["message"]


def test_cancelling_closes_the_response():
    talk = talking()
    cancelled = talk.client('{"type": "response.cancel"}')
    assert types(cancelled) == CLOSING
    details = event(cancelled, "response.done")["response"]["status_details"]
    assert details == {"type": "cancelled", "reason": "client_cancelled"}


def test_cancelling_nothing_is_an_error_that_clients_know():
    refused = error(Talk().client('{"type": "response.cancel", "event_id": "e1"}'))
    assert refused["code"] == "response_cancel_not_active"
    assert refused["message"].startswith("Cancellation failed")
    assert refused["event_id"] == "e1"


def test_no_interruption_when_the_client_does_not_want_it():
    talk = Talk()
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    talk.says("Count.")
    talk.model("One two three four. ")
    assert types(talk.speech(96)) == ["input_audio_buffer.speech_started"]


def test_speaking_again_before_the_words_are_known_makes_one_answer_to_both():
    talk = Talk()
    talk.speech()
    talk.silence()
    first = event(talk.all, "input_audio_buffer.committed")["item_id"]
    talk.speech()
    assert "response.created" not in types(talk.transcript("What is", item_id=first))
    talk.silence()
    assert "response.created" in types(talk.transcript("the time?"))
    assert [m.content for m in of_type(talk.all, Generate)[-1].messages] == ["What is the time?"]


def test_a_failed_model_ends_the_response_and_says_why():
    talk = Talk()
    talk.says("Hello.")
    failed = talk.give(GenerationFailed(talk.generation, Failure("unavailable", "The model is down.")))
    details = event(failed, "response.done")["response"]["status_details"]
    assert details["type"] == "failed"
    assert details["error"] == {"type": "server_error", "code": "server_error", "message": "The model is down."}
    talk.says("Hello again.")
    talk.give(GenerationFailed(talk.generation, Failure("rejected", "Bad key.")))
    assert "Bad key." in str(talk.all[-6:])


def test_a_response_without_progress_is_ended_by_its_watchdog():
    talk = Talk()
    talk.says("Hello.")
    timer = ResponseTimeout(talk.generation)
    talk.now_ms += 20_000
    assert types(talk.fire(timer)) == []
    talk.now_ms += 20_000
    assert event(talk.fire(timer), "response.done")["response"]["status"] == "failed"


def test_a_recogniser_that_does_not_answer_is_told_and_not_waited_for():
    talk = Talk()
    talk.speech()
    talk.silence()
    item_id = event(talk.all, "input_audio_buffer.committed")["item_id"]
    failed = talk.give(RecognitionFailed(item_id, Failure("unavailable", "It did not answer in time.")))
    assert event(failed, "conversation.item.input_audio_transcription.failed")["item_id"] == item_id
    assert talk.transcript("Too late.") == []


@given(st.data())
def test_whatever_comes_late_every_response_is_done_exactly_once(data: st.DataObject):
    """Any order of model, synthesis, speech and client events, of old generations and new ones."""
    talk = Talk()
    talk.says("Hello.")
    for _ in range(data.draw(st.integers(1, 25))):
        generation = data.draw(st.integers(1, 3))
        step = data.draw(
            st.sampled_from(["text", "finish", "audio", "spoken", "cancel", "create", "speak", "fail", "wait"])
        )
        match step:
            case "text":
                talk.give(ModelOutput(generation, Text("Some words here. ")))
            case "finish":
                talk.give(ModelOutput(generation, Finished("stop")))
            case "audio":
                talk.give(SpeechOutput(generation, np.ones(2400, np.int16), RATE))
            case "spoken":
                talk.give(SegmentSpoken(generation))
            case "cancel":
                talk.client('{"type": "response.cancel"}')
            case "create":
                talk.client('{"type": "response.create"}')
            case "speak":
                talk.says("More.")
            case "fail":
                talk.give(GenerationFailed(generation, Failure("unavailable", "down")))
            case _:
                talk.now_ms += 500
    talk.client('{"type": "response.cancel"}')
    created = [e["response"]["id"] for e in _events(talk, "response.created")]
    assert [e["response"]["id"] for e in _events(talk, "response.done")] == created
    spoken = {effect.event_fields["response_id"] for effect in of_type(talk.all, SendAudio)}
    assert spoken <= set(created)
    assert len(set(created)) == len(created)


def _events(talk: Talk, event_type: str) -> list[dict]:
    return [sent for sent in events(talk.all) if sent["type"] == event_type]
