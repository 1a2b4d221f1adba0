"""The output audio buffer: held, resumed, cleared, reported; by the transport, or by a client that asked for it."""

import pytest

from harness import Talk, error, event, events, of_type, types
from streamsrv.core.effects import (
    ClearPlayback,
    Generate,
    HoldPlayback,
    OpenRecognition,
    RecordTurn,
    ResumePlayback,
    SetTimer,
    Synthesize,
)
from streamsrv.core.inputs import PlaybackEnded, PlaybackReported, TranscriptReceived
from streamsrv.core.timers import MicrophoneTimeout, SpeechDue
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.llm.base import Finished

SEMANTIC = {"input": {"turn_detection": {"type": "semantic_vad"}}}
CONTROLS = (HoldPlayback, ResumePlayback, ClearPlayback)


def answering(*, holds_playback: bool = True, **session: object) -> Talk:
    """An answer of 4.1 s, 100 ms a character, has been sent; nothing of it was reported yet."""
    talk = Talk(holds_playback=holds_playback)
    talk.update(audio=SEMANTIC, **session)
    talk.speech()
    talk.silence(1600)
    talk.transcript("Count.")
    talk.silence(1056)  # longer than a pause inside a turn
    talk.model("One two three four. Five six seven eight.", Finished("stop"))
    talk.synthesize(ms_per_character=100)
    return talk


def item_of(talk: Talk) -> str:
    return event(talk.all, "response.output_item.added")["item"]["id"]


def report(talk: Talk, audio_ms: int) -> list:
    return talk.give(PlaybackReported(item_of(talk), audio_ms))


def hear(talk: Talk, text: str) -> list:
    """All words of a pause, and the frame after them."""
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    return [
        *talk.give(TranscriptReceived(item_id, Transcript("", text, language="en", at_pause=True))),
        *talk.silence(32),
    ]


def controls(effects: list) -> list[type]:
    return [type(effect) for effect in effects if isinstance(effect, CONTROLS)]


def context(talk: Talk) -> str:
    """What the model is shown of the first answer when the user goes on."""
    return next((m.content for m in of_type(talk.all, Generate)[-1].messages if m.role == "assistant"), "")


def test_playback_is_reported_from_its_first_sample_to_its_last():
    talk = answering()
    assert types(report(talk, 1)) == ["output_audio_buffer.started"]
    assert types(report(talk, 2000)) == []
    ended = talk.give(PlaybackEnded(item_of(talk), 4100))
    assert types(ended) == ["output_audio_buffer.stopped"]
    assert (
        event(ended, "output_audio_buffer.stopped")["response_id"]
        == event(talk.all, "response.created")["response"]["id"]
    )


def test_possible_interruptions_hold_the_answer_and_backchannels_let_it_go_on():
    talk = answering()
    report(talk, 1000)
    assert controls(talk.speech(320)) == [HoldPlayback]
    assert controls([*talk.silence(128), *hear(talk, "Mhm.")]) == [ResumePlayback]
    talk.now_ms += 2800
    assert controls(talk.speech(96)) == [HoldPlayback], "by the time it was held it plays on longer"


def test_the_first_frame_of_speech_holds_the_answer_and_a_click_lets_it_go_on():
    talk = answering()
    report(talk, 1000)
    assert controls(talk.speech(32)) == [HoldPlayback]
    assert controls(talk.silence(32)) == [ResumePlayback]
    assert types(talk.silence(640)) == []


def test_a_reply_does_not_stutter_from_clicks():
    talk = answering()
    report(talk, 1)
    for _ in range(5):
        talk.speech(32)
        talk.silence(320)
    assert controls(talk.all) == 3 * [HoldPlayback, ResumePlayback]


def test_a_reply_does_not_stutter_from_sounds_that_go_on_after_the_hold():
    """In a telephone call, so does an echo, for as long as the network takes to fall silent."""
    talk = answering()
    report(talk, 1)
    for _ in range(5):
        talk.now_ms += 300
        talk.speech(640)
        talk.silence(128)
        hear(talk, "Mhm.")
        talk.silence(640)
    assert controls(talk.all) == 3 * [HoldPlayback, ResumePlayback]


def test_a_microphone_that_falls_silent_after_a_click_lets_the_answer_go_on():
    talk = answering()
    report(talk, 1000)
    talk.speech(32)
    talk.now_ms += 2000
    assert controls(talk.fire(MicrophoneTimeout())) == [ResumePlayback]
    talk.now_ms += 2000
    assert talk.fire(MicrophoneTimeout()) == []


def test_a_client_that_clears_the_buffer_after_a_click_lets_the_answer_go_on():
    talk = answering()
    report(talk, 1000)
    talk.speech(32)
    assert controls(talk.client('{"type": "input_audio_buffer.clear"}')) == [ResumePlayback]


def test_real_interruptions_clear_what_was_held_and_the_context_is_what_was_played():
    talk = answering()
    report(talk, 1)
    report(talk, 700)
    talk.speech(320)
    talk.silence(128)
    cleared = hear(talk, "Stop it.")
    assert controls(cleared) == [ClearPlayback]
    assert types(cleared) == ["input_audio_buffer.speech_started", "output_audio_buffer.cleared"]
    ended = talk.give(PlaybackEnded(item_of(talk), 1400))
    assert types(ended) == ["conversation.item.truncated"]
    assert event(ended, "conversation.item.truncated")["audio_end_ms"] == 1400
    talk.silence(1600)
    talk.transcript("Stop it.")
    assert context(talk) == "One two three"


def test_a_report_that_was_on_its_way_when_playback_was_cleared_starts_nothing():
    talk = answering()
    talk.speech(1100)
    assert types(report(talk, 1100)) == []


def test_an_echo_is_known_by_its_end():
    talk = answering()
    report(talk, 500)
    talk.speech(256)
    assert controls([*talk.silence(96), *hear(talk, "This took"), *talk.silence(192)]) == [ResumePlayback]
    talk.speech(576)
    assert controls([*talk.silence(96), *hear(talk, "This took")]) == [ClearPlayback], "it outlasts the hold"


def test_a_reply_does_not_stutter_from_its_own_echo():
    talk = answering()
    report(talk, 1)
    for _ in range(5):
        talk.speech(128)
        talk.silence(96)
        hear(talk, "This took")
        talk.silence(256)
    assert controls(talk.all).count(HoldPlayback) == 3


def test_server_vad_does_not_hold():
    talk = answering()
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})
    report(talk, 500)
    assert controls(talk.speech(96)) == [ClearPlayback]


def test_what_may_not_be_interrupted_is_not_held():
    talk = answering()
    talk.update(audio={"input": {"turn_detection": {"type": "semantic_vad", "interrupt_response": False}}})
    report(talk, 500)
    talk.speech(320)
    talk.silence(128)
    hear(talk, "Stop it.")
    assert controls(talk.all) == []


@pytest.mark.parametrize("client", ['{"type": "input_audio_buffer.clear"}', '{"type": "input_audio_buffer.commit"}'])
def test_a_buffer_that_is_taken_away_holds_nothing(client: str):
    talk = answering()
    report(talk, 500)
    talk.speech(320)
    assert controls(talk.client(client)) == [ResumePlayback]


def test_turning_turn_detection_off_holds_nothing():
    talk = answering()
    report(talk, 500)
    talk.speech(320)
    assert controls(talk.update(audio={"input": {"turn_detection": None}})) == [ResumePlayback]


def test_the_client_can_clear_the_output():
    talk = answering()
    report(talk, 500)
    cleared = talk.client('{"type": "output_audio_buffer.clear"}')
    assert controls(cleared) == [ClearPlayback]
    assert types(cleared) == ["output_audio_buffer.cleared"]


def test_clearing_the_output_ends_an_answer_that_goes_on():
    talk = Talk(holds_playback=True)
    talk.says("Count.")
    talk.model("One two three four.")
    talk.synthesize()
    report(talk, 100)
    cleared = talk.client('{"type": "output_audio_buffer.clear"}')
    assert event(cleared, "response.done")["response"]["status_details"]["reason"] == "client_cancelled"


def test_a_websocket_client_has_no_output_buffer_here():
    assert error(answering(holds_playback=False).client('{"type": "output_audio_buffer.clear"}'))["param"] == "type"


def client_report(talk: Talk, audio_ms: int, ended: str = "false") -> list:
    text = '{"type": "streamsrv.playback.report", "item_id": "%s", "audio_ms": %d, "ended": %s}'
    return talk.client(text % (item_of(talk), audio_ms, ended))


def test_a_client_that_holds_playback_gets_events():
    talk = answering(holds_playback=False, streamsrv={"events": ["playback.hold"]})
    client_report(talk, 700)
    assert types(talk.speech(320)) == ["streamsrv.playback.hold"]
    assert types([*talk.silence(128), *hear(talk, "Mhm.")]) == ["streamsrv.playback.resume"]
    talk.speech(320)
    talk.silence(128)
    assert types(hear(talk, "Stop it."))[:2] == ["input_audio_buffer.speech_started", "streamsrv.playback.clear"]
    assert types(client_report(talk, 800, "true")) == ["conversation.item.truncated"]
    talk.silence(1600)
    talk.transcript("Stop it.")
    assert context(talk) == "One two"


def test_a_stock_client_is_never_told_to_hold():
    talk = answering(holds_playback=False)
    talk.speech(320)
    assert not [name for name in types(talk.all) if name.startswith(("streamsrv.", "output_audio_buffer."))]


def test_a_report_of_something_else_changes_nothing():
    talk = answering()
    assert talk.give(PlaybackReported("item_99", 5)) == []
    assert talk.give(PlaybackEnded("item_99", 5)) == []


def test_the_first_sound_played_is_the_last_stage_of_a_turn():
    talk = answering()
    assert not of_type(talk.all, RecordTurn)
    talk.now_ms += 80
    [recorded] = of_type(report(talk, 1), RecordTurn)
    assert recorded.latencies_ms["first_played_ms"] == recorded.latencies_ms["first_audio_ms"] + 80
    assert not of_type(report(talk, 200), RecordTurn)


def test_a_turn_whose_answer_is_never_played_is_recorded_when_it_is_interrupted():
    talk = answering()
    [recorded] = of_type(talk.speech(1100), RecordTurn)
    assert "first_played_ms" not in recorded.latencies_ms


SENTENCE = "This sentence has some words, and takes its time. "


def test_speech_is_made_a_bounded_time_ahead():
    talk = Talk()
    talk.says("Tell me more.")
    talk.model(SENTENCE * 6, Finished("stop"))
    talk.synthesize(ms_per_character=100)
    made = len(of_type(talk.all, Synthesize))
    sent_ms = sum(len(effect.text) * 100 for effect in of_type(talk.all, Synthesize))
    assert 10_000 < sent_ms < 20_000
    assert "response.done" not in types(talk.all)
    [timer] = [effect for effect in talk.all if isinstance(effect, SetTimer) and isinstance(effect.key, SpeechDue)]
    talk.now_ms += timer.delay_ms
    talk.fire(timer.key)
    assert len(of_type(talk.all, Synthesize)) == made + 1


def test_speech_that_waits_to_be_made_is_forgotten_with_its_response():
    talk = Talk()
    talk.says("Tell me more.")
    talk.model(SENTENCE * 6, Finished("stop"))
    talk.synthesize(ms_per_character=100)
    made = len(of_type(talk.all, Synthesize))
    talk.client('{"type": "response.cancel"}')
    talk.fire(SpeechDue(talk.generation))
    assert len(of_type(talk.all, Synthesize)) == made


def test_words_are_timed_for_clients_that_request_it():
    talk = answering(streamsrv={"events": ["words.timed"]})
    timed = [sent for sent in events(talk.all) if sent["type"] == "streamsrv.words.timed"]
    words = [word for sent in timed for word in sent["words"]]
    assert " ".join(word["word"] for word in words) == "One two three four. Five six seven eight."
    assert words[0]["start_ms"] == 0
    assert words[-1]["end_ms"] == 4000
    assert all(word["start_ms"] < word["end_ms"] for word in words)
    assert "streamsrv.words.timed" not in types(answering().all)
