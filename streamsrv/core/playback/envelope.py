"""Measures the loudness of audio frame by frame, and compares it. Pure."""

import math
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ENVELOPE_MS = 32
"""Length of a frame, the same as of the microphone's frames."""
_FULL_SCALE_DB = 20 * math.log10(32_768)


class Envelope:
    """Keeps the levels of one stream of audio, in dB."""

    def __init__(self) -> None:
        self._levels_db = array("f")  # a list takes eight times as much, and an item is kept as long as its session
        self._rest = np.zeros(0, np.float32)

    def add(self, pcm: NDArray[np.int16], sample_rate: int) -> None:
        """Append mono audio to the stream."""
        samples = sample_rate * ENVELOPE_MS // 1000
        audio = np.concatenate([self._rest, pcm.astype(np.float32)])
        count = len(audio) // samples
        self._rest = audio[count * samples :].copy()  # a view would keep all of the audio
        power = np.mean(np.square(audio[: count * samples].reshape(count, samples)), axis=1)
        self._levels_db.extend((10 * np.log10(power + 1)).tolist())

    def finish(self) -> None:
        """Drop the incomplete last frame, at the end of the stream."""
        self._rest = np.zeros(0, np.float32)

    def between(self, first_ms: int, last_ms: int) -> NDArray[np.float64]:
        """Return the levels of the frames from `first_ms` to `last_ms` of the stream, as far as there are any."""
        return np.array(self._levels_db[max(0, first_ms) // ENVELOPE_MS : max(0, last_ms) // ENVELOPE_MS], np.float64)


def level_dbfs_of(level_db: float) -> float:
    """Return a level of an envelope in dB of full scale."""
    return level_db - _FULL_SCALE_DB


MIN_COMPARED = 10
"""Fewest frames whose levels can be compared."""


def resemblance(heard_db: Sequence[float | None], played_db: NDArray[np.float64]) -> float | None:
    """Return the highest correlation (-1..1) of the heard levels (None: not measured) with any part of the played ones.

    The loudness of an echo follows that of its original, however late and soft it is. None: there is too little audio.
    """
    known = [index for index, level in enumerate(heard_db) if level is not None]
    if len(known) < MIN_COMPARED or len(played_db) < len(heard_db):
        return None
    heard = np.array([heard_db[index] for index in known], np.float64)
    parts = np.lib.stride_tricks.sliding_window_view(played_db, len(heard_db))[:, known]
    heard -= heard.mean()
    parts = parts - parts.mean(axis=1, keepdims=True)
    scale = np.linalg.norm(heard) * np.linalg.norm(parts, axis=1)
    return float(np.max(parts @ heard / np.maximum(scale, 1e-9)))
