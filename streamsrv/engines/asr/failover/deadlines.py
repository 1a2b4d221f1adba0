"""Decides when a recogniser is too late. Pure: all times are seconds of one clock."""

import math

MAX_SLOWNESS = 4
"""How many times as long as the audio a recogniser may take for audio that it was given faster than it was spoken."""


class Deadlines:
    """The deadlines of one utterance.

    `final_s` after the end of the audio its final transcript is due, `stall_s` of speech after a transcript the next
    one. Audio given faster than it was spoken counts as taken at the speed of speech: the deadlines begin at its end.
    """

    def __init__(self, final_s: float, stall_s: float | None) -> None:
        self._final_s = final_s
        self._stall_s = stall_s
        self._taken_at_s = -math.inf  # when a recogniser as fast as speech has taken all audio
        self._unanswered_s = 0.0  # speech since the last transcript
        self._stalled_at_s = math.inf
        self._finished_at_s: float | None = None
        self._answered_at_s = -math.inf

    @property
    def stalls_at_s(self) -> float:
        """When the recogniser counts as stalled, if it gives no transcript before; infinite: not for now."""
        return self._stalled_at_s

    @property
    def due_s(self) -> float:
        """When the recogniser is too late, for the next transcript or for the final one; infinite: not for now."""
        if self._finished_at_s is None:
            return self._stalled_at_s
        behind_s = max(0.0, self._taken_at_s - self._finished_at_s)
        latest_s = self._finished_at_s + MAX_SLOWNESS * behind_s
        begins_s = min(max(self._finished_at_s + behind_s, self._answered_at_s), latest_s)
        return min(self._stalled_at_s, begins_s + self._final_s)

    def push(self, audio_s: float, now_s: float, *, speech: bool) -> None:
        """The recogniser was given audio."""
        self._taken_at_s = max(self._taken_at_s, now_s) + audio_s
        if speech and self._stall_s is not None:
            self._unanswered_s += audio_s
            if self._unanswered_s >= self._stall_s:
                self._stalled_at_s = min(self._stalled_at_s, self._taken_at_s)

    def finish(self, now_s: float) -> None:
        """No more audio comes."""
        self._finished_at_s = now_s

    def answer(self, now_s: float) -> None:
        """The recogniser gave a transcript."""
        self._unanswered_s = 0.0
        self._stalled_at_s = math.inf
        self._answered_at_s = now_s
