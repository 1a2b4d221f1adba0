"""Speech that is held until a pause, and how long a recogniser is expected to take for it. Pure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.asr.pause_gate import Frame, HeldSpeech, Pace


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans())))
def test_held_speech_is_given_away_once_in_order_and_whole(pieces):
    held = HeldSpeech()
    given_away: list[Frame] = []
    pushed: list[Frame] = []
    for ms, speech in pieces:
        pushed.append(Frame(np.zeros(ms * 16, np.int16), speech))
        held.push(pushed[-1])
        if held.is_complete:
            given_away += held.take()
            assert held.speech_ms == 0
            assert not given_away[-1].speech
    assert [id(frame) for frame in given_away + held.take()] == [id(frame) for frame in pushed]


def test_a_pause_goes_on_when_speech_was_given_away():
    held = HeldSpeech()
    held.push(Frame(np.zeros(1600, np.int16), True))
    held.push(Frame(np.zeros(1600, np.int16), False))
    held.take()
    held.push(Frame(np.zeros(1600, np.int16), False))
    assert (held.pause_ms, held.speech_ms, held.length_ms) == (200, 0, 100)


def test_an_unknown_pace_refuses_nothing():
    assert Pace().expected_ms(5000) == 0


def test_a_pace_grows_with_the_speech_up_to_a_bound():
    pace = Pace()
    pace.measured(2000, 300)
    assert pace.expected_ms(2000) == pytest.approx(300)
    assert pace.expected_ms(8000) == pytest.approx(600)
    assert pace.expected_ms(100_000) == pace.expected_ms(Pace.MAX_MS)


@given(st.lists(st.floats(100, 300), min_size=1))
def test_a_pace_stays_within_what_was_measured(measurements):
    pace = Pace()
    for took_ms in measurements:
        pace.measured(1000, took_ms)
    assert min(measurements) - 1e-6 <= pace.expected_ms(1000) <= max(measurements) + 1e-6
