"""Queues the speech of a call and returns it in frames of 20 ms. Pure: the caller keeps the time.

Audio counts as played once `next_frame` has returned it, because it cannot be recalled. The user hears it a little
later, after the receiver's buffer.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import OPUS_FRAME_SAMPLES, PCM_RATE_HZ

MAX_QUEUED_SAMPLES = 20 * 60 * PCM_RATE_HZ
"""Most samples that may be queued; `play` refuses more."""
REPORT_FRAMES = 5
"""Frames from one playback report to the next; the first frame of an item has a report, too."""


@dataclass(frozen=True, slots=True)
class Played:
    """A playback report: `audio_ms` of an item were played; `ended`: the item has no more audio."""

    item_id: str
    audio_ms: int
    ended: bool = False


@dataclass(slots=True)
class _Item:
    item_id: str
    waiting: deque[NDArray[np.int16]] = field(default_factory=deque[NDArray[np.int16]])
    samples: int = 0  # in `waiting`
    played: int = 0
    frames: int = 0
    finished: bool = False

    def take(self, wanted: int) -> NDArray[np.int16]:
        """Remove and return the next samples, at most `wanted`."""
        taken: list[NDArray[np.int16]] = []
        while wanted and self.waiting:
            piece = self.waiting.popleft()
            if len(piece) > wanted:
                self.waiting.appendleft(piece[wanted:])
                piece = piece[:wanted]
            taken.append(piece)
            wanted -= len(piece)
            self.samples -= len(piece)
            self.played += len(piece)
        return np.concatenate(taken)

    def report(self, *, ended: bool = False) -> Played:
        return Played(self.item_id, self.played * 1000 // PCM_RATE_HZ, ended)


class Playout:
    """A queue of items that are played one after the other. A hold resumes at the same sample."""

    def __init__(self) -> None:
        self._items: deque[_Item] = deque()
        self._held = False

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to play until the next call of `play` or `resume`."""
        return self._held or not self._items

    def play(self, item_id: str, pcm: NDArray[np.int16]) -> bool:
        """Queue mono audio of an item; return whether there was room."""
        if len(pcm) + sum(item.samples for item in self._items) > MAX_QUEUED_SAMPLES:
            return False
        item = self._find(item_id)
        if item is None:
            item = _Item(item_id)
            self._items.append(item)
        item.waiting.append(pcm)
        item.samples += len(pcm)
        return True

    def finish(self, item_id: str) -> None:
        """Mark the audio of an item as complete. Does nothing if the item was dropped."""
        item = self._find(item_id)
        if item is not None:
            item.finished = True

    def hold(self) -> list[Played]:
        """Pause playback; return the reports of the position."""
        self._held = True
        return [item.report() for item in self._items if item.played]

    def resume(self) -> None:
        """Continue playback where `hold` paused it."""
        self._held = False

    def clear(self) -> list[Played]:
        """Drop the audio that was not played; return how much of each item was played."""
        self._held = False
        reports = [item.report(ended=True) for item in self._items]
        self._items.clear()
        return reports

    def next_frame(self) -> tuple[NDArray[np.int16] | None, list[Played]]:
        """Return the next 20 ms, padded at the end of an item, or None for silence; and the reports that are due."""
        reports: list[Played] = []
        while self._items and not self._held:
            item = self._items[0]
            if item.samples >= OPUS_FRAME_SAMPLES or (item.samples and item.finished):
                return self._frame(item), reports + self._progress(item)
            if not item.finished:
                break
            reports.append(self._items.popleft().report(ended=True))
        return None, reports

    def _find(self, item_id: str) -> _Item | None:
        return next((item for item in self._items if item.item_id == item_id), None)

    def _frame(self, item: _Item) -> NDArray[np.int16]:
        pcm = item.take(OPUS_FRAME_SAMPLES)
        return pcm if len(pcm) == OPUS_FRAME_SAMPLES else np.pad(pcm, (0, OPUS_FRAME_SAMPLES - len(pcm)))

    def _progress(self, item: _Item) -> list[Played]:
        item.frames += 1
        if not item.samples and item.finished:
            self._items.popleft()
            return [item.report(ended=True)]
        return [item.report()] if item.frames % REPORT_FRAMES == 1 else []
