"""The recognition window: silence is left out, decodes are due at the right moments, memory is bounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.asr.windows.window import RecognitionWindow, Span, WindowLimits, WindowSnapshot

LIMITS = WindowLimits()
FRAME_MS = 32


def push(window: RecognitionWindow, *stretches: tuple[bool, int], loudness: int = 1000) -> None:
    """Push stretches of (speech, ms) in frames of 32 ms; speech has the value `loudness`, silence is 0."""
    for speech, ms in stretches:
        pcm = np.full(ms * 16, loudness if speech else 0, np.int16)
        for start in range(0, len(pcm), FRAME_MS * 16):
            window.push(pcm[start : start + FRAME_MS * 16], speech=speech)


def speech(ms: int) -> tuple[bool, int]:
    return True, ms


def silence(ms: int) -> tuple[bool, int]:
    return False, ms


def decode(window: RecognitionWindow) -> WindowSnapshot:
    snapshot = window.take()
    window.accept(snapshot)
    return snapshot


@pytest.fixture
def window() -> RecognitionWindow:
    return RecognitionWindow(LIMITS)


def test_silence_is_never_decoded_nor_kept(window):
    push(window, silence(60_000))
    assert (window.due, window.settled, window.length_ms) == (False, True, 0)


def test_a_click_is_not_decoded(window):
    push(window, silence(500), speech(64), silence(500))
    assert not window.due
    assert window.settled


def test_a_little_silence_is_kept_before_speech(window):
    push(window, silence(3000), speech(512))
    assert window.length_ms == LIMITS.lead_ms + 512


def test_a_long_pause_is_shortened(window):
    push(window, speech(512), silence(5000), speech(512))
    assert window.length_ms == 512 + LIMITS.trail_ms + LIMITS.lead_ms + 512


def test_a_short_pause_is_kept_whole(window):
    push(window, speech(512), silence(256), speech(512))
    assert window.length_ms == 512 + 256 + 512


def test_a_decode_is_due_after_enough_speech(window):
    push(window, speech(480))
    assert not window.due
    push(window, speech(32))
    assert window.due


def test_the_next_decode_is_due_after_as_much_new_speech(window):
    push(window, speech(512))
    window.take()
    push(window, speech(480))
    assert not window.due
    push(window, speech(32))
    assert window.due


def test_a_longer_window_waits_for_more_speech(window):
    push(window, speech(8000))
    window.take()
    push(window, speech(992))
    assert not window.due
    push(window, speech(160))
    assert window.due


def test_a_pause_makes_a_decode_due_at_once(window):
    push(window, speech(200), silence(32))
    assert not window.due
    push(window, silence(32))
    assert window.due
    assert window.take().ends_in_pause


def test_after_the_decode_in_a_pause_nothing_is_left_to_do(window):
    push(window, speech(1000), silence(96))
    decode(window)
    push(window, silence(5000))
    assert window.settled
    assert not window.due


def test_a_decode_taken_before_the_pause_is_repeated_in_it_but_would_do(window):
    push(window, speech(1024))
    snapshot = decode(window)
    assert not snapshot.ends_in_pause
    assert window.settled
    push(window, silence(96))
    assert window.due


def test_the_next_pause_makes_a_decode_due_again(window):
    push(window, speech(512), silence(512))
    decode(window)
    push(window, speech(192), silence(96))
    assert window.due


def test_an_empty_frame_changes_nothing(window):
    push(window, speech(512), silence(96))
    decode(window)
    window.push(np.zeros(0, np.int16), speech=True)
    push(window, silence(32))
    assert not window.due
    assert window.spans() == (Span(0, 512),)


def test_spans_are_where_speech_was_in_the_stream(window):
    push(window, silence(992), speech(512), silence(3200), speech(256), silence(64), speech(96))
    assert window.spans() == (Span(992, 1504), Span(4704, 4960), Span(5024, 5120))


def test_new_speech_is_not_settled(window):
    push(window, speech(1000), silence(96))
    snapshot = decode(window)
    push(window, speech(32))
    assert not window.settled
    assert not window.would_settle(snapshot)


def test_a_long_window_is_final_at_a_pause(window):
    push(window, silence(1000), speech(LIMITS.freeze_ms), silence(288))
    decode(window)
    assert not window.is_final
    push(window, silence(32))
    assert window.is_final
    assert window.drop() == (Span(1000, 1000 + LIMITS.freeze_ms),)
    assert window.settled
    assert window.length_ms <= LIMITS.trail_ms


def test_a_short_window_waits_for_more(window):
    push(window, speech(3000), silence(2000))
    decode(window)
    assert not window.is_final


def test_a_decode_taken_before_the_pause_is_not_final_in_it(window):
    push(window, speech(LIMITS.freeze_ms))
    decode(window)
    push(window, silence(1000))
    assert window.due
    assert not window.is_final


def test_text_is_not_final_when_newer_speech_follows(window):
    push(window, speech(LIMITS.freeze_ms), silence(128))
    decode(window)
    push(window, speech(32), silence(1000))
    assert not window.is_final


def test_speech_without_a_pause_is_cut_where_it_is_quietest(window):
    push(window, speech(8000))
    push(window, speech(320), loudness=10)
    push(window, speech(4000))
    snapshot = decode(window)
    assert snapshot.is_head
    assert not window.would_settle(snapshot)
    assert 8000 <= len(snapshot.samples) / 16 <= 8320
    assert window.is_final
    (head,), (tail,) = window.drop(), window.spans()
    assert (head.start_ms, tail.end_ms) == (0, 12_320)
    assert head.end_ms == tail.start_ms == len(snapshot.samples) // 16


def test_the_tail_of_a_cut_counts_as_new_speech(window):
    push(window, speech(12_500))
    decode(window)
    window.drop()
    assert window.due
    assert not window.settled


def test_a_decoder_with_short_windows_gets_short_snapshots():
    window = RecognitionWindow(LIMITS.within(5000))
    push(window, speech(7000))
    assert len(window.take().samples) <= 5000 * 16


STRETCHES = st.lists(st.tuples(st.booleans(), st.integers(1, 40).map(lambda frames: frames * FRAME_MS)), max_size=60)


@given(STRETCHES, st.lists(st.integers(0, 5000), min_size=1))
def test_how_audio_is_split_does_not_matter(stretches, sizes):
    whole, split = RecognitionWindow(LIMITS), RecognitionWindow(LIMITS)
    for speech, ms in stretches:
        pcm = np.full(ms * 16, 1000 if speech else 0, np.int16)
        whole.push(pcm, speech=speech)
        for size in [*sizes, len(pcm)]:
            split.push(pcm[:size], speech=speech)
            pcm = pcm[size:]
    assert np.array_equal(whole.take().samples, split.take().samples)
    assert whole.spans() == split.spans()
    assert whole.due == split.due


@given(STRETCHES)
def test_all_speech_is_decoded_once_in_order_and_memory_is_bounded(stretches):
    """Speech is numbered by frame; the parts that were dropped, and the rest, hold all of it in order."""
    window = RecognitionWindow(LIMITS)
    heard: list[int] = []
    snapshot = window.take()
    frame = 0
    for speech, ms in stretches:
        for _ in range(ms // FRAME_MS):
            frame += speech
            window.push(np.full(FRAME_MS * 16, frame if speech else 0, np.int16), speech=speech)
            while window.due or window.is_final:
                if window.due:
                    snapshot = decode(window)
                    assert len(snapshot.samples) <= LIMITS.max_ms * 16
                if window.is_final:
                    heard += loud(snapshot)
                    window.drop()
            assert window.length_ms <= LIMITS.max_ms
    heard += loud(window.take())
    assert sorted(set(heard)) == list(range(1, frame + 1))
    assert heard == sorted(heard)
    assert len(heard) == frame * FRAME_MS * 16


def loud(snapshot: WindowSnapshot) -> list[int]:
    return snapshot.samples[snapshot.samples > 0].tolist()


@pytest.mark.parametrize(
    ("stretches", "cuts_ms"),
    [
        ([speech(1600), silence(320), speech(1600)], [1760]),
        ([speech(1600), silence(96), speech(1600)], []),
        ([speech(640), silence(320), speech(1600)], []),
        ([speech(1600), silence(320), speech(640)], []),
        ([speech(640), silence(320), speech(640), silence(320), speech(1600)], [1760]),
        ([speech(1600), silence(320), speech(1600), silence(320), speech(1600)], [1760, 3680]),
    ],
)
def test_a_snapshot_can_be_cut_in_its_pauses_into_parts_of_a_second_or_more(window, stretches, cuts_ms):
    push(window, *stretches)
    assert [cut // 16 for cut in window.take().pauses] == cuts_ms
