"""A simulated loudspeaker of a transport or a client in virtual time. It can hold and resume playback."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamsrv.testing.player import Cut, Player
from streamsrv.testing.virtual_time import Scheduled, VirtualTime

REPORT_MS = 100
"""Time from one playback report to the next."""

Report = Callable[[str, int, bool], None]
"""Takes an item id, the ms of the item that were played, and whether its playback has ended."""


class SimulatedLoudspeaker:
    """Plays on `player`; calls `report` at the first sample of an item, every `REPORT_MS` and at its end."""

    def __init__(self, player: Player, time: VirtualTime, report: Report) -> None:
        self._player = player
        self._time = time
        self._call_report = report
        self._finished: dict[str, bool] = {}  # by item whose playback has not ended: whether all its audio is queued
        self._next: Scheduled | None = None
        self.cuts: dict[str, Cut] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing is playing or held."""
        return self._next is None

    def play(self, item_id: str, pcm: NDArray[np.int16], sample_rate: int) -> None:
        """Queue audio, in which words are encoded as `SimulatedGenerator` describes."""
        self._finished.setdefault(item_id, False)
        word_ends = [(int(sample) + 1) * 1000 // sample_rate for sample in np.flatnonzero(pcm)]
        self._player.play(item_id, len(pcm) * 1000 // sample_rate, word_ends, self._time.now_ms)
        self._report_after(0)

    def finish(self, item_id: str) -> None:
        """Note that all audio of the item is queued."""
        if item_id in self._finished:
            self._finished[item_id] = True
            self._report_after(0)

    def hold(self) -> None:
        """Pause playback."""
        self._player.hold(self._time.now_ms)

    def resume(self) -> None:
        """Continue paused playback where it stopped."""
        self._player.resume(self._time.now_ms)

    def clear(self, known_ms: int, learned_after_ms: int = 0) -> None:
        """Drop the audio that was not played.

        The server knows of the cut from `known_ms` on, and learns what was played `learned_after_ms` from now.
        """
        now_ms = self._time.now_ms
        self._player.resume(now_ms)
        for item_id in self._player.flush(now_ms):
            played_ms = self._player.items[item_id].played_ms(now_ms)
            self.cuts[item_id] = Cut(played_ms, known_ms, now_ms + learned_after_ms)
        self._finished = dict.fromkeys(self._finished, True)
        self._report_after(0)

    def _report_after(self, delay_ms: int) -> None:
        if self._next is None:
            self._next = self._time.after(delay_ms, self._report)

    def _report(self) -> None:
        self._next = None
        now_ms = self._time.now_ms
        for item_id, finished in list(self._finished.items()):
            item = self._player.items[item_id]
            played_ms = item.played_ms(now_ms)
            if finished and (item.cut or played_ms == item.received_ms):
                del self._finished[item_id]
                self._call_report(item_id, played_ms, True)
            elif played_ms:
                self._call_report(item_id, played_ms, False)
        if self._finished:
            self._report_after(REPORT_MS)
