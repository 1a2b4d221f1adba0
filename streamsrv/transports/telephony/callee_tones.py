"""Listens to who has answered an outbound call, for the tones of machines. Pure."""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.tones import Tone, ToneDetector

LISTENS_S = 60
"""Seconds of a call in which its tones mean something; later they are sounds of a conversation."""
MEANINGS = {
    Tone.FAX_CALLING: "A fax machine has answered.",
    Tone.FAX_ANSWERING: "A fax machine has answered.",
    Tone.BUSY: "The line is busy.",
    Tone.UNREACHABLE: "The number cannot be reached.",
    Tone.BEEP: "An answering machine has answered.",
}
"""What each tone says of the call."""


class CalleeTones:
    """Finds tones in the audio of one callee, mono int16 at `sample_rate` Hz.

    Speech does not end the search: most answering machines speak before they beep.
    """

    def __init__(self, sample_rate: int) -> None:
        self._detector = ToneDetector(sample_rate)
        self._left = LISTENS_S * sample_rate

    def hear(self, pcm: NDArray[np.int16]) -> Tone | None:
        """Take audio of any length; return a tone that is certain by now, once."""
        if self._left <= 0:
            return None
        self._left -= len(pcm)
        found = self._detector.hear(pcm)
        return found[-1] if found else None
