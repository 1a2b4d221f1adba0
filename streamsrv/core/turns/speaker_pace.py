"""Follows how long one speaker pauses inside turns, as a factor of how long a pause must last to end a turn. Pure.

It sees three things: pauses after which the speaker went on, turns that were resumed shortly after their end, and turns
without a pause. Each is compared with a usual pause. The mean is shrunk towards that of unknown speakers, so one
odd pause does little, and old pauses count less than new ones. `benchmarks/speaker_pace.py` finds no certain gain in
short recordings, so the factor follows only slowly.
"""

import math

USUAL_PAUSE_MS = 500.0
"""About the geometric mean of the pauses inside turns in `benchmarks/speaker_pace.py`."""
MIN_PAUSE_MS = 200
"""A shorter silence is part of a word, or between two."""
MIN_FLUENT_MS = 1500
"""Speech of a turn without a pause that tells something: in a shorter one nobody pauses."""
RESUMED_MS = 1000
"""Who speaks so soon after the end of a turn had only paused."""
MAX_RATIO = 3.0
"""A pause counts as at most so many times, and at least this part of, a usual one."""
FLUENT_RATIO = 0.5
"""A turn without a pause counts as a pause of this part of a usual one."""
PRIOR = 6.0
"""The number of usual pauses that are taken to precede those of a session."""
MEMORY = 0.95
"""By how much each pause makes the earlier ones count less."""
GAIN = 0.5
"""How far the factor follows the mean: 0 not at all, 1 in proportion."""
MIN_PACE, MAX_PACE = 0.75, 1.6
"""Bounds of the factor."""


class SpeakerPace:
    """The pace of the speaker of one session, from the beginning of the session on."""

    def __init__(self) -> None:
        self._sum = 0.0  # of logarithms of the ratios to the usual pause
        self._weight = 0.0
        self._has_paused = False  # in this turn
        self._silence_ms = 0  # the longest pause before the newest sound, which may be a click
        self._ended_ms: int | None = None  # when the last turn ended; wall time
        self._speech_ended_ms = 0

    @property
    def factor(self) -> float:
        """By how much the speaker's pauses must last longer to end a turn than those of an unknown speaker."""
        mean = self._sum / (self._weight + PRIOR)
        return min(max(math.exp(GAIN * mean), MIN_PACE), MAX_PACE)

    def follow(self, pause_ms: int, before_ms: int, *, speaks: bool) -> None:
        """Take the silence after a frame of a turn, and after the one before; `speaks`: it is speech, and no click."""
        if pause_ms == 0:
            self._silence_ms = max(self._silence_ms, before_ms)
        if speaks:
            self._go_on(self._silence_ms)
            self._silence_ms = 0

    def begin_turn(self, at_ms: int) -> None:
        """A turn began, which goes on with the one before if that ended shortly before (wall time)."""
        self._silence_ms = 0
        self._has_paused = False
        if self._ended_ms is not None and at_ms - self._ended_ms <= RESUMED_MS:
            self._go_on(at_ms - self._speech_ended_ms)
        self._ended_ms = None

    def end_turn(self, speech_ms: int, speech_ended_ms: int, now_ms: int) -> None:
        """A turn with so much speech has ended (wall times)."""
        self._ended_ms, self._speech_ended_ms = now_ms, speech_ended_ms
        if not self._has_paused and speech_ms >= MIN_FLUENT_MS:
            self._count(FLUENT_RATIO)

    def _go_on(self, pause_ms: int) -> None:
        if pause_ms >= MIN_PAUSE_MS:
            self._has_paused = True
            self._count(pause_ms / USUAL_PAUSE_MS)

    def _count(self, ratio: float) -> None:
        self._sum = MEMORY * self._sum + math.log(min(max(ratio, 1 / MAX_RATIO), MAX_RATIO))
        self._weight = MEMORY * self._weight + 1
