"""How loud the user usually is, to tell them from the echo of our own voice. Pure."""

_TURN_WEIGHT = 0.5
"""Share of the last turn in what is usual: people move, and microphones adapt."""


class Loudness:
    """Follows the level of the speech that is going on, and that of the turns before it, in dB."""

    def __init__(self) -> None:
        self._usual_db: float | None = None
        self._sum_db = 0.0
        self._frames = 0

    def hear(self, level_db: float | None) -> None:
        """Take the level of one frame of speech, if it was measured."""
        if level_db is not None:
            self._sum_db += level_db
            self._frames += 1

    @property
    def quieter_db(self) -> float | None:
        """How much quieter this speech is than the user's turns before it; None if either is not known."""
        if self._usual_db is None or not self._frames:
            return None
        return self._usual_db - self._sum_db / self._frames

    def end_turn(self) -> None:
        """The speech was the user's."""
        if self._frames:
            level_db = self._sum_db / self._frames
            usual_db = level_db if self._usual_db is None else self._usual_db
            self._usual_db = usual_db + _TURN_WEIGHT * (level_db - usual_db)
        self.disregard()

    def disregard(self) -> None:
        """The speech was nobody's."""
        self._sum_db, self._frames = 0.0, 0
