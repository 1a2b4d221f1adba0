"""Turns the RTP packets of a microphone into blocks of 16 kHz audio."""

import logging

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.jitter_buffer import JitterBuffer, Packet, Released
from streamsrv.audio.opus import duration_ticks
from streamsrv.audio.rates import OPUS_CLOCK_HZ, SPEECH_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.media.concealment import ConcealingDecoder
from streamsrv.token_bucket import TokenBucket

logger = logging.getLogger(__name__)

MAX_RATE = 2.0
"""Seconds of audio that are accepted for each second of time."""
MAX_BURST_S = 5.0
"""Seconds of audio that are accepted at once beyond `MAX_RATE`, because a network may delay packets."""


class MicrophoneStream:
    """The jitter buffer, decoder and resampler of one call. Each packet gives its blocks at once.

    A client's packets and timestamps can claim any duration of audio. Audio beyond `MAX_RATE` and `MAX_BURST_S` is
    dropped before it is decoded.
    """

    def __init__(self) -> None:
        self._buffer = JitterBuffer()
        self._decoder = ConcealingDecoder()
        self._resampler = StreamResampler(OPUS_CLOCK_HZ, SPEECH_RATE_HZ)
        self._budget_s = TokenBucket(MAX_RATE, MAX_BURST_S)
        self._is_over_budget = False

    @property
    def deadline_ms(self) -> float | None:
        """Time at which `expire` is due if no packet comes before; None if no packet waits."""
        return self._buffer.deadline_ms

    def receive(self, sequence: int, timestamp: int, payload: bytes, now_ms: float) -> list[NDArray[np.int16]]:
        """Take an RTP packet; return the blocks of audio that it completes."""
        packet = Packet(sequence, timestamp, duration_ticks(payload), payload)
        return self._decode(self._buffer.insert(packet, now_ms), now_ms)

    def expire(self, now_ms: float) -> list[NDArray[np.int16]]:
        """Stop waiting for overdue packets; return the blocks of audio behind them."""
        return self._decode(self._buffer.expire(now_ms), now_ms)

    def _decode(self, released: list[Released], now_ms: float) -> list[NDArray[np.int16]]:
        return [
            self._resampler.process(self._decoder.decode(piece))
            for piece in released
            if (ticks := _ticks(piece)) and self._has_budget(ticks / OPUS_CLOCK_HZ, now_ms / 1000)
        ]

    def _has_budget(self, audio_s: float, now_s: float) -> bool:
        had_budget = self._budget_s.take(audio_s, now_s)
        if not had_budget and not self._is_over_budget:
            logger.warning("a client sends audio faster than real time; the excess is dropped")
        self._is_over_budget = not had_budget
        return had_budget


def _ticks(piece: Released) -> int:
    """Return the duration in ticks; 0 for bytes that are not an Opus packet."""
    return duration_ticks(piece) if isinstance(piece, bytes) else piece.ticks
