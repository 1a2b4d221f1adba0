"""Keeps the audio of an utterance until its final transcript exists. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ

MAX_KEPT_S = 600
"""Longest utterance that is kept, in seconds."""


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A piece of mono audio at 16 kHz, with its voice activity."""

    pcm: NDArray[np.int16]
    speech: bool

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.pcm) / SPEECH_RATE_HZ


class KeptAudio:
    """The audio of one utterance, as it was pushed: views, not copies."""

    def __init__(self) -> None:
        self.is_whole = True
        """Whether it still has all audio: not once that was too long, or was dropped."""
        self._frames: list[KeptFrame] = []
        self._samples = 0

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frame: KeptFrame) -> None:
        """Keep a frame, unless the utterance gets too long: then nothing is kept any more."""
        if not self.is_whole:
            return
        self._frames.append(frame)
        self._samples += len(frame.pcm)
        if self._samples > MAX_KEPT_S * SPEECH_RATE_HZ:
            self.drop()

    def slice(self, begin: int, count: int) -> Iterator[KeptFrame]:
        """Yield up to `count` frames from number `begin` on."""
        yield from self._frames[begin : begin + count]

    def drop(self) -> None:
        """Free the audio."""
        self.is_whole = False
        self._frames = []
