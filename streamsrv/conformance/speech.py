"""The recording that the checks send to the server under test."""

from functools import cache
from pathlib import Path

import numpy as np

from streamsrv.audio.files import read_audio

WORDS = "is the front door locked"
SILENCE_MS = 1500
"""Silence that ends a turn with the default settings of any server."""

_NAME = "is_the_front_door_locked.flac"
_PACKAGE = Path(__file__).parent.parent
_FOLDERS = (_PACKAGE / "conformance", _PACKAGE.parent / "fixtures")
"""Folders of the recording: in an installed package, and in a checkout."""


@cache
def spoken_question(rate: int = 24_000) -> bytes:
    """Return a recording of a person who says `WORDS`, as mono 16-bit PCM."""
    path = next(folder / _NAME for folder in _FOLDERS if (folder / _NAME).is_file())
    return read_audio(path, sample_rate=rate).astype("<i2").tobytes()


def silence(duration_ms: int = SILENCE_MS, rate: int = 24_000) -> bytes:
    """Return silence as mono 16-bit PCM."""
    return np.zeros(duration_ms * rate // 1000, "<i2").tobytes()
