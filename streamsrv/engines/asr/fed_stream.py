"""What the streams share whose audio is decoded once, in order, in steps that a worker thread may be told to drop."""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.decoding_stream import DecodingStream
from streamsrv.engines.asr.speech_feed import SpeechFeed
from streamsrv.inference.droppable import Droppable


class FedStream(DecodingStream):
    """A `DecodingStream` over a feed, from which its task takes steps; `_running` is the one that it awaits."""

    def __init__(self, name: str, feed: SpeechFeed) -> None:
        self._feed = feed
        self._running: Droppable | None = None
        super().__init__(name)

    def _take_audio(self, pcm: NDArray[np.int16], *, speech: bool) -> None:
        self._feed.push(pcm, speech=speech)

    def _end_audio(self) -> None:
        self._feed.finish()

    @property
    def _backlog_ms(self) -> float:
        return self._feed.waiting * 1000 / SPEECH_RATE_HZ

    def _preempt(self) -> None:
        if self._finishing and self._running is not None and self._running.drop():
            self._wait.interrupt()  # the step follows at final priority
