"""From the RTP packets of a microphone to blocks of 16 kHz audio."""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.opus import duration
from streamsrv.audio.resample import StreamResampler
from streamsrv.engines.vad.base import SAMPLE_RATE
from streamsrv.media.concealment import ConcealingDecoder
from streamsrv.media.jitter_buffer import CLOCK_RATE, JitterBuffer, Packet, Released


class MicrophoneStream:
    """Jitter buffer, decoder and resampler of one call. A block is what a packet brings, so that nothing waits here."""

    def __init__(self) -> None:
        self._buffer = JitterBuffer()
        self._decoder = ConcealingDecoder()
        self._resampler = StreamResampler(CLOCK_RATE, SAMPLE_RATE)

    @property
    def deadline_ms(self) -> float | None:
        """When `expire` is due, if no packet comes before."""
        return self._buffer.deadline_ms

    def receive(self, sequence: int, timestamp: int, payload: bytes, now_ms: float) -> list[NDArray[np.int16]]:
        """Take an RTP packet; return the blocks that can be heard with it."""
        return self._decode(self._buffer.insert(Packet(sequence, timestamp, duration(payload), payload), now_ms))

    def expire(self, now_ms: float) -> list[NDArray[np.int16]]:
        """Stop waiting for what is overdue."""
        return self._decode(self._buffer.expire(now_ms))

    def _decode(self, released: list[Released]) -> list[NDArray[np.int16]]:
        return [self._resampler.process(self._decoder.decode(piece)) for piece in released]
