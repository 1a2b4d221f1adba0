"""The end-of-turn protocol: how likely is the speaker done, by the sound of the speech."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MAX_MS = 8_000
"""No model hears further back than this."""


class TurnModel(Protocol):
    """A loaded end-of-turn model, shared by all sessions. It keeps nothing between calls."""

    name: str

    def probability(self, pcm: NDArray[np.int16]) -> float:
        """Probability (0..1) that the speaker is done, from the newest audio of the turn.

        `pcm` is mono 16 kHz, shape (n,), and ends in the pause in question, 50 ms or more after the last speech; of
        more than 8 s the last are heard. Blocks for the computation; called on several worker threads at once.
        """
        ...
