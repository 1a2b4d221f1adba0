"""What a caller hears while an answer takes long, while the call rings, and of a busy line."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

NOTES_HZ = (440.0, 554.4)
NOTE_MS = 180
PEAK = 1200
"""About -29 dB below full scale: softer than any voice."""
PERIOD_MS = 1400
"""From the beginning of the sound to its next one; what is left of it is silence."""
BUSY_HZ = (480.0, 620.0)
"""The two tones of a busy line in North America (ITU-T E.180 lists those of all countries)."""
RINGING_HZ = (440.0, 480.0)
"""The same of a line that rings, for `RINGING_S` of every `RINGING_PERIOD_S`."""
RINGING_S = 2
RINGING_PERIOD_S = 6
TONE_PEAK = 4000


@cache
def waiting_sound(sample_rate: int) -> NDArray[np.int16]:
    """Return one period of the sound, mono, whole frames of 20 ms."""
    sound = np.zeros(sample_rate * PERIOD_MS // 1000)
    samples = sample_rate * NOTE_MS // 1000
    envelope = np.sin(np.pi * np.arange(samples) / samples) ** 2
    for number, pitch in enumerate(NOTES_HZ):
        note = PEAK * envelope * np.sin(2 * np.pi * pitch * np.arange(samples) / sample_rate)
        sound[number * samples : (number + 1) * samples] = note
    return sound.astype(np.int16)


@cache
def busy_tone(sample_rate: int) -> NDArray[np.int16]:
    """Return the tone of a busy line, three times half a second."""
    times = np.arange(sample_rate // 2) / sample_rate
    tone = sum(TONE_PEAK / 2 * np.sin(2 * np.pi * pitch * times) for pitch in BUSY_HZ)
    return np.tile(np.concatenate([tone, np.zeros(sample_rate // 2)]), 3).astype(np.int16)


@cache
def ringing_tone(sample_rate: int) -> NDArray[np.int16]:
    """Return one period of the tone of a line that rings."""
    times = np.arange(sample_rate * RINGING_S) / sample_rate
    tone = np.zeros(sample_rate * RINGING_PERIOD_S)
    tone[: len(times)] = sum(TONE_PEAK / 2 * np.sin(2 * np.pi * pitch * times) for pitch in RINGING_HZ)
    return tone.astype(np.int16)
