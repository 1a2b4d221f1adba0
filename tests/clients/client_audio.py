"""What the tests of clients say to a server: mono int16 at 24 kHz."""

import numpy as np
from numpy.typing import NDArray

from recordings import recording
from streamsrv.audio.files import read_audio

RATE = 24_000


def loud(duration_ms: int = 640) -> NDArray[np.int16]:
    """What the fake voice detector takes for speech."""
    times = np.arange(duration_ms * RATE // 1000) / RATE
    return (8000 * np.sin(2 * np.pi * 300 * times)).astype(np.int16)


def silence(duration_ms: int = 960) -> NDArray[np.int16]:
    """By default long enough to end a turn, with whatever turn detection."""
    return np.zeros(duration_ms * RATE // 1000, np.int16)


def turn() -> NDArray[np.int16]:
    """A whole turn for a server with fakes."""
    return np.concatenate([loud(), silence()])


def best_of_times() -> NDArray[np.int16]:
    """A whole turn of real speech: "It was the best of times, it was the worst of times"."""
    speech = read_audio(recording("two_cities.wav"), RATE)
    return np.concatenate([speech[: 4700 * RATE // 1000], silence()])
