"""Examines the recording of a voice that is to be cloned: how long, how loud and how clean it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE, level_dbfs
from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.engines.vad.base import FRAME_MS

MIN_S, MAX_S = 6.0, 30.0
"""Length of a recording from the first to the last speech in it, in seconds."""
MIN_SPEECH_SHARE = 0.5
"""Share of it that must be speech."""
MIN_LEVEL_DBFS = -45.0
"""Lowest level (RMS) of its speech. Below it, the noise of the recording would be part of the voice."""
MAX_CLIPPED_SHARE = 0.001
"""Share of its samples that may lie in clipped peaks."""
_CLIPPING_LEVEL = 0.5
"""Peaks below this share of full scale are never taken for clipped ones."""
_CLIPPED_RUN = 3
"""Samples in a row, as high as the highest one, that make a clipped peak."""
_CLIPPED_FROM = 0.985
"""Share of the highest sample from which on others are as high: not all clipped peaks are quite flat."""
_MARGIN_MS = 200
"""Silence kept before and after the speech."""
_PEAK = 0.7
"""Share of full scale of the highest sample of what is kept, so that all recordings are as loud."""
_SPEECH = 0.5
"""Probability from which on a frame is speech."""
ACCEPTED = f"accepted are {MIN_S:g} to {MAX_S:g} seconds of speech of one person"
"""What recordings are accepted, for errors."""


class UnusableRecording(ValueError):
    """The recording cannot be used; the message says why and what is accepted, without a full stop."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording that can be used, without the silence at its ends: mono int16 at 24 kHz."""

    pcm: NDArray[np.int16]

    @property
    def seconds(self) -> float:
        return round(len(self.pcm) / PCM_RATE_HZ, 2)


def examine(pcm: NDArray[np.int16], rate: int, speech: list[float]) -> Reference:
    """Return what of a recording is used. Raises `UnusableRecording`. Blocks for the computation.

    `pcm`: mono at the recording's own rate, because clipped peaks are flat only there. `speech`: the probability of
    speech in each frame of 32 ms.
    """
    if np.abs(pcm.astype(np.int32)).max(initial=0) * 1000 < FULL_SCALE:
        raise UnusableRecording(f"the recording is silent; {ACCEPTED}")
    spoken = np.array(speech) >= _SPEECH
    _check_level(pcm, rate, spoken if spoken.any() else ~spoken)
    if not spoken.any():
        raise UnusableRecording(f"there is no speech in the recording; {ACCEPTED}")
    first, last = int(np.argmax(spoken)), len(spoken) - int(np.argmax(spoken[::-1]))
    seconds, share = (last - first) * FRAME_MS / 1000, float(spoken[first:last].mean())
    if seconds < MIN_S:
        raise UnusableRecording(f"the recording is too short: it has {seconds:.1f} seconds of speech; {ACCEPTED}")
    if seconds > MAX_S:
        raise UnusableRecording(f"the recording is too long: it has {seconds:.1f} seconds of speech; {ACCEPTED}")
    if share < MIN_SPEECH_SHARE:
        raise UnusableRecording(f"only {share:.0%} of the recording is speech, the rest is pauses or noise; {ACCEPTED}")
    used = pcm[_sample(first, rate, -_MARGIN_MS) : _sample(last, rate, _MARGIN_MS)]
    _check_clipping(used)
    kept = StreamResampler(rate, PCM_RATE_HZ).process(used, last=True)
    peak = np.abs(kept.astype(np.int32)).max()
    return Reference(np.rint(kept.astype(np.float64) * (_PEAK * FULL_SCALE / peak)).astype(np.int16))


def _sample(frame: int, rate: int, after_ms: int = 0) -> int:
    """Return the index of the sample at a time after the beginning of a frame."""
    return max(0, (frame * FRAME_MS + after_ms) * rate // 1000)


def _check_level(pcm: NDArray[np.int16], rate: int, frames: NDArray[np.bool_]) -> None:
    """Refuse a recording whose level is too low in the frames that are True."""
    heard = [pcm[_sample(int(frame), rate) : _sample(int(frame) + 1, rate)] for frame in np.flatnonzero(frames)]
    level = level_dbfs(np.concatenate(heard))
    if level < MIN_LEVEL_DBFS:
        reason = f"the recording is too quiet: it is at {level:.0f} dBFS; accepted are {MIN_LEVEL_DBFS:g} dBFS or more"
        raise UnusableRecording(reason)


def _check_clipping(pcm: NDArray[np.int16]) -> None:
    heights = np.abs(pcm.astype(np.int32))
    peak = heights.max()
    if peak < _CLIPPING_LEVEL * FULL_SCALE:
        return
    high = np.concatenate([[False], heights >= _CLIPPED_FROM * peak, [False]])
    edges = np.flatnonzero(high[1:] != high[:-1])
    runs = edges[1::2] - edges[::2]
    share = float(runs[runs >= _CLIPPED_RUN].sum() / len(pcm))
    if share > MAX_CLIPPED_SHARE:
        reason = f"the recording is clipped: {share:.1%} of it is cut off at the loudest level; record it more quietly"
        raise UnusableRecording(reason)
