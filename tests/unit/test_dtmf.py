"""Pressed keys in telephone audio (DTMF)."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.dtmf import KeyDetector
from streamsrv.audio.files import read_audio
from streamsrv.audio.g711 import decode_alaw, encode_alaw

FIXTURES = Path(__file__).parents[2] / "fixtures"
ROWS_HZ, COLUMNS_HZ = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = "123A456B789C*0#D"


def pressed(
    keys: str, on_ms: int = 80, off_ms: int = 80, rate: int = 8_000, drift: float = 0.0, twist_db: float = 0.0
) -> NDArray[np.float64]:
    """The tones of keys, at -12 dB of full scale. `twist_db`: how much louder the higher frequency is."""
    seconds = np.arange(rate * on_ms // 1000) / rate
    parts: list[NDArray[np.float64]] = []
    for key in keys:
        row, column = divmod(KEYS.index(key), 4)
        low = np.sin(2 * np.pi * ROWS_HZ[row] * (1 + drift) * seconds)
        high = np.sin(2 * np.pi * COLUMNS_HZ[column] * (1 - drift) * seconds)
        parts += [0.25 * (low + high * 10 ** (twist_db / 20)) / max(1, 10 ** (twist_db / 20))]
        parts += [np.zeros(rate * off_ms // 1000)]
    return np.concatenate(parts)


def heard(samples: NDArray[np.float64], noise_db: float = -60, rate: int = 8_000, chunk: int = 160) -> str:
    noisy = samples + 10 ** (noise_db / 20) * np.random.default_rng(1).standard_normal(len(samples))
    pcm = decode_alaw(encode_alaw((noisy * 32_000).astype(np.int16)))
    detector = KeyDetector(rate)
    return "".join(key for start in range(0, len(pcm), chunk) for key in detector.hear(pcm[start : start + chunk]))


@pytest.mark.parametrize(("on_ms", "off_ms"), [(40, 50), (80, 80), (500, 60), (2000, 100)])
def test_each_key_is_heard_once(on_ms: int, off_ms: int) -> None:
    assert heard(pressed(KEYS, on_ms, off_ms)) == KEYS


def test_the_same_key_pressed_twice_is_two_keys() -> None:
    assert heard(pressed("1155500", 60, 60)) == "1155500"


@pytest.mark.parametrize("drift", [-0.015, 0.015])
@pytest.mark.parametrize("twist_db", [-4, 0, 6])
def test_the_tolerances_of_the_standard_are_kept(drift: float, twist_db: float) -> None:
    assert heard(pressed(KEYS, drift=drift, twist_db=twist_db)) == KEYS


@pytest.mark.parametrize("noise_db", [-50, -30])
def test_keys_are_heard_through_noise(noise_db: float) -> None:
    assert heard(pressed(KEYS), noise_db) == KEYS


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("chunk", [7, 160, 100_000])
def test_rates_and_packets_make_no_difference(rate: int, chunk: int) -> None:
    assert heard(pressed(KEYS, rate=rate), rate=rate, chunk=chunk) == KEYS


@pytest.mark.parametrize("on_ms", [5, 12])
def test_a_tone_that_is_too_short_is_no_key(on_ms: int) -> None:
    assert heard(pressed(KEYS, on_ms)) == ""


@pytest.mark.parametrize("hz", [[697], [1209], [697, 770], [350, 440], [480, 620], [1100], [697, 1209, 1000]])
def test_other_tones_are_no_keys(hz: list[float]) -> None:
    seconds = np.arange(8_000) / 8_000
    assert heard(np.sum([0.2 * np.sin(2 * np.pi * each * seconds) for each in hz], axis=0)) == ""


def test_no_key_is_heard_in_recorded_speech() -> None:
    """`benchmarks/telephone_tones.py` counts false alarms in hours of speech."""
    for name in ("block_books", "is_the_garage_door_open", "lock_the_front_door", "korean_hotel_booking"):
        assert heard(read_audio(FIXTURES / f"{name}.flac", 8_000) / 32_768) == ""
