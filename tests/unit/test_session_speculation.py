"""Answers begun before the turn has ended: committed if it ends with the same words, discarded if not."""

import numpy as np
import pytest

from harness import RATE, Talk, event, of_type, types
from streamsrv.core.effects import Generate, OpenRecognition, PrepareModel, SendAudio, StopGeneration, Synthesize
from streamsrv.core.inputs import Failure, GenerationFailed, SegmentSpoken, SpeechOutput, TranscriptReceived
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.llm.base import Finished, Reasoning, Text, ToolCallDelta, Usage

BEFORE_THE_TURN_ENDS = {"input_audio_buffer.speech_started"}


def pausing(text: str = "What is the time?", **session) -> Talk:
    """The user has just paused, and the recogniser knows all words so far."""
    talk = Talk(**session)
    talk.speech()
    talk.silence(192)
    hear_so_far(talk, text)
    return talk


def hear_so_far(talk: Talk, text: str) -> None:
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    talk.give(TranscriptReceived(item_id, Transcript("", text, at_pause=True)))


def speak(talk: Talk, ms: int = 500) -> None:
    """The synthesiser's audio of the segment asked for last."""
    generation = of_type(talk.all, Synthesize)[-1].generation
    talk.give(SpeechOutput(generation, np.ones(RATE * ms // 1000, np.int16), RATE))
    talk.give(SegmentSpoken(generation))


def test_the_answer_is_begun_in_the_pause_and_nothing_of_it_is_visible():
    talk = pausing()
    assert [m.content for m in of_type(talk.all, Generate)[-1].messages] == ["What is the time?"]
    talk.model("It is noon. ", "Time to eat.")
    assert [effect.text for effect in of_type(talk.all, Synthesize)] == ["It is noon."]
    speak(talk)
    assert set(types(talk.all)) == {"session.created"} | BEFORE_THE_TURN_ENDS
    assert not of_type(talk.all, SendAudio)


def test_it_is_committed_when_the_turn_ends_with_the_same_words():
    talk = pausing()
    talk.model("It is noon. ", "Time to eat.", Finished("stop"))
    speak(talk)
    talk.silence()
    ended = talk.transcript("what is the time")
    assert len(of_type(talk.all, Generate)) == 1
    assert types(ended)[:5] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
    ]
    assert len(of_type(ended, SendAudio)) == 1
    assert [effect.text for effect in of_type(ended, Synthesize)] == ["Time to eat."]
    done = event(talk.synthesize(), "response.done")["response"]
    assert done["status"] == "completed"
    assert done["output"][0]["content"][0]["transcript"] == "It is noon. Time to eat."


def test_what_is_still_under_way_goes_on_in_the_response():
    talk = pausing()
    talk.model("It is noon. ", "Time")
    talk.silence()
    committed = talk.transcript("What is the time?")
    assert not of_type(committed, Synthesize), "the first segment was asked for already"
    speak(talk)
    talk.model(" to eat.", Finished("stop"))
    assert event(talk.synthesize(), "response.done")["response"]["status"] == "completed"
    assert len(of_type(talk.all, SendAudio)) == 2


@pytest.mark.parametrize(
    "deltas", [("\n", "  It is noon. "), (Reasoning("Hm."), " ", "\n", "It is noon. "), (" It is noon. ",)]
)
def test_whitespace_before_the_answer_does_not_make_its_first_segment_spoken_twice(deltas: tuple[object, ...]):
    talk = pausing()
    talk.model(*deltas, "Time to eat.", Finished("stop"))
    speak(talk)
    talk.silence()
    talk.transcript("What is the time?")
    done = event(talk.synthesize(), "response.done")["response"]
    assert [effect.text for effect in of_type(talk.all, Synthesize)] == ["It is noon.", "Time to eat."]
    assert done["output"][0]["content"][0]["transcript"] == "It is noon. Time to eat."


def test_a_first_segment_that_differs_from_the_requested_one_ends_no_session():
    talk = pausing()
    talk.model("It is noon. ", "Time to eat.", Finished("stop"))
    talk.core._responses.speculations._current.deltas[0] = Text("It is late. ")  # type: ignore[union-attr]
    speak(talk)
    talk.silence()
    talk.transcript("What is the time?")
    assert event(talk.synthesize(), "response.done")["response"]["status"] == "completed"
    assert [effect.text for effect in of_type(talk.all, Synthesize)] == ["It is noon.", "Time to eat."]


def test_it_is_discarded_when_the_user_goes_on():
    talk = pausing("What is")
    talk.model("What is what? ", "Tell me.")
    resumed = talk.speech(96)
    assert of_type(resumed, StopGeneration) == [StopGeneration(1)]
    assert talk.model("late") == []
    talk.speech()
    talk.silence()
    talk.transcript("What is the time?")
    assert of_type(talk.all, Generate)[-1].messages[-1].content == "What is the time?"
    assert "Tell me" not in str(talk.answers("Noon."))


def test_a_click_in_the_pause_does_not_discard_it():
    talk = pausing()
    assert not of_type([*talk.speech(32), *talk.silence(64)], StopGeneration)


def test_other_final_words_discard_it():
    talk = pausing("What is the lime?")
    talk.model("A fruit. ", "Sour.")
    talk.silence()
    ended = talk.transcript("What is the time?")
    assert of_type(ended, StopGeneration) == [StopGeneration(1)]
    assert [effect.generation for effect in of_type(ended, Generate)] == [2]


def test_other_words_at_a_later_pause_replace_it():
    talk = pausing("What is the lime?")
    hear_so_far(talk, "What is the time?")
    assert [effect.generation for effect in of_type(talk.all, Generate)] == [1, 2]
    assert of_type(talk.all, StopGeneration) == [StopGeneration(1)]
    hear_so_far(talk, "what is the time")
    assert len(of_type(talk.all, Generate)) == 2


def test_no_tool_runs_before_the_turn_is_committed():
    talk = pausing("Turn on the light.")
    call = ToolCallDelta(0, call_id="c1", name="light", arguments="{}")
    assert types(talk.model(call, Usage(5, 5), Finished("tool_calls"))) == []
    talk.silence()
    ended = talk.transcript("Turn on the light.")
    assert event(ended, "response.output_item.done")["item"]["name"] == "light"
    assert event(ended, "response.done")["response"]["usage"]["total_tokens"] == 10


def test_a_failed_guess_is_asked_again_when_it_counts():
    talk = pausing()
    assert types(talk.give(GenerationFailed(1, Failure("unavailable", "down")))) == []
    talk.silence()
    assert [effect.generation for effect in of_type(talk.transcript("What is the time?"), Generate)] == [2]


def test_a_noise_discards_it():
    talk = pausing()
    talk.silence()
    assert of_type(talk.transcript(""), StopGeneration) == [StopGeneration(1)]


def test_there_is_none_while_an_answer_is_going_on_nor_when_the_client_answers_itself():
    talk = Talk()
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
    talk.speech()
    talk.silence(192)
    hear_so_far(talk, "Hello.")
    assert not of_type(talk.all, Generate)


def test_changed_instructions_make_it_useless():
    talk = pausing()
    talk.model("It is noon. ", "Time to eat.")
    talk.update(instructions="Speak like a pirate.")
    talk.silence()
    talk.transcript("What is the time?")
    assert [effect.generation for effect in of_type(talk.all, Generate)] == [1, 2]


def test_its_stages_are_in_the_latencies_of_the_response():
    talk = pausing()
    spoken_until = talk.now_ms - 192
    talk.model("It is noon. ", "Time to eat.", Finished("stop"))
    token_at = talk.now_ms
    speak(talk)
    talk.silence()
    talk.transcript("What is the time?")
    done = event(talk.synthesize(), "response.done")["response"]["streamsrv"]["latency"]
    assert done["first_token_ms"] == done["first_segment_ms"] == token_at - spoken_until
    assert done["turn_ended_ms"] == 512
    assert done["first_token_ms"] < done["turn_ended_ms"] <= done["first_audio_ms"]


def guesses(talk: Talk, words: list[str]) -> int:
    """How often the model is asked in one turn with a pause after each of these words."""
    before = len(of_type(talk.all, Generate))
    for count in range(1, len(words) + 1):
        talk.speech(320)
        talk.silence(192)
        hear_so_far(talk, " ".join(words[:count]))
    return len(of_type(talk.all, Generate)) - before


def test_a_turn_of_many_pauses_is_guessed_at_three_times():
    talk = Talk()
    assert guesses(talk, ["turn", "on", "the", "kitchen", "light", "now"]) == 3
    talk.silence()
    talk.transcript("turn on the kitchen light now")
    assert len(of_type(talk.all, Generate)) == 4, "it is answered all the same"
    talk.answers("Done.")
    talk.now_ms += 10_000
    assert guesses(talk, ["thank", "you"]) == 2, "another turn"


def test_the_last_guess_that_is_allowed_is_dropped_when_the_words_go_on():
    talk = Talk()
    guesses(talk, ["turn", "on", "the", "light"])
    assert [stopped.generation for stopped in of_type(talk.all, StopGeneration)] == [1, 2, 3]


def test_guesses_count_against_the_rate_limit_and_stop_when_it_is_low():
    talk = Talk(responses_per_minute=4)
    assert guesses(talk, ["turn", "on", "the", "light"]) == 2
    talk.silence()
    answered = talk.transcript("turn on the light")
    assert event(answered, "response.created")
    talk.model("Done.", Finished("stop"))
    done = talk.synthesize()
    assert event(done, "rate_limits.updated")["rate_limits"][0]["remaining"] == 1


def test_a_guess_that_is_used_costs_one_response():
    talk = pausing(responses_per_minute=4)
    talk.silence()
    talk.transcript("What is the time?")
    talk.model("Noon.", Finished("stop"))
    assert event(talk.synthesize(), "rate_limits.updated")["rate_limits"][0]["remaining"] == 3


def test_without_budget_for_a_guess_the_answer_waits_for_the_end_of_the_turn():
    talk = pausing(responses_per_minute=1)
    assert not of_type(talk.all, Generate)
    talk.silence()
    assert of_type(talk.transcript("What is the time?"), Generate)


def hear_stable(talk: Talk, stable: str, tentative: str = "") -> list:
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    return of_type(talk.give(TranscriptReceived(item_id, Transcript(stable, tentative))), PrepareModel)


def test_the_model_reads_long_turns_while_the_user_speaks():
    talk = Talk()
    talk.speech()
    words = [f"w{number}" for number in range(20)]
    assert not hear_stable(talk, " ".join(words[:7]), "what may change is not counted")
    read = hear_stable(talk, " ".join(words[:8]))
    assert [message.content for message in read[0].messages] == [" ".join(words[:8])]
    assert not hear_stable(talk, " ".join(words[:15]))
    assert hear_stable(talk, " ".join(words[:16]))


def test_nothing_is_read_ahead_of_a_turn_that_the_client_ends_or_with_tools_in_the_prompt():
    words = " ".join(["word"] * 10)
    tool = {"type": "function", "name": "weather", "description": "", "parameters": {"type": "object"}}
    for options in ({"tools": [tool]}, {"audio": {"input": {"turn_detection": {"create_response": False}}}}):
        talk = Talk()
        talk.update(**options)
        talk.speech()
        assert not hear_stable(talk, words)


def test_each_turn_is_read_from_its_own_beginning():
    talk = Talk()
    for _ in range(2):
        talk.speech()
        assert hear_stable(talk, " ".join(["word"] * 9))
        talk.silence()
        talk.transcript("")
