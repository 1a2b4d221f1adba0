"""Trims the silence that synthesisers put before and after a segment, which would be heard as delay. Pure."""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE

_THRESHOLD = round(0.01 * FULL_SCALE)  # -40 dBFS


def pause_after_ms(text: str) -> int:
    """Return the pause after a segment, by whether its text ends a sentence, a clause or neither."""
    ending = text.rstrip().rstrip("\"'”’)]»")[-1:]
    if ending in ".!?…。！？":
        return 280
    return 140 if ending in ",;:—–、，；：" else 40


class SilenceTrimmer:
    """Removes leading silence and shortens trailing silence in one segment's audio, chunk by chunk.

    Samples below `_THRESHOLD` are silence. `keep_head_ms` of silence stay before the first sound, so that soft onsets
    (f, h) are not cut, and at most `keep_tail_ms` after the last sound. Pauses inside are unchanged, but are held back
    until the sound after them. Returned arrays are views of the input where possible.
    """

    def __init__(self, sample_rate: int, keep_head_ms: int = 20, keep_tail_ms: int = 140) -> None:
        self._keep_head = sample_rate * keep_head_ms // 1000
        self._keep_tail = sample_rate * keep_tail_ms // 1000
        self._held: list[NDArray[np.int16]] = []
        self._started = False

    @property
    def held_samples(self) -> int:
        """Samples of silence that were given since the last sound, and are held back."""
        return sum(len(pcm) for pcm in self._held)

    def feed(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Take mono int16 audio of any length; return the audio now known to belong to the speech, maybe none."""
        loud = np.flatnonzero((pcm >= _THRESHOLD) | (pcm <= -_THRESHOLD))
        if loud.size == 0:
            self._held.append(pcm)
            if not self._started:
                self._held = [_last(_join(self._held), self._keep_head)]
            return pcm[:0]
        end = int(loud[-1]) + 1
        if self._started:
            speech = _join([*self._held, pcm[:end]])
        else:
            before = _last(_join([*self._held, pcm[: loud[0]]]), self._keep_head)
            speech = pcm[loud[0] - before.size : end] if before.size <= loud[0] else _join([before, pcm[loud[0] : end]])
        self._started = True
        self._held = [pcm[end:]]
        return speech

    def finish(self) -> NDArray[np.int16]:
        """End the segment: return the trailing silence to keep, or nothing if there was no sound at all."""
        tail = _join(self._held)[: self._keep_tail if self._started else 0]
        self._held = []
        return tail


def _join(parts: list[NDArray[np.int16]]) -> NDArray[np.int16]:
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int16), *parts])


def _last(pcm: NDArray[np.int16], samples: int) -> NDArray[np.int16]:
    return pcm[max(0, pcm.size - samples) :]
