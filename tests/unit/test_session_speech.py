"""A spoken turn, from speech to the spoken answer, through the pure core."""

from harness import Talk, error, event, events, of_type, types
from streamsrv.core.effects import (
    FinishRecognition,
    Generate,
    OpenRecognition,
    SendAudio,
    SetTimer,
    StopGeneration,
    Synthesize,
)
from streamsrv.core.timers import IdleTimeout, ResponseTimeout, SpeechDue
from streamsrv.engines.llm.base import Finished, Reasoning, Usage

SPOKEN_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
]
SPOKEN_ANSWER = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


def context(talk: Talk) -> list[tuple[str, str]]:
    """What the language model was last shown, without instructions."""
    return [(m.role, m.content) for m in of_type(talk.all, Generate)[-1].messages if m.role != "system"]


def test_a_spoken_turn_and_its_answer_follow_the_ladder():
    talk = Talk()
    assert types(talk.says("What is the capital of France?")) == SPOKEN_TURN
    assert context(talk) == [("user", "What is the capital of France?")]
    answer = talk.answers("It is Paris.")
    assert types(answer) == SPOKEN_ANSWER
    assert event(answer, "response.done")["response"]["status"] == "completed"
    assert event(answer, "response.output_audio_transcript.done")["transcript"] == "It is Paris."
    assert of_type(answer, SendAudio)


def test_the_recognition_starts_before_the_speech_and_ends_with_the_turn():
    talk = Talk()
    talk.silence(960)
    opened = of_type(talk.speech(), OpenRecognition)
    assert [effect.from_ms for effect in opened] == [960 - 300]
    finished = of_type(talk.silence(), FinishRecognition)
    assert [effect.item_id for effect in finished] == [opened[0].item_id]


def test_the_transcript_is_told_only_to_clients_that_asked_for_it():
    talk = Talk()
    assert "conversation.item.input_audio_transcription.completed" not in types(talk.says("Hello."))
    talk = Talk()
    talk.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    said = talk.says("Hello.")
    completed = event(said, "conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == "Hello."
    assert completed["usage"] == {"type": "duration", "seconds": 1.472}
    assert completed["item_id"] == event(said, "input_audio_buffer.committed")["item_id"]


def test_transcription_deltas_are_appended_while_the_user_speaks():
    talk = Talk()
    talk.update(audio={"input": {"transcription": {}}})
    talk.speech()
    deltas = [
        sent["delta"]
        for effects in (talk.partial("", "what"), talk.partial("What is", "the"), talk.partial("What is the"))
        for sent in events(effects)
    ]
    assert deltas == ["What is", " the"]
    talk.silence()
    final = talk.transcript("What is the time?")
    assert event(final, "conversation.item.input_audio_transcription.delta")["delta"] == " time?"


def test_partial_transcripts_go_to_clients_that_opted_in():
    talk = Talk()
    talk.update(audio={"input": {"transcription": {}}}, streamsrv={"events": ["transcription.partial"]})
    talk.speech()
    partial = event(talk.partial("What", "is"), "streamsrv.transcription.partial")
    assert (partial["stable"], partial["unstable"], partial["revision"]) == ("What", "is", 1)


def test_a_noise_without_words_gets_no_answer():
    talk = Talk()
    assert "response.created" not in types(talk.says(""))


def test_no_response_is_created_when_the_client_wants_to_do_it():
    talk = Talk()
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
    assert "response.created" not in types(talk.says("Hello."))
    assert "response.created" in types(talk.client('{"type": "response.create"}'))
    assert context(talk) == [("user", "Hello.")]


def test_a_response_asked_for_early_waits_for_the_words():
    talk = Talk(**manual())
    talk.speech()
    talk.client('{"type": "input_audio_buffer.commit"}')
    asked = talk.client('{"type": "response.create"}')
    assert types(asked) == ["response.created"]
    assert not of_type(asked, Generate)
    assert of_type(talk.transcript("Hello."), Generate)


def test_reasoning_is_never_spoken():
    talk = Talk()
    talk.says("Hello.")
    effects = [*talk.model(Reasoning("The user greets."), "Hi there."), *talk.model(Finished("stop"))]
    assert "greets" not in str(effects)
    assert [effect.text for effect in of_type(effects, Synthesize)] == ["Hi there."]


def test_segments_are_synthesised_one_at_a_time():
    talk = Talk()
    talk.says("Hello.")
    assert len(of_type(talk.model("One is here. Two is here. Three is here.", Finished("stop")), Synthesize)) == 1
    assert len(of_type(talk.synthesize(), Synthesize)) == 2
    done = event(talk.all, "response.done")["response"]
    assert done["output"][0]["content"] == [
        {"type": "output_audio", "transcript": "One is here. Two is here. Three is here."}
    ]


def test_the_deltas_of_the_transcript_join_to_the_transcript():
    talk = Talk()
    talk.says("Hello.")
    answer = talk.answers("First things first.  Then the *others*.\nAnd more 🎉 to come.  ")
    deltas = [sent["delta"] for sent in events(answer) if sent["type"] == "response.output_audio_transcript.delta"]
    done = event(answer, "response.output_audio_transcript.done")["transcript"]
    assert "".join(deltas) == done
    assert done.startswith("First things first.  Then")


def test_the_transcript_never_runs_ahead_of_the_audio():
    talk = Talk()
    talk.says("Hello.")
    assert "response.output_audio_transcript.delta" not in types(talk.model("All of it at once.", Finished("stop")))


def test_usage_is_reported():
    talk = Talk()
    talk.says("Hello.")
    talk.model("Hi.", Usage(input_tokens=20, output_tokens=3, cached_tokens=16))
    talk.answers("")
    usage = event(talk.all, "response.done")["response"]["usage"]
    assert (usage["total_tokens"], usage["input_token_details"]["cached_tokens"]) == (23, 16)


def test_hitting_the_token_limit_is_told():
    talk = Talk()
    talk.says("Hello.")
    talk.model("Hi there", Finished("max_output_tokens"))
    talk.synthesize()
    response = event(talk.all, "response.done")["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}


def test_a_turn_that_ends_while_a_response_goes_on_is_answered_after_it():
    talk = Talk()
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    talk.says("First.")
    talk.model("An answer.")
    assert "response.created" not in types(talk.says("Second."))
    talk.model(Finished("stop"))
    ended = talk.synthesize()
    assert types(ended)[-1] == "response.created"
    assert context(talk) == [("user", "First."), ("assistant", "An answer."), ("user", "Second.")]


def test_a_second_response_is_refused_while_one_is_going_on():
    talk = Talk()
    talk.says("Hello.")
    refused = error(talk.client('{"type": "response.create", "event_id": "e7"}'))
    assert refused["code"] == "conversation_already_has_active_response"
    assert refused["event_id"] == "e7"


def test_a_completed_generation_is_stopped_and_late_output_is_dropped():
    talk = Talk()
    talk.says("Hello.")
    generation = talk.generation
    assert of_type(talk.answers("Hi."), StopGeneration) == [StopGeneration(generation)]
    assert talk.model("more") == []


def test_the_idle_timeout_counts_from_the_end_of_playback_and_prompts_the_user():
    talk = Talk()
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6000}}})
    talk.says("Hello.")
    talk.answers("Hi there, friend.")
    timers = [effect for effect in of_type(talk.all, SetTimer) if effect.key == IdleTimeout()]
    assert timers[-1].delay_ms == 6000 + 50 * len("Hi there, friend.")
    talk.silence(960)
    fired = types(talk.fire(IdleTimeout()))
    assert fired == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert "still there" in of_type(talk.all, Generate)[-1].messages[0].content


def manual() -> dict:
    """A session without turn detection."""
    from streamsrv.protocol.session_object import Audio, AudioInput

    return {"audio": Audio(input=AudioInput(turn_detection=None))}


LONG = "one two three four five six seven eight nine ten. "
"""One segment; at 1 s a character it plays for longer than a stalled model may take."""


def long_answer() -> tuple[Talk, int]:
    """The first segment of an answer was sent; the second waits until most of that was played."""
    talk = Talk()
    talk.says("Count.")
    talk.model(LONG, "Eleven. ", Finished("stop"))
    talk.synthesize(ms_per_character=1000)
    assert [segment.text for segment in of_type(talk.all, Synthesize)] == [LONG.strip()]
    due = [timer for timer in of_type(talk.all, SetTimer) if timer.key == SpeechDue(talk.generation)][-1]
    return talk, due.delay_ms


def test_a_response_that_waits_for_its_own_audio_to_be_played_is_not_stalled():
    talk, due_ms = long_answer()
    talk.now_ms += 31_000
    assert of_type(talk.fire(ResponseTimeout(talk.generation)), SetTimer) == [
        SetTimer(ResponseTimeout(talk.generation), due_ms - 31_000 + 30_000)
    ]
    talk.now_ms += due_ms - 31_000
    talk.fire(SpeechDue(talk.generation))
    assert event(talk.synthesize(), "response.done")["response"]["status"] == "completed"


def test_a_segment_that_is_due_and_does_not_come_is_stalled():
    talk, due_ms = long_answer()
    talk.now_ms += due_ms
    talk.fire(SpeechDue(talk.generation))
    talk.now_ms += 30_000
    failed = talk.fire(ResponseTimeout(talk.generation))
    response = event(failed, "response.done")["response"]
    assert "no progress" in response["streamsrv"]["voice_failed"]["error"]["message"]


def test_a_model_that_stalls_behind_long_audio_is_noticed():
    talk = Talk()
    talk.says("Count.")
    talk.model(LONG)
    talk.synthesize(ms_per_character=1000)
    talk.now_ms += 30_000
    failed = talk.fire(ResponseTimeout(talk.generation))
    assert event(failed, "response.done")["response"]["status"] == "failed"
