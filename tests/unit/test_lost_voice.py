"""When nothing can speak, the rest of the answer comes as text, and the client is told from where on."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness import RATE, Talk, event, events, of_type, types
from streamsrv.core.effects import Generate, OpenRecognition, SendAudio, SetTimer, StopGeneration, Synthesize
from streamsrv.core.inputs import Failure, GenerationFailed, SegmentSpoken, SpeechOutput, TranscriptReceived
from streamsrv.core.timers import ResponseTimeout
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.llm.base import Finished
from streamsrv.engines.tts.base import SpokenWord
from streamsrv.errors import Overloaded, Unavailable
from streamsrv.protocol.session_object import Session, StreamsrvOptions
from streamsrv.testing.faults import Fault
from streamsrv.testing.invariants import check
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import ChatTraits, ClientTraits, Scenario, SynthesizerTraits
from streamsrv.testing.simulated_user import AtReplyWord, say
from streamsrv.testing.simulator import simulate

TEXT = "The sun is a star. It is far away. "
MORE = "It is 🎉 *very* hot."
MUTE = GenerationFailed(1, Failure("unavailable", "no voice"), "synthesizer")


def talk(**session: Any) -> Talk:
    user = Talk(streamsrv=StreamsrvOptions(events=["voice.failed", "words.timed"]), **session)
    user.says("Tell me.")
    return user


def speak(user: Talk, characters: int) -> list[Any]:
    """Give this much audio of the segment that was asked for, at 50 ms a character."""
    return user.give(SpeechOutput(user.generation, np.ones(characters * 50 * RATE // 1000, np.int16), RATE))


def deltas(effects: list[Any]) -> str:
    sent = events(effects)
    return "".join(each["delta"] for each in sent if each["type"] == "response.output_audio_transcript.delta")


def test_the_text_goes_on_as_it_comes_and_the_response_completes():
    user = talk()
    user.model(TEXT)
    lost = user.give(MUTE)
    assert deltas(lost) == TEXT.rstrip()
    told = event(lost, "streamsrv.voice.failed")
    assert (told["unspoken"], told["audio_end_ms"], told["error"]["message"]) == ("", 0, "no voice")
    assert types(lost).index("streamsrv.voice.failed") < types(lost).index("response.output_audio_transcript.delta")
    assert deltas(user.model("It ")) == " It"
    rest = user.model("is hot.", Finished("stop"))
    assert deltas(rest) == " is hot."
    done = event(rest, "response.done")["response"]
    assert done["status"] == "completed"
    assert told.items() >= done["streamsrv"]["voice_failed"].items()
    assert done["output"][0]["content"][0]["transcript"] == f"{TEXT}It is hot."
    assert len(of_type(user.all, Synthesize)) == 1
    assert of_type(rest, StopGeneration)


def test_a_client_that_did_not_ask_is_told_in_response_done_only():
    user = Talk()
    user.says("Tell me.")
    user.model(TEXT, Finished("stop"))
    lost = user.give(MUTE)
    assert "streamsrv.voice.failed" not in types(lost)
    assert event(lost, "response.done")["response"]["streamsrv"]["voice_failed"]["error"]["message"] == "no voice"


def test_a_segment_that_breaks_off_tells_which_of_its_words_were_not_spoken():
    user = talk()
    user.model(TEXT, Finished("stop"))
    pcm = of_type(speak(user, 9), SendAudio)[0].pcm
    timed = (SpokenWord("The", 0, 100), SpokenWord("sun", 100, 300), SpokenWord("is", 300, 9000))
    user.give(SpeechOutput(user.generation, pcm, RATE, timed))
    lost = user.give(MUTE)
    assert event(lost, "streamsrv.voice.failed")["unspoken"] == " is a star."
    assert [word["word"] for word in event(lost, "streamsrv.words.timed")["words"]] == ["The", "sun"]
    assert deltas(user.all) == TEXT.rstrip()


def test_words_that_are_estimated_are_not_called_spoken_before_their_time():
    user = talk()
    user.model(TEXT, Finished("stop"))
    speak(user, 9)
    assert event(user.give(MUTE), "streamsrv.voice.failed")["unspoken"].startswith(" ")


def test_a_voice_that_fails_between_two_segments_has_spoken_the_first_one():
    user = talk()
    user.model(TEXT, Finished("stop"))
    speak(user, 18)
    user.give(SegmentSpoken(user.generation))
    lost = user.give(MUTE)
    told = event(lost, "streamsrv.voice.failed")
    assert (told["unspoken"], told["audio_end_ms"]) == ("", 900)
    assert deltas(lost) == " It is far away."


def test_what_the_voice_sends_late_is_dropped():
    user = talk()
    user.model(TEXT)
    user.give(MUTE)
    assert not of_type(speak(user, 9), SendAudio)
    assert user.give(SegmentSpoken(user.generation)) == []
    assert "response.done" in types(user.model(Finished("stop")))


def test_marks_for_the_voice_are_in_no_text_however_they_come():
    user = talk()
    user.model(TEXT)
    user.give(MUTE)
    assert deltas(user.model("It [la", "ugh] is [1", "] hot. ", "[", Finished("stop"))) == " It is [1] hot. ["


def test_the_next_answer_is_spoken_again():
    user = talk()
    user.model(TEXT, Finished("stop"))
    user.give(MUTE)
    user.says("Go on.")
    shown = of_type(user.all, Generate)[-1].messages
    assert [message.content for message in shown if message.role == "assistant"] == [TEXT.rstrip()]
    assert of_type(user.answers(MORE), SendAudio)


@pytest.mark.parametrize("played_ms", [400, 900])
def test_text_without_audio_is_in_the_context_once_all_audio_was_played(played_ms: int):
    user = talk()
    user.model(TEXT)
    speak(user, 18)
    user.give(SegmentSpoken(user.generation))
    user.give(MUTE)
    item_id = event(user.all, "response.output_item.added")["item"]["id"]
    user.send("response.cancel")
    user.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=played_ms)
    user.says("And?")
    said = of_type(user.all, Generate)[-1].messages[-2].content
    assert (said == TEXT.rstrip()) == (played_ms == 900)
    assert said.startswith("The sun")


def test_the_user_interrupts_text_as_well():
    user = talk()
    user.model(TEXT)
    user.give(MUTE)
    user.speech()
    done = event(user.all, "response.done")["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
    assert user.model("More.") == []


def test_a_voice_that_hangs_is_given_up_and_the_model_is_watched_on():
    user = talk()
    user.model(TEXT)
    user.now_ms += 40_000
    lost = user.fire(ResponseTimeout(user.generation))
    assert deltas(lost) == TEXT.rstrip()
    assert of_type(lost, SetTimer)[-1].key == ResponseTimeout(user.generation)
    user.now_ms += 40_000
    assert event(user.fire(ResponseTimeout(user.generation)), "response.done")["response"]["status"] == "failed"


def test_an_answer_that_was_begun_in_a_pause_keeps_its_text():
    user = talk()
    user.answers("Hm.")
    user.speech()
    user.partial("Hello there")
    user.silence(96)
    asked = user.give(at_pause(user, "Hello there."))
    assert of_type(asked, Generate), "no answer was begun in the pause"
    user.model(TEXT)
    generation = of_type(user.all, Synthesize)[-1].generation
    user.give(replace(MUTE, generation=generation))
    user.model(Finished("stop"))
    before = len(of_type(user.all, Generate))
    said = [*user.silence(), *user.transcript("Hello there.")]
    assert len(of_type(user.all, Generate)) == before, "the model was asked again"
    assert event(said, "response.done")["response"]["status"] == "completed"
    assert deltas(said) == TEXT.rstrip()


def at_pause(user: Talk, text: str) -> Any:
    item_id = of_type(user.all, OpenRecognition)[-1].item_id
    return TranscriptReceived(item_id, Transcript("", text, at_pause=True))


# At any chunk, with any client

ANSWER = "One two three four five. Six seven eight nine ten. Eleven twelve thirteen fourteen."
CLIENTS = {
    "stock": ClientTraits(),
    "reporting": ClientTraits(reports_ms=100),
    "holding": ClientTraits(holds_playback=True),
    "transport": ClientTraits(held_by_transport=True),
}


def conversation(fault: Fault, client: str, *, segment: int = 0, times_words: bool = True) -> Record:
    asked = ["voice.failed", *(["playback.hold"] if client == "holding" else [])]
    scenario = Scenario(
        (say("please count"), say("no stop", AtReplyWord(6)), say("go on")),
        session=Session(id="s", expires_at=0, streamsrv=StreamsrvOptions(events=asked)),
        client=CLIENTS[client],
        chat=ChatTraits(answers=(ANSWER, ANSWER, ANSWER), token_ms=80),
        synthesizer=SynthesizerTraits(faults=(Fault(),) * segment + (fault,), times_words=times_words),
    )
    record = simulate(scenario)
    check(record)
    return record


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("segment", [0, 1, 2])
def test_a_voice_may_fail_at_any_chunk(client: str, segment: int):
    for after in range(7):
        error = (Unavailable("down"), Overloaded("full"), None)[(after + segment) % 3]
        record = conversation(Fault(after=after, error=error, stuck=error is None), client, segment=segment)
        statuses = [event["response"]["status"] for _, event in record.events("response.done")]
        assert "failed" not in statuses
