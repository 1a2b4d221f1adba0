"""From the RTP packets of a microphone to blocks of 16 kHz audio."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.resample import StreamResampler
from streamsrv.vad.base import FRAME_SAMPLES, SAMPLE_RATE
from streamsrv.webrtc.jitter_buffer import CLOCK_RATE, JitterBuffer, Packet, Released
from streamsrv.webrtc.opus import OpusDecoder, duration


class MicrophoneStream:
    """Jitter buffer, decoder and resampler of one call.

    Blocks are as long as the frames in which the server hears (512 samples, 32 ms): shorter ones would be more
    messages, longer ones would be late.
    """

    def __init__(self) -> None:
        self._buffer = JitterBuffer()
        self._decoder = OpusDecoder()
        self._resampler = StreamResampler(CLOCK_RATE, SAMPLE_RATE)
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)

    @property
    def deadline_ms(self) -> float | None:
        """When `expire` is due, if no packet comes before."""
        return self._buffer.deadline_ms

    def receive(self, sequence: int, timestamp: int, payload: bytes, now_ms: float) -> Iterator[NDArray[np.int16]]:
        """Take an RTP packet; return the blocks that are complete with it."""
        return self._decode(self._buffer.insert(Packet(sequence, timestamp, duration(payload), payload), now_ms))

    def expire(self, now_ms: float) -> Iterator[NDArray[np.int16]]:
        """Stop waiting for what is overdue."""
        return self._decode(self._buffer.expire(now_ms))

    def _decode(self, released: list[Released]) -> Iterator[NDArray[np.int16]]:
        if not released:
            return
        pcm = [self._resampler.process(self._decoder.decode(piece)) for piece in released]
        samples = np.concatenate([self._rest, *pcm])
        whole = len(samples) - len(samples) % FRAME_SAMPLES
        self._rest = samples[whole:]
        for start in range(0, whole, FRAME_SAMPLES):
            yield samples[start : start + FRAME_SAMPLES]
