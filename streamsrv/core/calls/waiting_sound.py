"""Decides when a caller who waits hears a quiet sound, so that the line does not seem dead. Pure."""

from streamsrv.core.effects import ClearTimer, Effect, SetTimer, SoundWaiting
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.timers import WaitingSoundDue

MIN_WAIT_MS = 300
"""After the end of a turn an answer mostly begins at once: the sound does not come before it."""
MAX_QUIET_MS = 1_200
"""Time from the end of the speech from which `MIN_WAIT_MS` is not waited for any more: the pause that ended the turn
was long. It leaves 300 ms of the 1.5 s that are promised for the way of the audio to and from the caller."""
MAX_SOUND_MS = 60_000
"""An answer that has not begun after this much of the sound is not waited for any more."""


class WaitingSound:
    """The sound begins when nothing was heard for `after_ms`, and ends with the first sound of anybody; 0: never."""

    def __init__(self, after_ms: int, output_buffer: OutputBuffer) -> None:
        self._after_ms = after_ms
        self._output = output_buffer
        self._quiet_since_ms: int | None = None  # while the caller waits
        self._not_before_ms = 0
        self._timer_ms: int | None = None  # when the timer fires
        self._is_on = False

    @property
    def is_awaited(self) -> bool:
        """Whether the caller waits for an answer already."""
        return self._quiet_since_ms is not None

    def end_turn(self, speech_ended_ms: int, now_ms: int) -> None:
        """The caller is done, and waits since the end of the speech."""
        self._quiet_since_ms = speech_ended_ms
        self._not_before_ms = min(now_ms + MIN_WAIT_MS, speech_ended_ms + MAX_QUIET_MS)

    def watch(self, now_ms: int, *, is_waited_for: bool) -> list[Effect]:
        """Follow what the caller hears; to be called after every input. `is_waited_for`: an answer is to come."""
        if not self._after_ms:
            return []
        if not is_waited_for:
            self._quiet_since_ms, self._not_before_ms = None, 0
            return [*self._clear_timer(), *self._fall_silent()]
        if self._output.play_until_ms > now_ms:  # a playback without audio may be held all the same
            self._quiet_since_ms, self._not_before_ms = self._output.play_until_ms, 0
            return [*self._fall_silent(), *self._look_at(self._quiet_since_ms + self._after_ms, now_ms)]
        if self._quiet_since_ms is None:
            self._quiet_since_ms = now_ms
        return self._sound(max(self._quiet_since_ms + self._after_ms, self._not_before_ms), now_ms)

    def fire(self) -> None:
        """The timer fired; `watch` does what is due."""
        self._timer_ms = None

    def _sound(self, due_ms: int, now_ms: int) -> list[Effect]:
        if now_ms < due_ms:
            return self._look_at(due_ms, now_ms)
        if now_ms >= due_ms + MAX_SOUND_MS:
            return self._fall_silent()
        begins, self._is_on = not self._is_on, True
        return [*([SoundWaiting(True)] if begins else []), *self._look_at(due_ms + MAX_SOUND_MS, now_ms)]

    def _fall_silent(self) -> list[Effect]:
        was_on, self._is_on = self._is_on, False
        return [SoundWaiting(False)] if was_on else []

    def _look_at(self, due_ms: int, now_ms: int) -> list[Effect]:
        """Have the timer fire then at the latest."""
        if self._timer_ms is not None and self._timer_ms <= due_ms:
            return []
        self._timer_ms = due_ms
        return [SetTimer(WaitingSoundDue(), due_ms - now_ms)]

    def _clear_timer(self) -> list[Effect]:
        was_set, self._timer_ms = self._timer_ms is not None, None
        return [ClearTimer(WaitingSoundDue())] if was_set else []
