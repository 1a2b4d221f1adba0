"""The audio of one spoken item on its way to a telephone line. Pure."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.resample import StreamResampler

PIECE_MS = 100
"""Audio that is resampled at a time, when it is due, so that a long sentence does not hold up the event loop."""


class PlaybackItem:
    """Holds the audio of an item that was not played yet, in frames of `frame` samples at `rate` Hz.

    Audio is resampled when it is about to be sent. Its end is padded with silence to a whole frame.
    """

    def __init__(self, item_id: str, rate: int, frame: int) -> None:
        self.item_id = item_id
        self._rate = rate
        self._frame = frame
        self._waiting: deque[tuple[NDArray[np.int16], int]] = deque()  # with the rate of each piece
        self._resampler = StreamResampler(rate, rate)
        self._resampled_rate = rate
        self._ready = np.zeros(0, np.int16)  # resampled and not played, at `rate`
        self._sent = 0  # samples of `_ready`
        self._length = 0  # samples resampled so far, without padding
        self._played = 0
        self._finished = False
        self._is_whole = False  # whether all audio is resampled
        self.reported: int | None = None
        """The position of the last playback report, in samples; None: there was none."""

    def add(self, pcm: NDArray[np.int16], sample_rate: int) -> None:
        """Add mono audio at `sample_rate` Hz."""
        step = max(1, sample_rate * PIECE_MS // 1000)
        self._waiting.extend((pcm[start : start + step], sample_rate) for start in range(0, len(pcm), step))

    def finish(self) -> None:
        """No more audio comes."""
        self._finished = True

    def has_frame(self) -> bool:
        """Whether there is a frame to take now."""
        return self._prepare(self._frame) >= self._frame

    def take(self, samples: int) -> NDArray[np.int16]:
        """Return the next whole frames to send, at most `samples`; empty if there are none yet or no more."""
        whole = min(samples, self._prepare(samples)) // self._frame * self._frame
        taken = self._ready[self._sent : self._sent + whole]
        self._sent += whole
        return taken

    @property
    def is_sent(self) -> bool:
        """Whether all audio has been taken, and no more comes."""
        return self._prepare(self._frame) == 0 and self._is_whole

    @property
    def is_played(self) -> bool:
        """Whether all audio has been played, and no more comes."""
        return self.is_sent and not self._sent

    @property
    def unplayed(self) -> int:
        """Samples that were taken and not played."""
        return self._sent

    @property
    def played(self) -> int:
        """Samples that were played, without padding."""
        return min(self._played, self._length)

    @property
    def played_ms(self) -> int:
        return self.played * 1000 // self._rate

    def advance(self, samples: int) -> NDArray[np.int16]:
        """Count samples that were taken as played, and return them."""
        heard, self._ready = self._ready[:samples], self._ready[samples:]
        self._sent -= samples
        self._played += samples
        return heard

    def rewind(self) -> None:
        """Forget that audio was taken which was not played."""
        self._sent = 0

    def _prepare(self, samples: int) -> int:
        """Resample until `samples` can be taken, if there is so much; return how many can be."""
        while len(self._ready) - self._sent < samples and self._convert():
            pass
        ready = len(self._ready) - self._sent
        if self._is_whole and ready % self._frame:
            self._ready = np.pad(self._ready, (0, -ready % self._frame))
        return len(self._ready) - self._sent

    def _convert(self) -> bool:
        """Resample the next piece; return whether there was one."""
        if self._waiting:
            pcm, rate = self._waiting.popleft()
            if rate != self._resampled_rate:  # at the start, and where another synthesiser goes on with the item
                self._append(self._rest())
                self._resampler, self._resampled_rate = StreamResampler(rate, self._rate), rate
            self._append(self._resampler.process(pcm))
            return True
        if self._finished and not self._is_whole:
            self._append(self._rest())
            self._is_whole = True
        return False

    def _rest(self) -> NDArray[np.int16]:
        return self._resampler.process(np.zeros(0, np.int16), last=True)

    def _append(self, pcm: NDArray[np.int16]) -> None:
        self._ready = np.concatenate([self._ready, pcm])
        self._length += len(pcm)
