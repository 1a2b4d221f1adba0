"""`idle_timeout_ms`: when a silent user is asked whether they are there, and which silence is committed for it."""

import pytest

from harness import Talk, event, of_type, types
from streamsrv.core.effects import SetTimer
from streamsrv.core.inputs import AudioAppended, PlaybackReported
from streamsrv.core.timers import IdleTimeout
from streamsrv.engines.llm.base import Finished
from streamsrv.protocol.session_object import Audio, AudioInput, ServerVad, Transcription

TRIGGERED = "input_audio_buffer.timeout_triggered"
REPLY_MS = 4000


def asked(**session: object) -> Talk:
    """The user spoke for 1.6 s; the answer of 4 s was sent at once."""
    audio = AudioInput(transcription=Transcription(), turn_detection=ServerVad(idle_timeout_ms=5000))
    talk = Talk(audio=Audio(input=audio), **session)
    talk.says("Hello.")
    talk.silence(1056)  # longer than a pause inside a turn
    talk.answers(f"{79 * 'a'}.")
    return talk


def idle_ms(talk: Talk) -> int:
    return [timer for timer in of_type(talk.all, SetTimer) if timer.key == IdleTimeout()][-1].delay_ms


def silence(talk: Talk, duration_ms: int, piece_ms: int = 20) -> None:
    """Silence that is sent when it was recorded; no frame of it matters here."""
    for _ in range(duration_ms // piece_ms):
        talk.now_ms += piece_ms
        talk.heard_ms += piece_ms
        talk.give(AudioAppended(talk.heard_ms))


@pytest.mark.parametrize("piece_ms", [20, 100, 1000, 3000, 9000])
def test_the_silence_begins_where_the_reply_was_played_to_its_end(piece_ms: int):
    talk = asked()
    ended_ms = talk.heard_ms + REPLY_MS
    assert idle_ms(talk) == REPLY_MS + 5000
    silence(talk, 9000, piece_ms)
    fired = talk.fire(IdleTimeout())
    assert types(fired)[:2] == [TRIGGERED, "input_audio_buffer.committed"]
    told = event(fired, TRIGGERED)
    assert (told["audio_start_ms"], told["audio_end_ms"]) == (ended_ms, ended_ms + 5000)
    completed = event(fired, "conversation.item.input_audio_transcription.completed")
    assert completed["usage"]["seconds"] == 5, "the item holds no more than the silence"


def test_a_microphone_that_sent_nothing_since_has_no_silence():
    talk = asked()
    silence(talk, 1000)
    talk.now_ms += 8000
    told = event(talk.fire(IdleTimeout()), TRIGGERED)
    assert (told["audio_start_ms"], told["audio_end_ms"]) == (talk.heard_ms, talk.heard_ms)


def test_a_microphone_that_was_muted_while_the_reply_ended_has_the_silence_after_it():
    talk = asked()
    silence(talk, 1000)
    before_ms = talk.heard_ms
    talk.now_ms += 6000
    silence(talk, 2000)
    told = event(talk.fire(IdleTimeout()), TRIGGERED)
    assert (told["audio_start_ms"], told["audio_end_ms"]) == (before_ms, before_ms + 2000)


def test_a_written_reply_ends_when_it_was_written():
    talk = Talk(output_modalities=["text"])
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}})
    silence(talk, 3000)
    talk.send("response.create")
    talk.model("Hi.", Finished("stop"))
    silence(talk, 5000)
    told = event(talk.fire(IdleTimeout()), TRIGGERED)
    assert (told["audio_start_ms"], told["audio_end_ms"]) == (3000, 8000)


def test_each_prompt_has_the_silence_since_the_prompt_before():
    talk = asked()
    silence(talk, 9000)
    talk.fire(IdleTimeout())
    talk.answers(f"{19 * 'b'}.")
    ended_ms = talk.heard_ms + 1000
    silence(talk, 6000)
    told = event(talk.fire(IdleTimeout()), TRIGGERED)
    assert (told["audio_start_ms"], told["audio_end_ms"]) == (ended_ms, ended_ms + 5000)


def test_after_a_noise_the_silence_begins_behind_it():
    talk = asked()
    silence(talk, REPLY_MS)
    noise = [*talk.speech(96), *talk.silence(640)]
    stopped_ms = event(noise, "input_audio_buffer.speech_stopped")["audio_end_ms"]
    assert of_type(talk.transcript(""), SetTimer)[-1] == SetTimer(IdleTimeout(), 5000)
    silence(talk, 5000)
    assert event(talk.fire(IdleTimeout()), TRIGGERED)["audio_start_ms"] >= stopped_ms


def test_a_reply_that_is_played_later_than_expected_is_waited_for():
    talk = asked(holds_playback=True)
    item_id = event(talk.all, "response.output_item.added")["item"]["id"]
    silence(talk, 3000)
    talk.give(PlaybackReported(item_id, 1000))
    silence(talk, 6000)
    assert talk.fire(IdleTimeout()) == [SetTimer(IdleTimeout(), 2000)], "it was over 3 s ago"
    silence(talk, 2000)
    told = event(talk.fire(IdleTimeout()), TRIGGERED)
    assert told["audio_end_ms"] - told["audio_start_ms"] == 5000
