"""Makes soft speech of telephone calls louder, because voice-activity detection misses the softest callers."""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE, level_dbfs

TARGET_DB = -21.0
"""Level (dBFS) of the loud parts of speech to which softer speech is amplified; louder speech is not changed."""
MAX_GAIN_DB = 24.0
MAX_NOISE_DB = -46.0
"""Level to which the noise of a line may be amplified."""
MARGIN_DB = 10.0
"""How much louder than the noise a frame is that counts as speech."""
MIN_SPEECH_DB = -62.0
"""Level below which nothing counts as speech: what the coding of silence leaves."""
_FRAME_MS = 20
_NOISE_RISE_DB = 0.06
"""Fastest rise of the noise's level, in dB per frame: so slow that it does not follow a sentence."""
_LEVEL_FALL_DB = 0.02
"""Fall of the speech's level, in dB per frame of softer speech: only the loud parts of speech tell its level."""
_UP_DB, _DOWN_DB = 0.8, 6.0
"""Fastest change of the gain, in dB per frame."""
_ECHO_FRAMES = 500 // _FRAME_MS
"""Frames after those that may hold an echo in which it may still arrive."""
_MIN_SPEECH_FRAMES = 3
"""Frames of speech in a row from which its level is trusted: a crackle is shorter."""


class SpeechGain:
    """Amplifies one stream of mono int16 PCM at `sample_rate` Hz as far as its speech is too soft.

    The gain follows the loud parts of the speech within half a second, and stays between words. A whole number of
    frames of 20 ms is measured; the gain changes linearly within a frame, so it makes no clicks.
    """

    def __init__(self, sample_rate: int) -> None:
        self._frame = sample_rate * _FRAME_MS // 1000
        self._noise_db: float | None = None
        self._speech_db: float | None = None
        self._speech_frames = 0
        self._echo_frames = 0  # in which an echo may still arrive
        self._gain_db = 0.0
        self._measured: NDArray[np.int16] = np.zeros(0, np.int16)

    @property
    def gain_db(self) -> float:
        """The gain now, in dB."""
        return self._gain_db

    def process(self, pcm: NDArray[np.int16], *, may_be_echo: bool = False) -> NDArray[np.int16]:
        """Amplify audio of any length.

        With `may_be_echo`, and for half a second after it, the gain stays: the level may not be the speaker's.
        """
        before = self._gain_db
        measured = np.concatenate([self._measured, pcm])
        whole = len(measured) - len(measured) % self._frame
        for start in range(0, whole, self._frame):
            self._measure(max(level_dbfs(measured[start : start + self._frame]), -96.0), may_be_echo)
        self._measured = measured[whole:]
        if not before and not self._gain_db:
            return pcm
        gains = 10 ** (np.linspace(before, self._gain_db, len(pcm)) / 20)
        return np.clip(np.rint(pcm * gains), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)

    def _measure(self, level_db: float, may_be_echo: bool) -> None:
        floor_db = max(level_db, MIN_SPEECH_DB - MARGIN_DB)
        self._noise_db = floor_db if self._noise_db is None else min(floor_db, self._noise_db + _NOISE_RISE_DB)
        self._echo_frames = _ECHO_FRAMES if may_be_echo else max(0, self._echo_frames - 1)
        if self._echo_frames or level_db < max(MIN_SPEECH_DB, self._noise_db + MARGIN_DB):
            self._speech_frames = 0
            return
        self._speech_frames += 1
        if self._speech_frames < _MIN_SPEECH_FRAMES:
            return
        if self._speech_db is None or level_db > self._speech_db:
            self._speech_db = level_db
        else:
            self._speech_db -= _LEVEL_FALL_DB
        wanted_db = min(TARGET_DB - self._speech_db, MAX_NOISE_DB - self._noise_db, MAX_GAIN_DB)
        self._gain_db += min(max(max(wanted_db, 0.0) - self._gain_db, -_DOWN_DB), _UP_DB)
