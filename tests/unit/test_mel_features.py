"""Log-mel features as Whisper's encoder takes them."""

import numpy as np
import pytest

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.turn.mel_features import BANDS, HOP, WINDOW, log_mel

REFERENCE = {
    (0, 0): -0.3071,
    (10, 99): 0.5992,
    (5, 120): 0.0087,
    (20, 300): -0.2262,
    (0, 400): -0.3071,
    (40, 500): -0.002,
    (60, 650): -0.3071,
    (75, 799): -0.1269,
    (79, 799): -0.1531,
}
"""(band, frame): value for `sweep()`, by the features that pipecat-ai 1.14.0 computes for Smart Turn."""


def sweep() -> np.ndarray:
    """A second of silence, then a tone that rises to 3.3 kHz in seven seconds."""
    seconds = np.arange(8 * SPEECH_RATE_HZ) / SPEECH_RATE_HZ
    samples = (0.3 * np.sin(2 * np.pi * (100 * seconds + 200 * seconds**2))).astype(np.float32)
    samples[:SPEECH_RATE_HZ] = 0
    return samples


def tone(hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(SPEECH_RATE_HZ) / SPEECH_RATE_HZ).astype(np.float32)


def test_the_values_are_those_of_the_reference():
    features = log_mel(sweep())
    assert {at: round(float(features[at]), 4) for at in REFERENCE} == pytest.approx(REFERENCE, abs=2e-4)
    assert (features.mean(), features.std()) == pytest.approx((-0.18218, 0.37892), abs=1e-4)


def test_there_is_a_frame_for_every_10_ms():
    assert log_mel(sweep()).shape == (BANDS, 800)
    assert log_mel(sweep()[: WINDOW + 3 * HOP]).shape == (BANDS, (WINDOW + 3 * HOP) // HOP)
    assert log_mel(sweep()).dtype == np.float32


def test_a_louder_recording_has_the_same_features():
    assert np.allclose(log_mel(sweep()), log_mel(sweep() * 0.1), atol=1e-3)


def test_a_higher_tone_is_in_a_higher_band():
    loudest = [int(log_mel(tone(hertz)).mean(axis=1).argmax()) for hertz in (200, 500, 1000, 2000, 4000, 7500)]
    assert loudest == sorted(set(loudest))
    # Up to 1 kHz the Slaney scale is linear: of 80 bands up to 8 kHz, each is 37.2 Hz above the one before.
    assert loudest[:3] == pytest.approx([hertz / 37.2 - 1 for hertz in (200, 500, 1000)], abs=1)


def test_silence_has_finite_features():
    assert np.isfinite(log_mel(np.zeros(SPEECH_RATE_HZ, np.float32))).all()


def test_what_is_far_below_the_loudest_sound_is_cut_off():
    features = log_mel(sweep())
    assert features.max() - features.min() == pytest.approx(2)
