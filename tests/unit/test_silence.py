"""Trimming the silence around a segment's audio."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamsrv.engines.tts.silence import SilenceTrimmer, pause_after_ms

RATE = 1000  # a sample is a millisecond


def silence(ms: int) -> NDArray[np.int16]:
    return np.full(ms, 100, np.int16)


def sound(ms: int) -> NDArray[np.int16]:
    return np.full(ms, -5000, np.int16)


def trim(*chunks: NDArray[np.int16]) -> NDArray[np.int16]:
    trimmer = SilenceTrimmer(RATE, keep_head_ms=20, keep_tail_ms=50)
    return np.concatenate([*map(trimmer.feed, chunks), trimmer.finish()])


def joined(*parts: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.concatenate(parts)


def test_silence_at_both_ends_is_cut() -> None:
    trimmed = trim(joined(silence(300), sound(100), silence(400)))
    np.testing.assert_array_equal(trimmed, joined(silence(20), sound(100), silence(50)))


def test_a_pause_inside_stays() -> None:
    speech = joined(sound(100), silence(700), sound(50))
    np.testing.assert_array_equal(trim(speech), speech)


def test_less_silence_than_may_stay_stays() -> None:
    speech = joined(silence(10), sound(100), silence(30))
    np.testing.assert_array_equal(trim(speech), speech)


def test_silence_alone_gives_nothing() -> None:
    assert trim(silence(500), silence(10)).size == 0
    assert trim().size == 0


def test_a_quiet_onset_is_heard_when_it_follows_in_the_next_chunk() -> None:
    np.testing.assert_array_equal(
        trim(silence(15), silence(3), joined(silence(7), sound(9)))[:21], joined(silence(20), sound(1))
    )


def test_speech_is_handed_out_at_once_and_without_copying() -> None:
    chunk = joined(silence(100), sound(50), silence(10))
    speech = SilenceTrimmer(RATE, keep_head_ms=20).feed(chunk)
    assert speech.size == 70
    assert np.shares_memory(speech, chunk)


def test_the_loudest_negative_sample_is_sound() -> None:
    assert trim(np.array([-32768], np.int16)).size == 1


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 80)), max_size=8),
    st.lists(st.integers(0, 400), max_size=8),
)
def test_the_result_does_not_depend_on_the_chunks(parts: list[tuple[bool, int]], cuts: list[int]) -> None:
    audio = joined(np.empty(0, np.int16), *(sound(ms) if is_loud else silence(ms) for is_loud, ms in parts))
    np.testing.assert_array_equal(trim(*np.split(audio, sorted(min(cut, audio.size) for cut in cuts))), trim(audio))


@pytest.mark.parametrize(
    ("longer", "shorter"),
    [("It ends.", "a clause,"), ("“Really?” ", "so:"), ("a clause;", "in the middle"), ("。", "、")],
)
def test_the_pause_follows_the_text(longer: str, shorter: str) -> None:
    assert pause_after_ms(longer) > pause_after_ms(shorter)
