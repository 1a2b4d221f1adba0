"""What a session that captions gives to its client and to its room."""

from typing import Any

from harness import Talk, error, event, events, of_type, types
from streamsrv.core.effects import EnterRoom, FinishRecognition, OpenRecognition, SettleCaption, ShowCaption
from streamsrv.core.inputs import Failure, RecognitionFailed, TranscriptReceived
from streamsrv.engines.asr.base import Transcript, Word
from streamsrv.protocol.session_object import (
    Audio,
    AudioInput,
    CaptionOptions,
    ServerVad,
    StreamsrvOptions,
    Transcription,
)

MAIN = CaptionOptions("main")
PREFIX = "conversation.item.input_audio_transcription"


def speaker(**streamsrv: Any) -> Talk:
    """A transcription session that captions the room `main`."""
    audio = Audio(input=AudioInput(transcription=Transcription(), turn_detection=ServerVad()))
    options = StreamsrvOptions(**{"captions": MAIN, **streamsrv})
    return Talk(type="transcription", audio=audio, streamsrv=options)


def heard(talk: Talk, *words: Word) -> list:
    """The final transcript of the last recognition; times as the recogniser counts them."""
    item_id = of_type(talk.all, FinishRecognition)[-1].item_id
    text = " ".join(word.text for word in words)
    return talk.give(TranscriptReceived(item_id, Transcript(text, words=words, is_final=True)))


def test_a_session_enters_the_room_it_was_opened_with():
    assert of_type(speaker().all, EnterRoom) == [EnterRoom(MAIN)]


def test_a_session_without_a_room_has_no_captions():
    talk = Talk(type="transcription", audio=Audio(input=AudioInput(transcription=Transcription())))
    talk.speech()
    talk.partial("hello")
    talk.silence()
    talk.transcript("Hello.")
    assert of_type(talk.all, EnterRoom | ShowCaption | SettleCaption) == []
    assert f"{PREFIX}.segment" not in types(talk.all)


def test_an_update_enters_and_leaves_rooms():
    talk = speaker()
    assert of_type(talk.update(instructions="x"), EnterRoom) == []
    other = {"captions": {"room": "other", "title": "The other"}}
    assert of_type(talk.update(streamsrv=other), EnterRoom) == [EnterRoom(CaptionOptions("other", "The other"))]
    assert of_type(talk.update(streamsrv={"captions": None}), EnterRoom) == [EnterRoom(None)]


def test_an_update_of_the_room_keeps_the_events_that_were_asked_for():
    talk = speaker(events=["transcription.partial"])
    talk.update(streamsrv={"captions": {"room": "other"}})
    assert talk.core.session.streamsrv.events == ["transcription.partial"]


def test_a_bad_room_name_is_refused_and_named():
    refused = error(speaker().update(streamsrv={"captions": {"room": "../etc"}}))
    assert (refused["code"], refused["param"]) == ("invalid_value", "session.streamsrv.captions.room")


def test_what_is_heard_is_shown_while_it_grows():
    talk = speaker()
    talk.silence(960)
    talk.speech(960)
    (shown,) = of_type(talk.partial("hello", "wor"), ShowCaption)
    assert (shown.stable, shown.tentative) == ("hello", "wor")
    assert (shown.start_ms, shown.audio_ms) == (960 - 300, 1920)


def test_words_get_the_times_of_the_sessions_audio():
    """The recogniser counts from the first whole frame that it was given: here from 640 ms, for speech from 660 on."""
    talk = speaker()
    talk.silence(960)
    talk.speech()
    talk.silence()
    effects = heard(talk, Word("Hello", 320, 600), Word("there.", 700, 1000))
    (settled,) = of_type(effects, SettleCaption)
    assert [(word.text, word.start_ms, word.end_ms) for word in settled.utterance.words] == [
        ("Hello", 960, 1240),
        ("there.", 1340, 1640),
    ]
    timed = event(effects, f"{PREFIX}.completed")["streamsrv"]
    assert (timed["start"], timed["end"]) == (0.96, 1.64)
    assert timed["words"][0] == {"word": "Hello", "start": 0.96, "end": 1.24}


def test_the_client_gets_a_segment_for_each_line():
    talk = speaker()
    talk.speech()
    talk.silence()
    effects = heard(talk, *(Word("word", 500 * number, 500 * number + 400) for number in range(20)))
    segments = [sent for sent in events(effects) if sent["type"] == f"{PREFIX}.segment"]
    assert [len(sent["text"].split()) for sent in segments] == [14, 6]
    assert segments[1]["start"] == 7.0
    assert types(effects)[-1] == f"{PREFIX}.completed"


def test_what_was_no_speech_is_taken_back():
    talk = speaker()
    talk.speech()
    talk.partial("", "uh")
    talk.silence()
    (settled,) = of_type(talk.transcript(""), SettleCaption)
    assert settled.utterance.text == ""


def test_when_recognition_fails_what_was_shown_stands():
    talk = speaker()
    talk.speech()
    talk.partial("half of")
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    talk.silence()
    (settled,) = of_type(talk.give(RecognitionFailed(item_id, Failure("unavailable", "gone"))), SettleCaption)
    assert settled.utterance is None


def test_a_cleared_buffer_is_taken_off_the_screen():
    talk = speaker()
    talk.speech()
    talk.partial("never mind")
    (settled,) = of_type(talk.client('{"type": "input_audio_buffer.clear"}'), SettleCaption)
    assert settled.utterance.text == ""


def test_a_long_monologue_ends_at_a_short_pause():
    talk = speaker()
    talk.speech(10_240)
    assert of_type(talk.silence(224), FinishRecognition) == []
    assert len(of_type(talk.silence(96), FinishRecognition)) == 1


def test_the_longer_it_lasts_the_shorter_the_pause():
    talk = speaker()
    talk.speech(16_032)
    assert len(of_type(talk.silence(64), FinishRecognition)) == 1


def test_short_pauses_do_not_end_what_is_not_long():
    talk = speaker()
    for _ in range(3):
        talk.speech(2016)
        talk.silence(320)
    assert of_type(talk.all, FinishRecognition) == []


def test_a_monologue_without_viewers_ends_only_where_the_client_said():
    talk = Talk(type="transcription", audio=Audio(input=AudioInput(transcription=Transcription())))
    talk.speech(20_000)
    assert of_type(talk.silence(320), FinishRecognition) == []


def test_a_cut_loses_no_audio_between_two_lines():
    talk = speaker()
    talk.speech(16_032)
    talk.silence(64)
    first = of_type(talk.all, FinishRecognition)
    opened = of_type(talk.speech(960), OpenRecognition)
    assert len(first) == 1
    assert opened[0].from_ms == 16_032 + 64
