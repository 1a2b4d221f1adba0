"""Chooses the audio that a streaming model hears: speech and short pauses, and no long silences. Pure.

A streaming model decodes steps of a fixed length, so the last words before a pause would wait for more audio. At a
pause the feed completes the step with silence at once, and drops the silence that follows, until there is speech again.
"""

from array import array
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ

_PER_MS = SPEECH_RATE_HZ // 1000
LEAD_MS = 300
"""Silence kept before speech, because voice activity is found a little late."""
PAUSE_MS = 192
"""Silence after which the words so far are completed. Shorter silences occur inside words, which must not be torn."""
EMISSION_MS = 240
"""Audio after the end of speech that a transducer hears before it has written the last word."""


@dataclass(frozen=True, slots=True)
class StepGrid:
    """When a model decodes: once it has `first` samples, and again after every `shift` samples more."""

    first: int
    shift: int

    def complete(self, samples: int) -> int:
        """Return the least number of samples, `samples` or more, with which nothing waits for the next step."""
        if samples <= self.first:
            return self.first
        return self.first + -(-(samples - self.first) // self.shift) * self.shift


@dataclass(frozen=True, slots=True)
class _Piece:
    """Audio that follows in the feed from sample `fed` on, and was pushed at sample `position`."""

    fed: int
    position: int
    is_silence: bool = False
    """Made by the feed: it has no position of its own."""


class SpeechFeed:
    """Push what the stream hears, and `take` what the model hears. Counts samples at 16 kHz."""

    def __init__(self, grid: StepGrid, *, pause_ms: int = PAUSE_MS, emission_ms: int = EMISSION_MS) -> None:
        self._grid = grid
        self._pause_samples = pause_ms * _PER_MS
        self._emission_samples = emission_ms * _PER_MS
        self._lead = array("h")
        self._waiting: deque[NDArray[np.int16]] = deque()
        self._waiting_samples = 0
        self._pieces: list[_Piece] = []
        self._position = 0
        self._fed = 0
        self._origin = 0  # of the steps, in the feed
        self._speech_end = 0  # in the feed
        self._pause = 0
        self._is_complete = True

    def push(self, pcm: NDArray[np.int16], *, speech: bool) -> None:
        """Take mono PCM at 16 kHz, any length; `speech` tells whether voice activity was found in it."""
        if speech and len(pcm):
            self._push_speech(pcm)
        elif len(pcm):
            self._push_silence(pcm)

    def finish(self) -> None:
        """No more audio comes: complete the last step."""
        if not self._is_complete:
            self._complete()

    def begin_segment(self) -> int:
        """Count the steps anew, with the next audio in a new state of the model; return its sample in the feed."""
        self._origin = self._fed
        return self._origin

    def take(self, samples: int) -> NDArray[np.int16]:
        """Return the next audio for the model, at most so many samples."""
        taken: list[NDArray[np.int16]] = []
        while self._waiting and samples > 0:
            piece = self._waiting.popleft()
            taken.append(piece[:samples])
            if len(piece) > samples:
                self._waiting.appendleft(piece[samples:])
            samples -= len(taken[-1])
            self._waiting_samples -= len(taken[-1])
        return np.concatenate(taken) if taken else np.zeros(0, np.int16)

    @property
    def waiting(self) -> int:
        """Samples that were not taken yet."""
        return self._waiting_samples

    @property
    def fed(self) -> int:
        """Samples that were taken, or wait."""
        return self._fed

    @property
    def is_complete(self) -> bool:
        """Whether all speech so far is in completed steps. Then nothing comes before the next speech."""
        return self._is_complete

    def position_ms(self, fed_ms: float) -> int:
        """Return when in the pushed audio it was that the model heard at `fed_ms`."""
        sample = round(fed_ms * _PER_MS)
        index = bisect_right(self._pieces, sample, key=lambda piece: piece.fed) - 1
        if index < 0:
            return 0
        piece = self._pieces[index]
        after = 0 if piece.is_silence else sample - piece.fed
        if index + 1 < len(self._pieces):
            after = min(after, self._pieces[index + 1].position - piece.position)
        return min(piece.position + after, self._position) // _PER_MS

    def _push_speech(self, pcm: NDArray[np.int16]) -> None:
        if self._is_complete:
            lead = np.array(self._lead, np.int16)
            del self._lead[:]
            self._feed(lead, self._position - len(lead))
            self._is_complete = False
        self._feed(pcm, self._position)
        self._position += len(pcm)
        self._speech_end = self._fed
        self._pause = 0

    def _push_silence(self, pcm: NDArray[np.int16]) -> None:
        heard = 0 if self._is_complete else min(len(pcm), max(self._pause_samples - self._pause, 0))
        self._feed(pcm[:heard], self._position)
        self._position += heard
        self._pause += heard
        if not self._is_complete and self._pause >= self._pause_samples:
            self._complete()
        self._lead.frombytes(pcm[heard:].tobytes())
        del self._lead[: -LEAD_MS * _PER_MS]
        self._position += len(pcm) - heard

    def _feed(self, pcm: NDArray[np.int16], position: int) -> None:
        if not len(pcm):
            return
        last = self._pieces[-1] if self._pieces else None
        follows = last is not None and not last.is_silence and last.position - last.fed == position - self._fed
        if not follows:
            self._pieces.append(_Piece(self._fed, position))
        self._append(pcm)

    def _complete(self) -> None:
        needed = max(self._fed, self._speech_end + self._emission_samples)
        wanted = self._origin + self._grid.complete(needed - self._origin)
        if wanted > self._fed:
            self._pieces.append(_Piece(self._fed, self._position, is_silence=True))
            self._append(np.zeros(wanted - self._fed, np.int16))
        self._is_complete = True

    def _append(self, pcm: NDArray[np.int16]) -> None:
        self._waiting.append(pcm)
        self._waiting_samples += len(pcm)
        self._fed += len(pcm)
