"""Loudness replaces a voice-activity detector that fails."""

import logging

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.engines.vad.base import VAD_FRAME_SAMPLES
from streamsrv.engines.vad.energy import EnergyStream
from streamsrv.engines.vad.fallback import MAX_FAILURES, FallbackVadStream
from streamsrv.errors import Overloaded, Unavailable

RANDOM = np.random.default_rng(7)


def noise(level_db: float, frames: int) -> NDArray[np.int16]:
    """White noise, RMS in dB below full scale."""
    amplitude = 32_768 * 10 ** (level_db / 20)
    return np.clip(RANDOM.normal(0, amplitude, (frames, VAD_FRAME_SAMPLES)), -32_768, 32_767).astype(np.int16)


def share(stream: EnergyStream, frames: NDArray[np.int16]) -> float:
    return float(np.mean(stream.probabilities(frames)))


def test_speech_stands_out_from_silence_and_from_noise():
    for background_db in (-96.0, -60.0, -50.0):
        stream = EnergyStream()
        assert share(stream, noise(background_db, 50)) == 0
        assert share(stream, noise(-25, 50)) == 1
        assert share(stream, noise(background_db, 50)) == 0


def test_digital_silence_is_no_speech_and_what_follows_is():
    stream = EnergyStream()
    assert share(stream, np.zeros((100, VAD_FRAME_SAMPLES), np.int16)) == 0
    assert share(stream, noise(-30, 20)) == 1


def test_a_noise_that_stays_is_background_after_a_while():
    stream = EnergyStream()
    assert share(stream, noise(-40, 30)) == 1
    share(stream, noise(-40, 2000))
    assert share(stream, noise(-40, 30)) == 0
    assert share(stream, noise(-20, 30)) == 1


class FakeVad:
    """Finds speech in everything; fails for as many calls as it is told, or when it is opened."""

    name = "fake-vad"

    def __init__(self, failures: int = 0, *, opens: bool = True, error: Exception | None = None) -> None:
        self.failures = failures
        self.opens = opens
        self.error = error or ZeroDivisionError("boom")
        self.calls = 0

    def open(self) -> "FakeVad":
        if not self.opens:
            raise self.error
        return self

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return [0.9] * len(frames)


async def hear(stream: FallbackVadStream, frames: NDArray[np.int16]) -> list[float]:
    async def call(vad) -> list[float]:
        return vad.probabilities(frames)

    return await stream.hear(frames, call)


QUIET, LOUD = noise(-70, 2), noise(-20, 2)


async def test_a_detector_that_works_is_all_that_is_asked():
    stream = FallbackVadStream(FakeVad())
    assert await hear(stream, QUIET) == [0.9, 0.9]


async def test_frames_for_which_the_detector_fails_are_classified_by_loudness():
    stream = FallbackVadStream(FakeVad(failures=2))
    assert await hear(stream, QUIET) == [0, 0]
    assert await hear(stream, LOUD) == [1, 1]
    assert await hear(stream, QUIET) == [0.9, 0.9]


async def test_one_that_fails_again_and_again_is_given_up(caplog: pytest.LogCaptureFixture):
    vad = FakeVad(failures=100)
    stream = FallbackVadStream(vad)
    for _ in range(10):
        assert await hear(stream, LOUD) == [1, 1]
    assert vad.calls == MAX_FAILURES
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


async def test_one_that_cannot_be_opened_is_done_without():
    stream = FallbackVadStream(FakeVad(opens=False))
    assert await hear(stream, LOUD) == [1, 1]
    assert await hear(stream, QUIET) == [0, 0]


async def test_one_that_is_unavailable_is_done_without_and_one_that_is_overloaded_is_not_to_blame():
    assert await hear(FallbackVadStream(FakeVad(failures=1, error=Unavailable("down"))), LOUD) == [1, 1]
    vad = FakeVad(failures=MAX_FAILURES + 1, error=Overloaded("full"))
    stream = FallbackVadStream(vad)
    for _ in range(MAX_FAILURES + 1):
        with pytest.raises(Overloaded):
            await hear(stream, LOUD)
    assert await hear(stream, QUIET) == [0.9, 0.9]
