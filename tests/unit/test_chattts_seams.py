"""The joins of audio from a vocoder that decodes a growing sequence again and again."""

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.stretch import Stretcher, stretch
from streamsrv.engines.tts.chattts_model.seams import SeamlessAudio

RATE = 24_000
TONE = np.sin(np.arange(4 * RATE) * 2 * np.pi * 220 / RATE).astype(np.float32)
HELD = 2048
UNSURE = 1024
"""Samples at the end of a decode that the next decode has differently."""


def decode(end: int) -> NDArray[np.float32]:
    """The tone up to `end`, with another loudness where the vocoder has not heard what follows."""
    decoded = TONE[:end].copy()
    decoded[-UNSURE:] *= np.linspace(1, 0, UNSURE, dtype=np.float32)
    return decoded


def joined(ends: list[int]) -> NDArray[np.float32]:
    audio = SeamlessAudio(HELD)
    parts = [audio.feed(decode(end)) for end in ends]
    return np.concatenate([*parts, audio.feed(TONE[: ends[-1]], is_last=True)])


def test_the_pieces_are_the_audio_of_the_whole_sequence():
    found = joined([6144, 12288, 18432, 20000])
    np.testing.assert_allclose(found, TONE[:20000], atol=1e-6)


def test_where_two_decodes_differ_one_fades_into_the_other():
    audio = SeamlessAudio(HELD)
    first = audio.feed(np.zeros(6144, np.float32))
    second = audio.feed(np.ones(12288, np.float32))
    assert first.size == 6144 - HELD
    assert np.abs(np.diff(np.concatenate([first, second]))).max() < 0.02


def test_a_decode_that_is_shorter_than_what_was_given_adds_nothing():
    audio = SeamlessAudio(HELD)
    given = audio.feed(TONE[:8000])
    assert audio.feed(TONE[:4000]).size == 0
    assert audio.feed(TONE[:8000], is_last=True).size == 8000 - given.size


@pytest.mark.parametrize("tempo", [0.5, 0.8, 1.0, 1.5, 2.0])
def test_stretching_piece_by_piece_is_stretching_at_once(tempo: float):
    pcm = (TONE * 8000).astype(np.int16)
    stretcher = Stretcher(RATE, tempo)
    parts = [stretcher.feed(pcm[start : start + 6144]) for start in range(0, len(pcm), 6144)]
    np.testing.assert_array_equal(np.concatenate([*parts, stretcher.finish()]), stretch(pcm, RATE, tempo))
