"""Continues a recording with its own room tone, so that the end of a turn sounds as in a room."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.vad.base import FRAME_MS, VAD_FRAME_SAMPLES

NO_SPEECH = 0.1
"""Probability of speech below which a frame may be room tone."""
MARGIN_MS = 96
"""Left out on both sides of speech, for its reverberation and onset."""
STRETCH_MS = 128
"""Length of the stretches of which the quietest are taken."""
CROSS_FADE_MS = 32

Samples = NDArray[np.int16]


def quiet_stretches(pcm: Samples, probabilities: Sequence[float], wanted_ms: int) -> list[Samples]:
    """Return the quietest stretches without speech, up to `wanted_ms` in all; none if the speech leaves no room.

    `probabilities`: of speech, for each VAD frame of `pcm`.
    """
    size, margin = STRETCH_MS // FRAME_MS, MARGIN_MS // FRAME_MS
    speech = np.asarray(probabilities) >= NO_SPEECH
    near = np.convolve(speech, np.ones(2 * margin + 1), mode="same") > 0
    stretches: list[Samples] = []
    first = 0
    while first + size <= len(near):
        if near[first : first + size].any():
            first += 1
            continue
        stretches.append(pcm[first * VAD_FRAME_SAMPLES : (first + size) * VAD_FRAME_SAMPLES])
        first += size
    return sorted(stretches, key=level)[: -(-wanted_ms // STRETCH_MS)]


def level(pcm: Samples) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(pcm.astype(np.float64)))))


def looped(stretches: Sequence[Samples], samples: int) -> Samples:
    """Return `samples` of these stretches, one after the other and again, each cross-faded into the next."""
    fade = CROSS_FADE_MS * SPEECH_RATE_HZ // 1000
    rising = np.sqrt(np.linspace(0, 1, fade))
    made = stretches[0].astype(np.float64)
    turn = 0
    while len(made) < samples:
        turn += 1
        # Every second round is reversed, so that a loop of one stretch has no rhythm.
        following = stretches[turn % len(stretches)].astype(np.float64)[:: -1 if turn % 2 else 1]
        made[-fade:] = made[-fade:] * rising[::-1] + following[:fade] * rising
        made = np.concatenate([made, following[fade:]])
    return made[:samples].astype(np.int16)


def at_level(pcm: Samples, wanted: float) -> Samples:
    """Return the room tone of another recording, as loud as wanted."""
    return np.clip(pcm * (wanted / max(level(pcm), 1.0)), -32768, 32767).astype(np.int16)
