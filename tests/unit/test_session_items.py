"""Conversation items, text and out-of-band responses, function calls, manual commits, transcription sessions."""

import base64

import pytest

from harness import Talk, counting_ids, error, event, events, of_type, types
from streamsrv.core.effects import DropRecognition, Generate, OpenRecognition, RecognizeClip, Synthesize
from streamsrv.core.inputs import AudioAppended, EventReceived, FrameHeard, TranscriptReceived
from streamsrv.core.session import SessionCore
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.llm.base import Finished, ToolCall, ToolCallDelta
from streamsrv.protocol.client_events import decode_client_event
from streamsrv.protocol.session_object import Audio, AudioInput, ServerVad, Transcription, transcription_session

HELLO = (
    '{"type": "conversation.item.create", "item": {"id": "u1", "type": "message", "role": "user", '
    '"content": [{"type": "input_text", "text": "Hello"}]}}'
)
RESPOND = '{"type": "response.create"}'


def manual() -> Talk:
    return Talk(audio=Audio(input=AudioInput(turn_detection=None)))


def shown(talk: Talk) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in of_type(talk.all, Generate)[-1].messages]


def test_a_written_turn_and_answer_follow_the_ladder():
    talk = Talk(output_modalities=["text"])
    assert types(talk.client(HELLO)) == ["conversation.item.added", "conversation.item.done"]
    assert types(talk.client(RESPOND)) == ["response.created"]
    assert types([*talk.model("Hi ", "there."), *talk.model(Finished("stop"))]) == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert not of_type(talk.all, Synthesize)
    assert event(talk.all, "response.output_text.done")["text"] == "Hi there."


def test_items_keep_the_clients_id_and_a_second_one_is_refused():
    talk = Talk()
    assert event(talk.client(HELLO), "conversation.item.added")["item"]["id"] == "u1"
    assert error(talk.client(HELLO))["code"] == "item_create_duplicate_item_id"


def test_items_are_inserted_where_the_client_wants_them():
    talk = Talk()
    talk.client(HELLO)
    first = HELLO.replace("u1", "u0").replace('"item": {', '"previous_item_id": "root", "item": {', 1)
    assert event(talk.client(first), "conversation.item.added")["previous_item_id"] is None
    after = HELLO.replace("u1", "u2").replace('"item": {', '"previous_item_id": "u0", "item": {', 1)
    assert event(talk.client(after), "conversation.item.added")["previous_item_id"] == "u0"
    nowhere = HELLO.replace("u1", "u3").replace('"item": {', '"previous_item_id": "gone", "item": {', 1)
    assert error(talk.client(nowhere))["param"] == "previous_item_id"


def test_a_message_may_only_hold_what_its_role_allows():
    refused = error(Talk().client(HELLO.replace('"user"', '"assistant"')))
    assert refused["param"] == "item.content[0].type"
    assert "'output_text'" in refused["message"]


def test_items_are_retrieved_and_deleted():
    talk = Talk()
    talk.client(HELLO)
    item = event(talk.client('{"type": "conversation.item.retrieve", "item_id": "u1"}'), "conversation.item.retrieved")
    assert item["item"]["content"] == [{"type": "input_text", "text": "Hello"}]
    deleted = talk.client('{"type": "conversation.item.delete", "item_id": "u1"}')
    assert event(deleted, "conversation.item.deleted")["item_id"] == "u1"
    talk.client(RESPOND)
    assert shown(talk) == []


@pytest.mark.parametrize("action", ["retrieve", "delete"])
def test_an_unknown_item_is_an_error_of_the_action(action: str):
    refused = error(Talk().client(f'{{"type": "conversation.item.{action}", "item_id": "x", "event_id": "e"}}'))
    assert (refused["code"], refused["event_id"]) == (f"item_{action}_invalid_item_id", "e")


def test_an_out_of_band_response_leaves_the_conversation_alone():
    talk = Talk(output_modalities=["text"])
    talk.client(HELLO)
    talk.client(RESPOND)
    created = talk.client(
        '{"type": "response.create", "response": {"conversation": "none", "metadata": {"topic": "x"}, '
        '"instructions": "Classify.", "input": [{"type": "item_reference", "id": "u1"}, {"type": "message", '
        '"role": "user", "content": [{"type": "input_text", "text": "More"}]}]}}'
    )
    response = event(created, "response.created")["response"]
    assert response["conversation_id"] is None
    assert response["metadata"] == {"topic": "x"}
    assert shown(talk) == [("system", "Classify."), ("user", "Hello"), ("user", "More")]
    answer = talk.model("Greeting.", Finished("stop"))
    assert not [name for name in types(answer) if name.startswith("conversation.item")]
    assert event(answer, "response.done")["response"]["id"] == response["id"]


def test_a_function_call_follows_the_ladder_and_its_result_goes_back_to_the_model():
    talk = Talk()
    talk.update(tools=[{"type": "function", "name": "weather", "parameters": {"type": "object"}}])
    talk.says("What is the weather in Paris?")
    assert of_type(talk.all, Generate)[-1].tools[0].name == "weather"
    call = talk.model(
        ToolCallDelta(0, call_id="call_9", name="weather"),
        ToolCallDelta(0, arguments='{"city":'),
        ToolCallDelta(0, arguments='"Paris"}'),
        Finished("tool_calls"),
    )
    assert types(call) == [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    done = event(call, "response.output_item.done")["item"]
    assert (done["status"], done["call_id"], done["arguments"]) == ("completed", "call_9", '{"city":"Paris"}')
    assert event(call, "response.function_call_arguments.done")["name"] == "weather"
    talk.client(
        '{"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "call_9", '
        '"output": "sunny"}}'
    )
    talk.client(RESPOND)
    messages = of_type(talk.all, Generate)[-1].messages
    assert messages[1].tool_calls == (ToolCall("call_9", "weather", '{"city":"Paris"}'),)
    assert (messages[2].role, messages[2].content, messages[2].call_id) == ("tool", "sunny", "call_9")


def test_an_interrupted_function_call_is_incomplete():
    talk = Talk()
    talk.says("Weather?")
    talk.model(ToolCallDelta(0, call_id="c", name="weather", arguments="{"))
    assert event(talk.speech(96), "response.output_item.done")["item"]["status"] == "incomplete"


def test_a_manual_commit_makes_an_item_and_no_response():
    talk = manual()
    assert of_type(talk.speech(), OpenRecognition)
    committed = talk.client('{"type": "input_audio_buffer.commit"}')
    assert types(committed) == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    assert "response.created" not in types(talk.transcript("Hello."))
    talk.client(RESPOND)
    assert shown(talk) == [("user", "Hello.")]


def test_committing_nothing_is_refused():
    refused = error(manual().client('{"type": "input_audio_buffer.commit", "event_id": "e"}'))
    assert (refused["code"], refused["event_id"]) == ("input_audio_buffer_commit_empty", "e")


def test_committed_silence_is_an_item_without_words():
    talk = manual()
    talk.update(audio={"input": {"transcription": {}}})
    talk.silence()
    committed = talk.client('{"type": "input_audio_buffer.commit"}')
    assert event(committed, "conversation.item.input_audio_transcription.completed")["transcript"] == ""
    assert not of_type(talk.all, OpenRecognition)


def test_clearing_the_buffer_forgets_it():
    talk = manual()
    talk.speech()
    item_id = of_type(talk.all, OpenRecognition)[0].item_id
    cleared = talk.client('{"type": "input_audio_buffer.clear"}')
    assert types(cleared) == ["input_audio_buffer.cleared"]
    assert of_type(cleared, DropRecognition) == [DropRecognition(item_id)]
    assert error(talk.client('{"type": "input_audio_buffer.commit"}'))["code"] == "input_audio_buffer_commit_empty"
    assert talk.give(TranscriptReceived(item_id, Transcript("late", is_final=True))) == []


def test_audio_that_comes_with_an_item_is_recognised_before_the_answer():
    talk = Talk()
    audio = base64.b64encode(bytes(48_000)).decode()
    created = talk.client(
        '{"type": "conversation.item.create", "item": {"id": "a1", "type": "message", "role": "user", '
        f'"content": [{{"type": "input_audio", "audio": "{audio}"}}]}}}}'
    )
    clip = of_type(created, RecognizeClip)[0]
    assert (clip.item_id, len(clip.audio)) == ("a1", 48_000)
    assert "audio" not in event(created, "conversation.item.added")["item"]["content"][0]
    assert not of_type(talk.client(RESPOND), Generate)
    talk.give(TranscriptReceived("a1", Transcript("Hello.", is_final=True)))
    assert shown(talk) == [("user", "Hello.")]


def test_a_transcription_session_transcribes_and_never_answers():
    core = SessionCore(transcription_session("sess_1"), new_id=counting_ids())
    created = event(core.start(), "session.created")["session"]
    assert created["type"] == "transcription"
    effects = []
    for end_ms in range(32, 2400, 32):
        effects += core.handle(AudioAppended(end_ms), end_ms)
        effects += core.handle(FrameHeard(0.9 if end_ms < 1200 else 0.0, end_ms), end_ms)
    item_id = event(effects, "input_audio_buffer.committed")["item_id"]
    effects = core.handle(TranscriptReceived(item_id, Transcript("Hello.", is_final=True)), 2400)
    assert event(effects, "conversation.item.input_audio_transcription.completed")["transcript"] == "Hello."
    assert not [name for name in types(effects) if name.startswith("response")]
    refused = core.handle(EventReceived(decode_client_event(RESPOND)), 2400)
    assert "no responses" in error(refused)["message"]


def test_what_a_response_overrides_holds_for_it_alone():
    talk = Talk()
    talk.client(HELLO)
    created = talk.client(
        '{"type": "response.create", "response": {"output_modalities": ["text"], "max_output_tokens": 7, '
        '"audio": {"output": {"format": {"type": "audio/pcmu"}}}}}'
    )
    response = event(created, "response.created")["response"]
    assert (response["output_modalities"], response["max_output_tokens"]) == (["text"], 7)
    assert response["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert of_type(talk.all, Generate)[-1].options.max_output_tokens == 7
    assert talk.core.session.max_output_tokens == "inf"


def test_too_many_responses_a_minute_are_refused():
    talk = Talk(output_modalities=["text"])
    talk.client(HELLO)
    for _ in range(100):
        talk.client(RESPOND)
        talk.model("x", Finished("stop"))
    assert error(talk.client(RESPOND))["code"] == "rate_limit_exceeded"
    assert event(talk.all[-14:-1], "rate_limits.updated")["rate_limits"][0]["remaining"] == 0


def test_an_event_for_other_transports_is_refused():
    assert "WebRTC" in error(Talk().client('{"type": "output_audio_buffer.clear"}'))["message"]


def test_every_event_has_an_id_of_its_own():
    talk = Talk()
    talk.says("Hello.")
    talk.answers("Hi.")
    ids = [sent["event_id"] for sent in events(talk.all)]
    assert len(set(ids)) == len(ids)


def response_with(part: dict[str, str]) -> list:
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hear:"}, part]}
    return Talk().send("response.create", event_id="e1", response={"input": [item]})


@pytest.mark.parametrize(
    "part",
    [{"audio": "AAAA"}, {"audio": ""}, {}, {"transcript": ""}, {"audio": "AAAA", "transcript": "Hi."}],
)
def test_audio_in_the_input_of_a_response_is_refused(part: dict[str, str]):
    refused = response_with({"type": "input_audio", **part})
    assert types(refused) == ["error"]
    body = error(refused)
    assert (body["param"], body["event_id"]) == ("response.input[0].content[1]", "e1")
    assert "input_audio" in body["message"]


@pytest.mark.parametrize("status", ["completed", "incomplete", "in_progress"])
def test_all_items_in_the_input_of_a_response_are_shown_to_the_model(status: str):
    talk = manual()
    said = {"type": "message", "role": "user", "status": status, "content": [{"type": "input_text", "text": "Hi"}]}
    call = {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}", "status": status}
    effects = talk.send("response.create", response={"conversation": "none", "input": [said, call]})
    messages = of_type(effects, Generate)[-1].messages
    assert [(message.content, len(message.tool_calls)) for message in messages[-3:-1]] == [("Hi", 0), ("", 1)]


def test_the_words_of_audio_in_the_input_of_a_response_are_taken():
    asked = of_type(response_with({"type": "input_audio", "transcript": "a bell"}), Generate)
    assert asked[0].messages[-1].content == "Hear: a bell"


def test_the_words_of_a_clip_are_no_stage_of_the_turn_that_was_spoken_before():
    talk = Talk()
    talk.speech()
    talk.silence()
    clip = {"type": "input_audio", "audio": base64.b64encode(bytes(48_000)).decode()}
    talk.send("conversation.item.create", item={"id": "a1", "type": "message", "role": "user", "content": [clip]})
    talk.give(TranscriptReceived("a1", Transcript("Hello.", is_final=True)))
    talk.now_ms += 700
    talk.transcript("What is the time?")
    latency = event(talk.answers("Noon."), "response.done")["response"]["streamsrv"]["latency"]
    assert latency["transcript_ms"] == 700 + 640


DELTA = "conversation.item.input_audio_transcription.delta"


def transcribed(turn_detection: ServerVad | None) -> Talk:
    return Talk(audio=Audio(input=AudioInput(turn_detection=turn_detection, transcription=Transcription())))


def test_without_turn_detection_the_words_so_far_are_told_once_the_item_is_known():
    talk = transcribed(None)
    talk.speech()
    told = [*talk.partial("What"), *talk.partial("What is", "the"), *talk.partial("What is the")]
    assert types(told) == []
    committed = talk.send("input_audio_buffer.commit")
    assert types(committed) == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        DELTA,
    ]
    assert event(committed, DELTA)["delta"] == "What is the"
    final = talk.transcript("What is the time?")
    assert event(final, DELTA)["delta"] == " time?"


def test_cleared_speech_gives_no_transcript():
    talk = transcribed(None)
    talk.speech()
    talk.partial("What is")
    talk.send("input_audio_buffer.clear")
    talk.speech()
    assert DELTA not in types(talk.send("input_audio_buffer.commit"))


def test_words_from_before_turn_detection_was_on_wait_for_the_turn():
    talk = transcribed(None)
    talk.speech()
    talk.silence()
    talk.partial("What is")
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})
    assert DELTA not in types(talk.partial("What is the"))
    assert types(talk.speech(96)) == ["input_audio_buffer.speech_started"]
    assert event(talk.partial("What is the time"), DELTA)["delta"] == "What is the time"


def test_words_of_a_turn_go_on_being_told_when_turn_detection_is_turned_off_in_it():
    talk = transcribed(ServerVad())
    talk.speech()
    talk.partial("What is")
    talk.update(audio={"input": {"turn_detection": None}})
    assert event(talk.partial("What is the"), DELTA)["delta"] == " the"


def test_turning_transcription_off_before_the_item_is_known_gives_no_transcript():
    talk = transcribed(None)
    talk.speech()
    talk.partial("What is")
    talk.update(audio={"input": {"transcription": None}})
    assert DELTA not in types(talk.send("input_audio_buffer.commit"))
