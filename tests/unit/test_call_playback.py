"""What a simulated caller hears: audio in real time, marks when they have passed, silence in between."""

import numpy as np
import pytest

from streamsrv.calling.playback import MAX_WAITING_S, Overfilled, Playback

RATE = 1000


def pcm(length: int, value: int = 1) -> np.ndarray:
    return np.full(length, value, np.int16)


def playback(*, clear_passes_marks: bool = True) -> Playback:
    return Playback(RATE, clear_passes_marks=clear_passes_marks)


def test_audio_is_played_in_real_time_after_the_silence_before_it():
    line = playback()
    line.advance(100)
    line.play(pcm(50, 1))
    line.play(pcm(50, 2))
    line.advance(175)
    assert (line.played, line.waiting) == (75, 25)
    assert line.heard(0, 175).tolist() == [0] * 100 + [1] * 50 + [2] * 25
    assert line.heard(140, 160).tolist() == [1] * 10 + [2] * 10


def test_a_mark_passes_when_all_audio_before_it_was_played():
    line = playback()
    line.play(pcm(20))
    assert line.mark("first") == []
    line.play(pcm(20))
    line.mark("second")
    assert line.advance(19) == []
    assert line.advance(20) == ["first"]
    assert line.advance(1000) == ["second"]


def test_a_mark_without_audio_before_it_passes_at_once():
    assert playback().mark("now") == ["now"]


@pytest.mark.parametrize(("passes", "marks"), [(True, ["a", "b"]), (False, [])])
def test_clear_drops_what_was_not_played(passes: bool, marks: list[str]):
    line = playback(clear_passes_marks=passes)
    line.play(pcm(100))
    line.mark("a")
    line.mark("b")
    line.advance(30)
    assert line.clear() == marks
    line.advance(200)
    assert (line.played, line.dropped, line.waiting) == (30, 70, 0)
    assert line.heard(0, 200).tolist() == [1] * 30 + [0] * 170


def test_audio_that_comes_late_is_played_when_it_comes():
    line = playback()
    line.play(pcm(10))
    line.advance(50)
    line.play(pcm(10))
    line.advance(60)
    assert line.heard(0, 60).tolist() == [1] * 10 + [0] * 40 + [1] * 10


def test_more_audio_than_a_network_keeps_is_refused():
    line = playback()
    line.play(pcm(MAX_WAITING_S * RATE))
    with pytest.raises(Overfilled, match="600 s"):
        line.play(pcm(1))
