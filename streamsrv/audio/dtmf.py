"""Finds pressed keys in telephone audio (DTMF, ITU-T Q.23 and Q.24), for lines that do not report them as events."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE

_ROWS_HZ = (697, 770, 852, 941)
_COLUMNS_HZ = (1209, 1336, 1477, 1633)
_KEYS = ("123A", "456B", "789C", "*0#D")
_BLOCK_MS = 12.75
"""Length in which the eight frequencies are told apart, and two blocks fit into the shortest tone (40 ms)."""
_MIN_LEVEL_DB = -36.0
"""Level (dBFS) of the softer frequency below which nothing is a key."""
_MAX_ROW_OVER_COLUMN_DB, _MAX_COLUMN_OVER_ROW_DB = 6.0, 8.0
"""How much louder one of the two frequencies may be, by the line."""
_PURE = 0.7
"""Least share of a block's power that both frequencies have; speech has more in between and beyond."""
_OVER_OTHERS_DB = 8.0
"""How much louder a frequency is than the others of its group."""
_ON_BLOCKS, _OFF_BLOCKS = 2, 2


class KeyDetector:
    """Finds keys in one stream of mono int16 PCM at `sample_rate` Hz (8000 or more), chunk by chunk."""

    def __init__(self, sample_rate: int) -> None:
        self._block = round(sample_rate * _BLOCK_MS / 1000)
        self._matrix = _matrix(sample_rate, self._block)
        self._waiting: NDArray[np.int16] = np.zeros(0, np.int16)
        self._candidate: str | None = None  # of the last block
        self._blocks = 0  # that had the candidate, in a row
        self._pressed: str | None = None
        self._absent = 0  # blocks without the pressed key, in a row

    def hear(self, pcm: NDArray[np.int16]) -> list[str]:
        """Take audio of any length; return the keys (0-9, *, # or A-D) that were pressed, each once."""
        samples = np.concatenate([self._waiting, pcm])
        whole = len(samples) - len(samples) % self._block
        self._waiting = samples[whole:].copy()
        if not whole:
            return []
        blocks = samples[:whole].reshape(-1, self._block) / np.float64(FULL_SCALE)
        found = [self._take(key) for key in _keys(blocks, self._matrix)]
        return [key for key in found if key is not None]

    def _take(self, key: str | None) -> str | None:
        self._blocks = self._blocks + 1 if key == self._candidate else 1
        self._candidate = key
        self._absent = 0 if key == self._pressed else self._absent + 1
        if self._absent >= _OFF_BLOCKS:
            self._pressed = None
        if key is None or key == self._pressed or self._blocks < _ON_BLOCKS:
            return None
        self._pressed, self._absent = key, 0
        return key


def _keys(blocks: NDArray[np.float64], matrix: NDArray[np.float64]) -> list[str | None]:
    """Return the key in each block."""
    parts = np.square(blocks @ matrix)
    powers = parts[:, :8] + parts[:, 8:]  # of the sine at each frequency; a full-scale one has 1
    totals = 2 * np.mean(np.square(blocks), axis=1)
    keys: list[str | None] = [None] * len(blocks)
    for index in np.flatnonzero(powers.max(axis=1) > 10 ** (_MIN_LEVEL_DB / 10)):
        keys[index] = _key(powers[index], float(totals[index]))
    return keys


def _key(powers: NDArray[np.float64], total: float) -> str | None:
    row, column = int(powers[:4].argmax()), int(powers[4:].argmax())
    row_power, column_power = float(powers[row]), float(powers[4 + column])
    others = max(
        float(np.delete(powers[:4], row).max() / row_power), float(np.delete(powers[4:], column).max() / column_power)
    )
    over_db = _db(row_power / column_power)
    is_key = (
        _db(min(row_power, column_power)) >= _MIN_LEVEL_DB
        and -_MAX_COLUMN_OVER_ROW_DB <= over_db <= _MAX_ROW_OVER_COLUMN_DB
        and _db(others) <= -_OVER_OTHERS_DB
        and row_power + column_power >= _PURE * total
    )
    return _KEYS[row][column] if is_key else None


def _db(power: float) -> float:
    return 10 * float(np.log10(max(power, 1e-12)))


@cache
def _matrix(sample_rate: int, block: int) -> NDArray[np.float64]:
    """Return cosines and sines of the eight frequencies, shape (block, 16): Goertzel's filters as one product."""
    phases = 2 * np.pi * np.outer(np.arange(block) / sample_rate, (*_ROWS_HZ, *_COLUMNS_HZ))
    return np.concatenate([np.cos(phases), np.sin(phases)], axis=1) * 2 / block
