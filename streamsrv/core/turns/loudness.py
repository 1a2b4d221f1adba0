"""Tracks the loudness of the user and of the replies' echo, to distinguish them. Pure."""

from streamsrv.core.turns.barge_in import ECHO_QUIETER_DB, MIN_ECHO_LOSS_DB

_TURN_WEIGHT = 0.5
"""Weight of the last turn in the user's usual level, because people move and microphones adapt."""
_FRAME_WEIGHT = 0.1
"""Weight of the last frame in the current level."""
ECHO_MARGIN_DB = 6.0
"""How much louder than the known echo a frame is that is not of the echo: what is heard of an echo first is soft."""


class Loudness:
    """Tracks the levels of the current speech and of earlier turns and echoes, in dB."""

    def __init__(self) -> None:
        self._usual_db: float | None = None
        self._echo_db: float | None = None  # the loudest frame, because mostly the soft beginning of an echo is heard
        self._echo_loss_db: float | None = None  # the least by which a frame of an echo was softer than the reply
        self._learnt_db: float | None = None  # the level of that frame
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

    def below_db(self, reply_db: float | None) -> float | None:
        """Return how much softer this speech is at its loudest than a reply of this level; None: one is unknown."""
        return None if reply_db is None or self._peak_db is None else reply_db - self._peak_db

    @property
    def over_echo_db(self) -> float | None:
        """How much louder this speech is now than earlier echoes; None if either is unknown."""
        return None if self._echo_db is None or self._now_db is None else self._now_db - self._echo_db

    @property
    def knows_echo(self) -> bool:
        """Whether it is known how loud the echo of a reply is."""
        return self._echo_loss_db is not None

    def is_echo(self, level_db: float | None, reply_db: float | None) -> bool:
        """Whether a frame is no louder than the known echo of a reply whose loudest frame of late has `reply_db`."""
        if level_db is None or reply_db is None or self._echo_loss_db is None:
            return False
        return level_db <= reply_db - self._echo_loss_db + ECHO_MARGIN_DB

    def end_turn(self) -> None:
        """Count the speech as the user's."""
        if self._frames:
            level_db = self._sum_db / self._frames
            self._usual_db = level_db if self._usual_db is None else _mixed(self._usual_db, level_db, _TURN_WEIGHT)
            if self._learnt_db is not None and self._usual_db - self._learnt_db < ECHO_QUIETER_DB:
                self._echo_loss_db = self._learnt_db = None  # it may have been this user, who said "mm-hmm"
            if self._echo_db is not None and self._usual_db - self._echo_db < ECHO_QUIETER_DB:
                self._echo_db = None  # so may this have been
        self.discard()

    def end_echo(self, reply_db: float | None = None) -> None:
        """Count the speech as an echo of a reply, whose loudest frame of late has `reply_db`.

        Nothing is learnt from speech as loud as the user's, which may be a cough.
        """
        is_loud = self._usual_db is not None and (self.quieter_db or 0.0) < ECHO_QUIETER_DB
        if self._peak_db is not None and not is_loud:
            self._echo_db = self._peak_db if self._echo_db is None else max(self._echo_db, self._peak_db)
            if reply_db is not None:
                self._learn_loss(reply_db - self._peak_db, self._peak_db)
        self.discard()

    def _learn_loss(self, loss_db: float, level_db: float) -> None:
        if loss_db >= MIN_ECHO_LOSS_DB and (self._echo_loss_db is None or loss_db < self._echo_loss_db):
            self._echo_loss_db, self._learnt_db = loss_db, level_db

    def discard(self) -> None:
        """Do not count the speech, because it was a backchannel or a noise."""
        self._sum_db, self._frames, self._now_db, self._peak_db = 0.0, 0, None, None


def _mixed(before_db: float, level_db: float, weight: float) -> float:
    return before_db + weight * (level_db - before_db)
