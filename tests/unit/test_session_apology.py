"""A spoken answer that fails says so: never silence, and nothing of what was said before is lost."""

from typing import Any

import pytest

from harness import Talk, event, of_type
from streamsrv.core.effects import Generate, SendAudio, SetTimer, StopGeneration, Synthesize
from streamsrv.core.inputs import Failure, GenerationFailed
from streamsrv.core.timers import ResponseTimeout
from streamsrv.engines.llm.base import Finished, ToolCallDelta
from streamsrv.text.voice_manners import VoiceManners

SORRY = "Sorry, something went wrong."
DOWN = Failure("unavailable", "The model is down.")


def talk(**session: Any) -> Talk:
    return Talk(manners=VoiceManners(apology=SORRY), **session)


def fail(talk: Talk, failure: Failure = DOWN, **more: Any) -> list[Any]:
    return [*talk.give(GenerationFailed(talk.generation, failure, **more)), *talk.synthesize()]


def response(effects: list[Any]) -> dict[str, Any]:
    return event(effects, "response.done")["response"]


@pytest.mark.parametrize("kind", ["unavailable", "overloaded", "rejected"])
def test_the_apology_is_spoken_and_the_response_has_failed(kind: Any):
    user = talk()
    user.says("Hello.")
    effects = fail(user, Failure(kind, "It cannot."))
    assert [effect.text for effect in of_type(effects, Synthesize)] == [SORRY]
    assert of_type(effects, SendAudio)
    done = response(effects)
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["message"] == "It cannot."
    assert done["output"][0]["content"][0]["transcript"] == SORRY


def test_it_follows_the_words_so_far_as_a_sentence_of_its_own():
    user = talk()
    user.says("Hello.")
    user.model("The sun is a star. It is about")
    effects = fail(user)
    assert response(effects)["output"][0]["content"][0]["transcript"] == f"The sun is a star. It is about {SORRY}"
    spoken = [effect.text for effect in of_type(user.all, Synthesize)]
    assert spoken == ["The sun is a star.", "It is about", SORRY]


def test_the_next_turn_is_answered_and_the_model_sees_what_was_heard():
    user = talk()
    user.says("Hello.")
    fail(user)
    user.now_ms += 5000  # all was played
    user.says("Are you there?")
    asked = of_type(user.all, Generate)[-1]
    assert [message.content for message in asked.messages] == ["Hello.", SORRY, "Are you there?"]
    assert response(user.answers("Yes."))["status"] == "completed"


def test_a_call_that_was_not_complete_is_not_made():
    user = talk()
    user.says("Hello.")
    user.model(ToolCallDelta(0, '{"a', "call_1", "weather"))
    done = response(fail(user))
    call, message = done["output"]
    assert (call["type"], call["status"]) == ("function_call", "incomplete")
    assert message["content"][0]["transcript"] == SORRY


def test_late_words_of_the_model_are_not_heard_any_more():
    user = talk()
    user.says("Hello.")
    user.give(GenerationFailed(user.generation, DOWN))
    user.model("But I can!", Finished("stop"))
    done = response(user.synthesize())
    assert (done["status"], done["output"][0]["content"][0]["transcript"]) == ("failed", SORRY)


@pytest.mark.parametrize("reason", ["content_filter", "max_output_tokens"])
def test_an_answer_that_was_stopped_before_its_first_word_is_no_silence(reason: Any):
    user = talk()
    user.says("Hello.")
    done = response([*user.model(Finished(reason)), *user.synthesize()])
    assert (done["status"], done["status_details"]["reason"]) == ("incomplete", reason)
    assert done["output"][0]["content"][0]["transcript"] == SORRY


@pytest.mark.parametrize("reason", ["content_filter", "max_output_tokens"])
def test_an_answer_that_was_stopped_after_words_ends_there(reason: Any):
    user = talk()
    user.says("Hello.")
    done = response([*user.model("The sun is a star.", Finished(reason)), *user.synthesize()])
    assert done["status"] == "incomplete"
    assert done["output"][0]["content"][0]["transcript"] == "The sun is a star."


def test_a_voice_that_fails_too_leaves_the_apology_in_writing():
    user = talk()
    user.says("Hello.")
    user.give(GenerationFailed(user.generation, DOWN))
    failed = user.give(GenerationFailed(user.generation, Failure("unavailable", "mute"), "synthesizer"))
    assert event(failed, "response.output_audio_transcript.delta")["delta"] == SORRY
    assert response(failed)["status_details"]["error"]["message"] == "The model is down."


def test_a_model_that_fails_after_the_voice_apologises_in_writing():
    user = talk()
    user.says("Hello.")
    user.model("The sun is a star. It is")
    user.give(GenerationFailed(user.generation, DOWN, "synthesizer"))
    done = response(user.give(GenerationFailed(user.generation, DOWN)))
    assert done["status"] == "failed"
    assert done["output"][0]["content"][0]["transcript"] == f"The sun is a star. It is {SORRY}"


def test_a_voice_that_refuses_a_request_fails_the_response_at_once():
    user = talk()
    user.says("Hello.")
    user.model("The sun is a star. It is big.")
    done = response(user.give(GenerationFailed(user.generation, Failure("rejected", "no"), "synthesizer")))
    assert (done["status"], done["status_details"]["error"]["message"]) == ("failed", "no")


def test_a_model_that_hangs_is_apologised_for_and_stopped():
    user = talk()
    user.says("Hello.")
    user.now_ms += 40_000
    effects = [*user.fire(ResponseTimeout(user.generation)), *user.synthesize()]
    assert response(effects)["output"][0]["content"][0]["transcript"] == SORRY
    assert of_type(effects, StopGeneration)


def test_an_apology_that_hangs_ends_too():
    user = talk()
    user.says("Hello.")
    user.now_ms += 40_000
    watched = of_type(user.fire(ResponseTimeout(user.generation)), SetTimer)
    assert watched[-1].key == ResponseTimeout(user.generation)
    user.now_ms += 40_000
    done = response(user.fire(ResponseTimeout(user.generation)))
    assert (done["status"], done["output"][0]["content"][0]["transcript"]) == ("failed", SORRY)


def test_an_apology_can_be_interrupted():
    user = talk()
    user.says("Hello.")
    user.give(GenerationFailed(user.generation, DOWN))
    user.speech()
    assert response(user.all)["status"] == "cancelled"


@pytest.mark.parametrize(("words", "modality"), [("", "audio"), (SORRY, "text")])
def test_without_words_and_in_writing_there_is_only_the_error(words: str, modality: str):
    user = Talk(manners=VoiceManners(apology=words), output_modalities=[modality])
    user.says("Hello.")
    effects = user.give(GenerationFailed(user.generation, DOWN))
    assert (response(effects)["status"], response(effects)["output"]) == ("failed", [])
