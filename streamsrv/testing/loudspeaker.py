"""A simulated loudspeaker that can hold and resume, of a transport or of a client, in virtual time."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamsrv.testing.player import Cut, Player
from streamsrv.testing.virtual_time import Scheduled, VirtualTime

REPORT_MS = 100

Report = Callable[[str, int, bool], None]
"""Takes an item, how many ms of it were played, and whether no more of it will be."""


class SimulatedLoudspeaker:
    """Plays on `player`; tells `report` how far it is at the first sample, every 100 ms, and at the end of an item."""

    def __init__(self, player: Player, time: VirtualTime, report: Report) -> None:
        self._player = player
        self._time = time
        self._tell = report
        self._finished: dict[str, bool] = {}  # by item that has not ended: whether all its audio was given
        self._next: Scheduled | None = None
        self.cuts: dict[str, Cut] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing is played or held."""
        return self._next is None

    def play(self, item_id: str, pcm: NDArray[np.int16], sample_rate: int) -> None:
        """Queue audio; see `SimulatedVoice` for how words are marked in it."""
        self._finished.setdefault(item_id, False)
        word_ends = [(int(sample) + 1) * 1000 // sample_rate for sample in np.flatnonzero(pcm)]
        self._player.play(item_id, len(pcm) * 1000 // sample_rate, word_ends, self._time.now_ms)
        self._report_after(0)

    def finish(self, item_id: str) -> None:
        """All audio of the item was given."""
        if item_id in self._finished:
            self._finished[item_id] = True
            self._report_after(0)

    def hold(self) -> None:
        """Fall silent and keep the place."""
        self._player.hold(self._time.now_ms)

    def resume(self) -> None:
        """Go on from the place that was held."""
        self._player.resume(self._time.now_ms)

    def clear(self, known_ms: int, learned_after_ms: int = 0) -> None:
        """Drop what was not played. The server knows of it since `known_ms`, and how much was played a little later."""
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
                self._tell(item_id, played_ms, True)
            elif played_ms:
                self._tell(item_id, played_ms, False)
        if self._finished:
            self._report_after(REPORT_MS)
