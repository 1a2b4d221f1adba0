"""Plays the speech of a session on a telephone line: what is sent when, and what of it was heard. Pure.

All times (`now_ms`) are ms of the caller's clock. Audio is sent in frames of 20 ms.

- A line that buffers is sent audio ahead, with marks in it. Audio counts as played when the mark behind it has passed;
  between two marks the clock tells how far playback is, but never beyond the next mark.
- Any other line is sent each frame when it is due, and what is sent counts as played.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamsrv.core.inputs import PlaybackEnded, PlaybackReported
from streamsrv.transports.telephony.playback_item import PlaybackItem

FRAME_MS = 20
AHEAD_MS = 1000
"""Audio that a buffering line is sent ahead of its playback: it covers delays of the network and of the event loop."""
SOUND_AHEAD_MS = 200
"""The same for the waiting sound."""
MARK_MS = 100
"""Audio from one mark to the next, and from one playback report to the next."""
OVERDUE_MS = 2000
"""How late a mark may be before it counts as lost, and playback is told by the clock."""
MAX_LATE_MS = 60
"""How late frames may be that are sent at once to catch up. After a longer delay the pace begins anew."""

EARLY_MS = 1
"""How early a frame may be sent: timers of event loops fire a little early."""

Report = PlaybackReported | PlaybackEnded
NOTHING = np.zeros(0, np.int16)


class PlaybackLine(Protocol):
    """What of a `Line` is used to play."""

    @property
    def sample_rate(self) -> int: ...
    @property
    def buffers(self) -> bool: ...
    def send(self, pcm: NDArray[np.int16]) -> None: ...
    def mark(self, name: str) -> None: ...
    def clear(self) -> None: ...


class Playback:
    """Plays items one after the other. A hold goes on at the same sample.

    `report` is told the progress; `heard`, if given, gets the audio that the caller has heard, in order. The names of
    marks begin with `marks`.
    """

    def __init__(
        self,
        line: PlaybackLine,
        report: Callable[[Report], None],
        heard: Callable[[NDArray[np.int16]], None] | None = None,
        marks: str = "p",
    ) -> None:
        self._line = line
        self._report = report
        self._heard = heard
        self._rate = line.sample_rate
        self._frame = line.sample_rate * FRAME_MS // 1000
        self._items: deque[PlaybackItem] = deque()
        self._reports: deque[Report] = deque()
        self._held = False
        self._line_held = False
        self._sound = NOTHING  # what is played while nothing else is; empty: nothing
        self._is_sounding = False  # whether what was sent last is the waiting sound
        self._sound_sent = 0
        self._sound_played = 0
        self._sent = 0  # samples sent since the line was cleared; marks from before that mean nothing
        self._played = 0
        self._marks: deque[tuple[str, int]] = deque()  # marks that have not passed, with their places in `_sent`
        self._marked = 0  # the place of the last mark
        self._mark_number = 0
        self._mark_prefix = marks
        self._anchor = (0, 0.0)  # a place in `_sent`, and when it was played
        self._due_ms = 0.0  # when the next frame is due, on a line that does not buffer
        self.lost_marks = 0
        """Marks that did not pass in time."""

    @property
    def is_playing(self) -> bool:
        """Whether the caller hears something, or may hear it in a moment."""
        return bool(self._items) or self._sent > self._played

    def next_ms(self, now_ms: float) -> float | None:
        """Return when to call `tick`; None: not before another method was called."""
        if self._line.buffers:
            return now_ms + MARK_MS if self._sent > self._played else None
        return self._due_ms if self._has_frame() else None

    def play(self, item_id: str, pcm: NDArray[np.int16], sample_rate: int, now_ms: float) -> None:
        """Queue audio of an item, mono at `sample_rate` Hz."""
        item = self._find(item_id)
        if item is None:
            item = PlaybackItem(item_id, self._rate, self._frame)
            self._items.append(item)
        item.add(pcm, sample_rate)
        self.tick(now_ms)

    def finish(self, item_id: str, now_ms: float) -> None:
        """Mark the audio of an item as complete. Does nothing if the item was dropped."""
        if (item := self._find(item_id)) is not None:
            item.finish()
            self.tick(now_ms)

    def hold(self, now_ms: float) -> None:
        """Pause playback at once, and report its position. A waiting sound is heard all the same."""
        self._advance(now_ms)
        if not self._held:
            self._held = True
            self._take_back()
        self._reports.extend(PlaybackReported(item.item_id, item.played_ms) for item in self._items if item.played)
        self.tick(now_ms)

    def resume(self, now_ms: float) -> None:
        """Continue playback at the sample where `hold` paused it."""
        self._held = False
        self.tick(now_ms)

    def hold_line(self, held: bool, now_ms: float) -> None:
        """The other side holds the call, or has resumed it: what it has not heard is played after that."""
        self._advance(now_ms)
        if held and not self._line_held:
            self._take_back()
        self._line_held = held
        self.tick(now_ms)

    def clear(self, now_ms: float) -> None:
        """Drop the audio that was not played, end a hold, and report where each item was cut off."""
        self._advance(now_ms)
        self._take_back()
        self._held = False
        self._reports.extend(PlaybackEnded(item.item_id, item.played_ms) for item in self._items)
        self._items.clear()
        self._tell()
        self.tick(now_ms)

    def sound(self, sound: NDArray[np.int16], now_ms: float) -> None:
        """Play this sound (whole frames) again and again while there is nothing else to play; empty: stop it."""
        self._end_sound(now_ms)
        self._sound = sound
        self.tick(now_ms)

    def pass_mark(self, name: str, now_ms: float) -> None:
        """A mark of the line has passed."""
        if any(name == waiting for waiting, _ in self._marks):
            position = 0
            while self._marks and position == 0:
                passed, at = self._marks.popleft()
                position = at if passed == name else 0
            self._anchor = (position, now_ms)
        self.tick(now_ms)

    def tick(self, now_ms: float) -> None:
        """Send what is due, and report what was played."""
        self._advance(now_ms)
        if not self._line_held:
            if self._line.buffers:
                self._send_ahead(now_ms)
            else:
                self._send_due(now_ms)
        self._end_items()
        self._tell()

    def _find(self, item_id: str) -> PlaybackItem | None:
        return next((item for item in self._items if item.item_id == item_id), None)

    def _send_ahead(self, now_ms: float) -> None:
        step = self._rate * MARK_MS // 1000
        while self._sent - self._played < self._ahead and len(chunk := self._take(step)):
            if self._sent == self._played:
                self._anchor = (self._sent, now_ms)
                self._report_start()
            self._send(chunk)
            if self._sent - self._marked >= step or not self._has_frame():
                self._mark()

    def _send_due(self, now_ms: float) -> None:
        if now_ms - self._due_ms > MAX_LATE_MS:
            self._due_ms = now_ms
        while self._due_ms <= now_ms + EARLY_MS and len(frame := self._take(self._frame)):
            self._send(frame)
            self._due_ms += FRAME_MS
            self._move(self._sent)

    def _send(self, pcm: NDArray[np.int16]) -> None:
        self._line.send(pcm)
        self._sent += len(pcm)

    def _mark(self) -> None:
        self._mark_number += 1
        name = f"{self._mark_prefix}{self._mark_number}"
        self._marks.append((name, self._sent))
        self._marked = self._sent
        self._line.mark(name)

    @property
    def _ahead(self) -> int:
        return self._rate * (SOUND_AHEAD_MS if self._next_item() is None else AHEAD_MS) // 1000

    def _next_item(self) -> PlaybackItem | None:
        """Return the first item that is not sent, if it has a frame to send now."""
        for item in self._items if not self._held else ():
            if item.has_frame():
                return item
            if not item.is_sent:
                break
        return None

    def _has_frame(self) -> bool:
        if self._line_held:
            return False
        return self._next_item() is not None or (len(self._sound) > 0 and self._is_quiet)

    @property
    def _is_quiet(self) -> bool:
        """Whether nothing of the items is to be heard now."""
        return self._next_item() is None and not any(item.unplayed for item in self._items)

    def _take(self, samples: int) -> NDArray[np.int16]:
        """Take the next whole frames, at most `samples`, of the items, or of the waiting sound if they are silent."""
        if (item := self._next_item()) is not None:
            self._drop_sound()
            self._is_sounding = False
            return item.take(samples)
        if not self._is_quiet:
            return NOTHING
        self._is_sounding = True
        start = self._sound_sent % len(self._sound) if len(self._sound) else 0
        taken = self._sound[start : start + samples]
        self._sound_sent += len(taken)
        return taken

    def _advance(self, now_ms: float) -> None:
        """Count as played what the clock and the marks say; a line that does not buffer has played all it was sent."""
        if self._sent == self._played:
            return
        position, at_ms = self._anchor
        reached = position + (now_ms - at_ms) * self._rate / 1000
        while self._marks and reached - self._marks[0][1] > OVERDUE_MS * self._rate / 1000:
            self._marks.popleft()
            self.lost_marks += 1
        limit = self._marks[0][1] if self._marks else self._sent
        self._move(min(int(reached), limit))

    def _move(self, position: int) -> None:
        """Count what was sent before `position` as played."""
        moved = max(0, position - self._played)
        self._played += moved
        if moved and self._is_sounding:
            self._hear_sound(moved)
        for item in self._items:
            if not (samples := min(moved, item.unplayed)):
                break
            self._hear(item.advance(samples))
            moved -= samples
            if item.reported is None or item.played - item.reported >= self._rate * MARK_MS // 1000:
                self._report_position(item)
        self._end_items()

    def _end_items(self) -> None:
        while self._items and self._items[0].is_played:
            item = self._items.popleft()
            self._reports.append(PlaybackEnded(item.item_id, item.played_ms))

    def _report_start(self) -> None:
        """Report that the next audio begins to play, because nothing is before it."""
        for item in self._items:
            if item.unplayed and item.reported is None:
                self._report_position(item)

    def _report_position(self, item: PlaybackItem) -> None:
        item.reported = item.played
        self._reports.append(PlaybackReported(item.item_id, item.played_ms))

    def _hear(self, pcm: NDArray[np.int16]) -> None:
        if self._heard is not None:
            self._heard(pcm)

    def _hear_sound(self, samples: int) -> None:
        places = np.arange(self._sound_played, self._sound_played + samples) % max(1, len(self._sound))
        self._sound_played += samples
        if len(self._sound):
            self._hear(self._sound[places])

    def _end_sound(self, now_ms: float) -> None:
        self._advance(now_ms)
        self._drop_sound()

    def _drop_sound(self) -> None:
        """Drop what was sent ahead of the waiting sound."""
        if self._is_sounding and self._sent > self._played:
            self._take_back()

    def _take_back(self) -> None:
        """Clear the line; what was not played is to be sent again."""
        if self._items or self._sent > self._played:
            self._line.clear()
        for item in self._items:
            item.rewind()
        self._marks.clear()
        self._sent = self._played = self._marked = 0
        self._sound_sent = self._sound_played = 0

    def _tell(self) -> None:
        while self._reports:
            self._report(self._reports.popleft())
