"""When a microphone counts as muted, by the pace at which its audio comes."""

import pytest

from harness import Talk, event, events, of_type, types
from streamsrv.core.effects import SetTimer
from streamsrv.core.inputs import AudioAppended, FrameHeard
from streamsrv.core.timers import MicrophoneTimeout
from streamsrv.core.turns.microphone import MAX_LEAD_MS, MUTED_MS, Microphone


def paced(piece_ms: int, pieces: int = 10) -> Microphone:
    """Pieces that were sent when they had been recorded, the last one at `pieces * piece_ms`."""
    microphone = Microphone(is_call=False)
    for piece in range(1, pieces + 1):
        microphone.receive(piece * piece_ms, piece * piece_ms)
    return microphone


@pytest.mark.parametrize("piece_ms", [20, 100, 1500, 2000, 5000, 30_000])
def test_silence_counts_from_when_the_next_piece_is_due(piece_ms: int):
    microphone, last_ms = paced(piece_ms), 10 * piece_ms
    assert microphone.muted_in_ms(last_ms + piece_ms) == MUTED_MS
    assert microphone.muted_in_ms(last_ms + piece_ms + MUTED_MS - 1) == 1
    assert microphone.muted_in_ms(last_ms + piece_ms + MUTED_MS) == 0


def test_pieces_that_come_together_are_as_one():
    microphone = Microphone(is_call=False)
    for burst_ms in (3000, 6000, 9000):
        for piece in range(30):
            microphone.receive(burst_ms - 3000 + 100 * (piece + 1), burst_ms)
    assert microphone.muted_in_ms(9000) == 3000 + MUTED_MS


def test_a_recording_that_is_sent_at_once_is_not_waited_for_as_long_as_it_lasts():
    microphone = Microphone(is_call=False)
    for piece in range(1, 601):
        microphone.receive(piece * 100, 0)
    assert microphone.muted_in_ms(0) == MAX_LEAD_MS + MUTED_MS


def test_audio_after_a_mute_counts_from_when_it_comes():
    microphone = paced(20)
    microphone.receive(220, 60_000)
    assert microphone.muted_in_ms(60_000) == 20 + MUTED_MS


def test_a_call_whose_packets_stop_is_muted_sooner():
    call = Microphone(is_call=True)
    call.receive(20, 20)
    assert call.muted_in_ms(20) < MUTED_MS
    assert call.muted_in_ms(20) > 400, "packets of silence come every 400 ms"


def append(talk: Talk, probabilities: list[float], *, rest_ms: int = 0) -> list:
    """One append of frames, sent when it had been recorded; `rest_ms` more do not fill a frame."""
    until_ms = talk.heard_ms
    talk.now_ms += 32 * len(probabilities) + rest_ms
    effects = talk.give(AudioAppended(until_ms + 32 * len(probabilities) + rest_ms))
    for probability in probabilities:
        talk.heard_ms += 32
        effects += talk.give(FrameHeard(probability, talk.heard_ms))
    return effects


def test_a_turn_goes_on_between_long_appends():
    talk = Talk()
    append(talk, 20 * [0.01] + 42 * [0.99])
    timer = [timer for timer in of_type(talk.all, SetTimer) if timer.key == MicrophoneTimeout()][-1]
    talk.now_ms += 1984  # the next append is a little late
    assert timer.delay_ms > 1984
    assert types(talk.fire(MicrophoneTimeout())) == []
    talk.now_ms -= 1984
    append(talk, 30 * [0.99] + 32 * [0.01])
    assert [sent["type"] for sent in events(talk.all) if "speech" in sent["type"]] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
    ]


@pytest.mark.parametrize("ending", ["mute", "commit", "clear"])
def test_a_turn_never_starts_before_the_audio_of_the_one_before_ended(ending: str):
    talk = Talk()
    append(talk, 20 * [0.99], rest_ms=30)
    if ending == "mute":
        talk.now_ms += 10_000
        talk.fire(MicrophoneTimeout())
    else:
        talk.send(f"input_audio_buffer.{ending}")
    stopped_ms = 20 * 32 + 30
    started = append(talk, 4 * [0.99])
    assert event(started, "input_audio_buffer.speech_started")["audio_start_ms"] == stopped_ms
