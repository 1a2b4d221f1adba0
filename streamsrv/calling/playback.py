"""Plays what a server sends to a caller, as the buffer of a telephone network does. Pure."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

MAX_WAITING_S = 600
"""The longest audio that may wait to be played."""


class Overfilled(Exception):
    """More audio waits to be played than a network would keep."""


class Playback:
    """Plays audio in order and in real time; marks pass when all audio before them was played.

    Positions are in samples since the start of the call, and never go back. `clear_passes_marks`: whether marks that
    wait pass when the audio before them is dropped.
    """

    def __init__(self, sample_rate: int, *, clear_passes_marks: bool) -> None:
        self._max_waiting = MAX_WAITING_S * sample_rate
        self._clear_passes_marks = clear_passes_marks
        self._queue: deque[NDArray[np.int16] | str] = deque()
        self._heard: list[tuple[int, NDArray[np.int16]]] = []
        self.position = 0
        self.waiting = 0
        """Samples that were sent and not played yet."""
        self.most_waiting = 0
        self.played = 0
        """Samples of the server's audio that the caller has heard."""
        self.dropped = 0
        """Samples that were sent and dropped by `clear`."""

    def play(self, pcm: NDArray[np.int16]) -> None:
        """Queue audio, mono, after what was sent before; raises `Overfilled`."""
        if self.waiting + len(pcm) > self._max_waiting:
            raise Overfilled(f"More than {MAX_WAITING_S} s of audio wait to be played.")
        self._queue.append(pcm)
        self.waiting += len(pcm)
        self.most_waiting = max(self.most_waiting, self.waiting)

    def mark(self, name: str) -> list[str]:
        """Queue a mark; return it if nothing waits to be played, since it has passed then."""
        if not self._queue:
            return [name]
        self._queue.append(name)
        return []

    def clear(self) -> list[str]:
        """Drop what was not played yet; return the marks that pass by that."""
        marks = [item for item in self._queue if isinstance(item, str)]
        self.dropped += self.waiting
        self.waiting = 0
        self._queue.clear()
        return marks if self._clear_passes_marks else []

    def advance(self, position: int) -> list[str]:
        """Play until a position; return the marks that pass, in order. Where no audio waits, there is silence."""
        passed: list[str] = []
        while self._queue:
            item = self._queue[0]
            if isinstance(item, str):
                passed.append(item)
                self._queue.popleft()
                continue
            room = position - self.position
            if room <= 0:
                break
            self._hear(item[:room])
            if len(item) <= room:
                self._queue.popleft()
            else:
                self._queue[0] = item[room:]
        self.position = max(self.position, position)
        return passed

    def heard(self, start: int, end: int) -> NDArray[np.int16]:
        """Return what the caller heard between two positions, with silence where nothing was played."""
        whole = np.zeros(max(end - start, 0), np.int16)
        for at, pcm in reversed(self._heard):
            if at + len(pcm) <= start:
                break
            piece = pcm[max(start - at, 0) : max(end - at, 0)]
            first = max(at - start, 0)
            whole[first : first + len(piece)] = piece
        return whole

    def _hear(self, pcm: NDArray[np.int16]) -> None:
        if len(pcm):
            self._heard.append((self.position, pcm))
        self.position += len(pcm)
        self.played += len(pcm)
        self.waiting -= len(pcm)
