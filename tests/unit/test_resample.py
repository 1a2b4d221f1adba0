"""Streaming sample-rate conversion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streamsrv.audio.resample import StreamResampler

RATES = [(8000, 16000), (8000, 24000), (16000, 24000), (24000, 8000), (24000, 16000), (24000, 48000), (44100, 16000)]


def tone(frequency: int, rate: int) -> NDArray[np.int16]:
    """A second of a sine at -12 dBFS."""
    return np.rint(8192 * np.sin(2 * np.pi * frequency * np.arange(rate) / rate)).astype(np.int16)


def convert(pcm: NDArray[np.int16], from_rate: int, to_rate: int, chunk: int) -> NDArray[np.int16]:
    resampler = StreamResampler(from_rate, to_rate)
    chunks = [resampler.process(pcm[start : start + chunk]) for start in range(0, pcm.size, chunk)]
    return np.concatenate([*chunks, resampler.process(pcm[:0], last=True)])


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_a_tone_keeps_its_length_level_and_place(from_rate: int, to_rate: int) -> None:
    converted = convert(tone(300, from_rate), from_rate, to_rate, from_rate // 50)
    assert abs(converted.size - to_rate) <= 1
    inside = np.arange(to_rate // 10, to_rate * 9 // 10)
    turning = np.exp(-2j * np.pi * 300 * inside / to_rate)
    before, after = (np.mean(pcm[inside] * turning) for pcm in (tone(300, to_rate), converted))
    assert abs(after) == pytest.approx(abs(before), rel=0.01)
    shift_ms = np.angle(after / before) / (2 * np.pi * 300) * 1000
    assert abs(shift_ms) < 0.3


def test_what_the_lower_rate_cannot_hold_is_removed() -> None:
    converted = convert(tone(6000, 24000), 24000, 8000, 480)
    assert np.abs(converted[400:-400]).max() < 8


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_no_more_than_3_ms_are_held_back(from_rate: int, to_rate: int) -> None:
    resampler = StreamResampler(from_rate, to_rate)
    frame = tone(440, from_rate)[: from_rate // 50]
    held_back_ms = 0.0
    for _ in range(20):
        held_back_ms += 20 - resampler.process(frame).size * 1000 / to_rate
        assert held_back_ms <= 3


@given(st.integers(1, 700))
def test_the_chunks_do_not_matter(chunk: int) -> None:
    pcm = tone(440, 8000)[:2000]
    np.testing.assert_array_equal(convert(pcm, 8000, 16000, chunk), convert(pcm, 8000, 16000, 2000))


def test_equal_rates_pass_the_audio_through() -> None:
    pcm = tone(440, 16000)
    assert StreamResampler(16000, 16000).process(pcm, last=True) is pcm


def test_after_the_last_chunk_another_stream_can_follow() -> None:
    resampler = StreamResampler(24000, 16000)
    pcm = tone(440, 24000)
    first = resampler.process(pcm, last=True)
    np.testing.assert_array_equal(resampler.process(pcm, last=True), first)


def test_a_view_of_any_stride_is_taken() -> None:
    stereo = np.repeat(tone(440, 8000)[:, None], 2, axis=1)
    left = StreamResampler(8000, 16000).process(stereo[:, 0], last=True)
    np.testing.assert_array_equal(left, StreamResampler(8000, 16000).process(tone(440, 8000), last=True))
