"""The protocol of end-of-turn models: the probability that the speaker is done, from the sound of the speech."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MAX_MS = 8_000
"""Longest audio that an end-of-turn model uses."""


class TurnModel(Protocol):
    """A loaded end-of-turn model, shared by all sessions. It keeps no state between calls."""

    name: str

    def probability(self, pcm: NDArray[np.int16]) -> float:
        """Return the probability (0..1) that the speaker is done, from the newest audio of the turn.

        `pcm` is mono 16 kHz, shape (n,), and ends in the pause in question, at least 50 ms after the last speech. Only
        the last `MAX_MS` are used. Blocks for the computation. Called on several worker threads at once.
        """
        ...
