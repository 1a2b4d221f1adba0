"""The speaker of a telephone call: gives `Playback` the time."""

import asyncio
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamsrv.transports.telephony.playback import Playback, PlaybackLine, Report


class PhoneSpeaker:
    """A `Speaker` over a line. `report`, `heard` and `marks` as in `Playback`."""

    def __init__(
        self,
        line: PlaybackLine,
        report: Callable[[Report], None],
        heard: Callable[[NDArray[np.int16]], None] | None = None,
        marks: str = "p",
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._playback = Playback(line, report, heard, marks)
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def play(self, item_id: str, pcm: NDArray[np.int16], sample_rate: int) -> None:
        if not self._is_closed:
            self._playback.play(item_id, pcm, sample_rate, self._now_ms)
            self._set_timer()

    def finish(self, item_id: str) -> None:
        self._playback.finish(item_id, self._now_ms)
        self._set_timer()

    def hold(self) -> None:
        self._playback.hold(self._now_ms)
        self._set_timer()

    def resume(self) -> None:
        if not self._is_closed:
            self._playback.resume(self._now_ms)
            self._set_timer()

    def clear(self) -> None:
        self._playback.clear(self._now_ms)
        self._set_timer()

    def sound(self, sound: NDArray[np.int16]) -> None:
        """Play this sound again and again while there is nothing else to play; empty: stop it."""
        if not self._is_closed:
            self._playback.sound(sound, self._now_ms)
            self._set_timer()

    def pass_mark(self, name: str) -> None:
        """A mark of the line has passed."""
        self._playback.pass_mark(name, self._now_ms)
        self._set_timer()

    def hold_line(self, held: bool) -> None:
        """The other side holds the call, or has resumed it."""
        self._playback.hold_line(held, self._now_ms)
        self._set_timer()

    def close(self) -> None:
        """Stop for good, because the line is gone: what was not played by now is never played."""
        self._is_closed = True
        self._playback.sound(np.zeros(0, np.int16), self._now_ms)
        self._playback.hold(self._now_ms)
        self._set_timer()

    @property
    def is_playing(self) -> bool:
        """Whether the caller hears something, or may hear it in a moment."""
        return self._playback.is_playing

    @property
    def lost_marks(self) -> int:
        """Marks that did not pass in time."""
        return self._playback.lost_marks

    @property
    def _now_ms(self) -> float:
        return self._loop.time() * 1000

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._is_closed and (next_ms := self._playback.next_ms(self._now_ms)) is not None:
            self._timer = self._loop.call_at(next_ms / 1000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._playback.tick(self._now_ms)
        self._set_timer()
