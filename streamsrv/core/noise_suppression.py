"""Has the noise in a session's input audio suppressed as far as the client asks for it. Pure."""

import math

from streamsrv.core.effects import Effect, SuppressNoise
from streamsrv.protocol.session_object import Session

_LEVELS = {"near_field": 2, "far_field": 1}
"""Levels of `audio.noise_suppression` at full strength. More spoils speech (`benchmarks/noise_suppression.py`)."""


class NoiseSuppression:
    """Holds the level that is in force."""

    def __init__(self) -> None:
        self._level = 0

    def configure(self, session: Session) -> list[Effect]:
        """The session's options are these now."""
        asked = session.audio.input.noise_reduction
        level = 0 if asked is None else math.ceil(_LEVELS[asked.type] * asked.strength)
        if level == self._level:
            return []
        self._level = level
        return [SuppressNoise(level)]
