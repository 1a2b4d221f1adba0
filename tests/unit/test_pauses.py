from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.asr.pauses import (
    MAX_FRAMES,
    ONSET_FRAMES,
    PADDING_FRAMES,
    PAUSE_FRAMES,
    FrameSpan,
    UtteranceCutter,
)


def cut(probabilities: Sequence[float]) -> list[FrameSpan]:
    cutter = UtteranceCutter()
    spans = [*map(cutter.hear, probabilities), cutter.finish()]
    return [span for span in spans if span is not None]


def speech(frames: int) -> list[float]:
    return [0.9] * frames


def silence(frames: int) -> list[float]:
    return [0.1] * frames


def test_an_utterance_has_padding_before_it_and_its_pause_after_it():
    assert cut(silence(50) + speech(20) + silence(50)) == [FrameSpan(50 - PADDING_FRAMES, 70 + PAUSE_FRAMES)]


def test_a_shorter_pause_does_not_cut():
    assert len(cut(speech(20) + silence(PAUSE_FRAMES - 1) + speech(20))) == 1
    assert len(cut(speech(20) + silence(PAUSE_FRAMES) + speech(20))) == 2


def test_padding_never_reaches_into_the_utterance_before():
    first, second = cut(speech(20) + silence(PAUSE_FRAMES + 3) + speech(20))
    assert second.start == first.end


def test_a_click_is_no_utterance():
    assert cut(silence(20) + speech(ONSET_FRAMES - 1) + silence(50)) == []


def test_speech_at_the_very_end_is_kept():
    assert cut(silence(50) + speech(5)) == [FrameSpan(40, 55)]


def test_silence_and_nothing_hold_no_utterance():
    assert cut([]) == []
    assert cut(silence(1000)) == []


def test_a_flutter_around_the_threshold_is_one_utterance():
    assert len(cut([0.6, 0.6] + [0.4] * 100)) == 1


def test_speech_without_a_pause_is_cut_where_it_is_quietest():
    quietest = MAX_FRAMES * 4 // 5
    probabilities = speech(2 * MAX_FRAMES)
    probabilities[quietest] = 0.6
    first, second, *_ = cut(probabilities)
    assert first == FrameSpan(0, quietest)
    assert second.start == quietest


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.4, 0.5, 1.0]), st.integers(1, 400)), max_size=20))
def test_utterances_are_ordered_short_and_miss_no_speech(runs: list[tuple[float, int]]):
    probabilities = [probability for probability, frames in runs for _ in range(frames)]
    spans = cut(probabilities)
    edges = [edge for span in spans for edge in (span.start, span.end)]
    assert edges == sorted(edges)
    assert all(0 < span.end - span.start <= MAX_FRAMES for span in spans)
    inside = {frame for span in spans for frame in range(span.start, span.end)}
    for frame in range(len(probabilities) - 1):
        if min(probabilities[frame : frame + 2]) >= 0.5:
            assert {frame, frame + 1} <= inside
