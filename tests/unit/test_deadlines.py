"""When a recogniser is too late. Pure: the time is a number."""

import math

import pytest

from streamsrv.engines.asr.failover.deadlines import Deadlines


def live(deadlines: Deadlines, seconds: float, now_s: float, *, speech: bool = True) -> float:
    """Push audio at the speed of speech; return the time after it."""
    for _ in range(round(seconds * 10)):
        now_s += 0.1
        deadlines.push(0.1, now_s - 0.1, speech=speech)
    return now_s


def test_nothing_is_due_before_the_end_of_the_audio_without_a_deadline_for_stalls():
    deadlines = Deadlines(15.0, None)
    live(deadlines, 600, 0.0)
    assert deadlines.due_s == math.inf


def test_the_final_transcript_is_due_after_the_end_of_the_audio():
    deadlines = Deadlines(15.0, None)
    now_s = live(deadlines, 10, 100.0)
    deadlines.finish(now_s)
    assert deadlines.due_s == pytest.approx(now_s + 15)
    deadlines.answer(now_s + 10)
    assert deadlines.due_s == pytest.approx(now_s + 15)  # live audio: progress does not prolong the wait


def test_audio_that_comes_at_once_is_given_its_length():
    deadlines = Deadlines(15.0, None)
    deadlines.push(60.0, 100.0, speech=True)
    deadlines.finish(100.0)
    assert deadlines.due_s == 175.0


def test_progress_gives_audio_that_came_at_once_more_time_up_to_a_bound():
    deadlines = Deadlines(15.0, None)
    deadlines.push(60.0, 100.0, speech=True)
    deadlines.finish(100.0)
    deadlines.answer(110.0)
    assert deadlines.due_s == 175.0
    deadlines.answer(170.0)
    assert deadlines.due_s == 185.0
    deadlines.answer(1000.0)
    assert deadlines.due_s == 100.0 + 4 * 60 + 15


def test_a_stall_is_measured_in_speech():
    deadlines = Deadlines(15.0, 3.0)
    now_s = live(deadlines, 2.9, 0.0)
    now_s = live(deadlines, 60, now_s, speech=False)
    assert deadlines.due_s == math.inf
    now_s = live(deadlines, 0.2, now_s)
    assert deadlines.due_s == pytest.approx(now_s, abs=0.2)
    deadlines.answer(now_s)
    assert deadlines.due_s == math.inf
    now_s = live(deadlines, 3.1, now_s)
    assert deadlines.due_s == pytest.approx(now_s, abs=0.2)


def test_speech_that_comes_at_once_stalls_no_earlier_than_it_could_be_spoken():
    deadlines = Deadlines(15.0, 3.0)
    for _ in range(100):
        deadlines.push(0.1, 50.0, speech=True)
    assert deadlines.due_s == pytest.approx(53.0)
    deadlines.finish(50.0)
    assert deadlines.due_s == pytest.approx(53.0)
    deadlines.answer(52.0)
    assert deadlines.due_s == pytest.approx(75.0)
