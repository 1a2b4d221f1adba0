"""The gain for soft callers: what it amplifies, and what it leaves alone."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import level_dbfs
from streamsrv.audio.speech_gain import MAX_GAIN_DB, MAX_NOISE_DB, SpeechGain

RATE = 16_000
Pcm = NDArray[np.int16]


def speech(level_db: float, noise_db: float = -66.0) -> Pcm:
    """Recorded speech of five seconds, its loudest 20 ms at `level_db`, with the noise of a line."""
    recorded = np.concatenate([read_audio(Path("fixtures") / name, RATE) for name in RECORDINGS]).astype(np.float64)
    loudest = max(level_dbfs(recorded[start : start + 320].astype(np.int16)) for start in range(0, len(recorded), 320))
    return (recorded * 10 ** ((level_db - loudest) / 20) + noise(len(recorded), noise_db)).astype(np.int16)


RECORDINGS = ("is_the_garage_door_open.flac", "lock_the_front_door.flac", "is_the_front_door_locked.flac")


def noise(samples: int, level_db: float) -> NDArray[np.float64]:
    return np.random.default_rng(3).standard_normal(samples) * 32_768 * 10 ** (level_db / 20)


def amplified(gain: SpeechGain, pcm: Pcm, *, may_be_echo: bool = False, chunk: int = 320) -> Pcm:
    pieces = range(0, len(pcm), chunk)
    return np.concatenate([gain.process(pcm[start : start + chunk], may_be_echo=may_be_echo) for start in pieces])


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


def test_speech_that_is_loud_enough_is_not_changed() -> None:
    pcm = speech(-15)
    assert np.array_equal(amplified(SpeechGain(RATE), pcm), pcm)


@pytest.mark.parametrize("level_db", [-32, -38])
def test_soft_speech_becomes_as_loud_as_the_models_need(level_db: float) -> None:
    gain = SpeechGain(RATE)
    amplified(gain, speech(level_db))
    assert gain.gain_db == pytest.approx(min(24, -21 - level_db), abs=4)


def test_the_gain_is_there_within_half_a_second_of_speech() -> None:
    gain = SpeechGain(RATE)
    pcm = speech(-38)
    began = int(np.argmax(np.abs(pcm) > 200))
    amplified(gain, pcm[: began + RATE // 2])
    assert gain.gain_db > 6


@pytest.mark.parametrize("noise_db", [-80, -60, -50, -40])
def test_noise_alone_is_never_amplified(noise_db: float) -> None:
    gain = SpeechGain(RATE)
    amplified(gain, noise(10 * RATE, noise_db).astype(np.int16))
    assert gain.gain_db == 0


def test_digital_silence_stays_silent() -> None:
    gain = SpeechGain(RATE)
    assert not amplified(gain, np.zeros(RATE, np.int16)).any()
    assert gain.gain_db == 0


def test_the_noise_behind_soft_speech_stays_soft() -> None:
    gain = SpeechGain(RATE)
    amplified(gain, speech(-40, noise_db=-58))
    assert 0 < gain.gain_db <= MAX_NOISE_DB + 58 + 3


def test_the_echo_of_a_reply_is_not_amplified() -> None:
    gain = SpeechGain(RATE)
    amplified(gain, speech(-40), may_be_echo=True)
    assert gain.gain_db == 0


def test_what_comes_right_after_a_reply_may_be_its_echo() -> None:
    gain = SpeechGain(RATE)
    pcm = speech(-38)
    began = int(np.argmax(np.abs(pcm) > 200))
    gain.process(np.zeros(RATE, np.int16), may_be_echo=True)
    amplified(gain, pcm[began : began + RATE * 2 // 5])
    assert gain.gain_db == 0
    amplified(gain, pcm)
    assert gain.gain_db > 6


def test_a_caller_who_becomes_loud_is_no_longer_amplified() -> None:
    gain = SpeechGain(RATE)
    amplified(gain, speech(-38))
    loud = speech(-10)
    result = amplified(gain, loud)
    assert gain.gain_db == 0
    assert np.mean(np.abs(result) == 32_767) < 0.01


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("chunk", [77, 320, 5_000])
def test_audio_keeps_its_length_in_any_packets(rate: int, chunk: int) -> None:
    pcm = speech(-38)[: RATE * 2]
    assert len(amplified(SpeechGain(rate), pcm, chunk=chunk)) == len(pcm)


def test_the_gain_is_bounded() -> None:
    gain = SpeechGain(RATE)
    amplified(gain, speech(-58, noise_db=-90))
    assert gain.gain_db <= MAX_GAIN_DB
