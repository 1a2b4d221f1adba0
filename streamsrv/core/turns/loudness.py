"""Tracks the loudness of the user and of the replies' echo, to distinguish them. Pure."""

_TURN_WEIGHT = 0.5
"""Weight of the last turn in the user's usual level, because people move and microphones adapt."""
_FRAME_WEIGHT = 0.1
"""Weight of the last frame in the current level."""


class Loudness:
    """Tracks the levels of the current speech and of earlier turns and echoes, in dB."""

    def __init__(self) -> None:
        self._usual_db: float | None = None
        self._echo_db: float | None = None  # the loudest frame, because mostly the soft beginning of an echo is heard
        self._now_db: float | None = None
        self._peak_db: float | None = None
        self._sum_db = 0.0
        self._frames = 0

    def hear(self, level_db: float | None) -> None:
        """Take the level of one frame of speech, if it was measured."""
        if level_db is not None:
            self._sum_db += level_db
            self._frames += 1
            self._peak_db = level_db if self._peak_db is None else max(self._peak_db, level_db)
            self._now_db = level_db if self._now_db is None else _mixed(self._now_db, level_db, _FRAME_WEIGHT)

    @property
    def quieter_db(self) -> float | None:
        """How much quieter this speech is than the user's earlier turns; None if either is unknown."""
        if self._usual_db is None or not self._frames:
            return None
        return self._usual_db - self._sum_db / self._frames

    @property
    def over_echo_db(self) -> float | None:
        """How much louder this speech is now than earlier echoes; None if either is unknown."""
        return None if self._echo_db is None or self._now_db is None else self._now_db - self._echo_db

    def end_turn(self) -> None:
        """Count the speech as the user's."""
        if self._frames:
            level_db = self._sum_db / self._frames
            self._usual_db = level_db if self._usual_db is None else _mixed(self._usual_db, level_db, _TURN_WEIGHT)
        self.discard()

    def end_echo(self) -> None:
        """Count the speech as an echo of the reply."""
        peaks_db = [peak_db for peak_db in (self._echo_db, self._peak_db) if peak_db is not None]
        self._echo_db = max(peaks_db, default=None)
        self.discard()

    def discard(self) -> None:
        """Do not count the speech, because it was a backchannel or a noise."""
        self._sum_db, self._frames, self._now_db, self._peak_db = 0.0, 0, None, None


def _mixed(before_db: float, level_db: float, weight: float) -> float:
    return before_db + weight * (level_db - before_db)
