"""Plays a session's speech in its call, by messages to the media process."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamsrv.media.messages import CallMessage, Clear, Hold, Resume, Speech, SpeechFinished


class CallSpeaker:
    """A `Speaker` that sends each order as a message of call number `call`, through `tell`."""

    def __init__(self, call: int, tell: Callable[[CallMessage], None]) -> None:
        self._call = call
        self._tell = tell

    def play(self, item_id: str, pcm: NDArray[np.int16], sample_rate: int) -> None:
        self._tell(Speech(self._call, item_id, sample_rate, pcm.tobytes()))

    def finish(self, item_id: str) -> None:
        self._tell(SpeechFinished(self._call, item_id))

    def hold(self) -> None:
        self._tell(Hold(self._call))

    def resume(self) -> None:
        self._tell(Resume(self._call))

    def clear(self) -> None:
        self._tell(Clear(self._call))
