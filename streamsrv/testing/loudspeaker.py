"""A simulated speaker that a transport holds (`session.channel.Speaker`), in virtual time."""

from collections.abc import Callable

import numpy as np

from streamsrv.core.effects import ClearPlayback, FinishAudio, HoldPlayback, ResumePlayback, SendAudio
from streamsrv.core.inputs import Input, PlaybackEnded, PlaybackReported
from streamsrv.testing.client import Cut
from streamsrv.testing.player import Player
from streamsrv.testing.virtual_time import Scheduled, VirtualTime

REPORT_MS = 100


class SimulatedLoudspeaker:
    """Plays on the client's `player`, and reports to the core (`give`)."""

    def __init__(self, player: Player, time: VirtualTime, give: Callable[[Input], None]) -> None:
        self._player = player
        self._time = time
        self._give = give
        self._finished: dict[str, bool] = {}  # by item that has not ended: whether all its audio was given
        self._next: Scheduled | None = None
        self.cuts: dict[str, Cut] = {}

    @property
    def idle(self) -> bool:
        return self._next is None

    def play(self, effect: SendAudio) -> None:
        item_id: str = effect.place["item_id"]
        self._finished.setdefault(item_id, False)
        word_ends = [(int(sample) + 1) * 1000 // effect.sample_rate for sample in np.flatnonzero(effect.pcm)]
        self._player.play(item_id, len(effect.pcm) * 1000 // effect.sample_rate, word_ends, self._time.now_ms)
        self._report_after(0)

    def finish(self, effect: FinishAudio) -> None:
        if effect.item_id in self._finished:
            self._finished[effect.item_id] = True
            self._report_after(0)

    def hold(self, _: HoldPlayback) -> None:
        self._player.hold(self._time.now_ms)

    def resume(self, _: ResumePlayback) -> None:
        self._player.resume(self._time.now_ms)

    def clear(self, _: ClearPlayback) -> None:
        now_ms = self._time.now_ms
        self._player.resume(now_ms)
        for item_id in self._player.flush(now_ms):
            self.cuts[item_id] = Cut(self._player.items[item_id].played_ms(now_ms), now_ms, now_ms)
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
                self._give(PlaybackEnded(item_id, played_ms))
            elif played_ms:
                self._give(PlaybackReported(item_id, played_ms))
        if self._finished:
            self._report_after(REPORT_MS)
