"""Replaces audio that was lost in the network."""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.jitter_buffer import Lost, Released
from streamsrv.audio.opus import SILENCE, OpusDecoder, OpusError, duration_ticks
from streamsrv.audio.rates import OPUS_CLOCK_HZ

MAX_CONCEALED_TICKS = OPUS_CLOCK_HZ * 60 // 1000
"""Longest loss that is concealed, in ticks. The rest becomes silence, because libopus fades out."""


class ConcealingDecoder:
    """Decodes one stream of Opus packets with gaps to mono int16 at 48 kHz."""

    def __init__(self) -> None:
        self._decoder = OpusDecoder()
        self._toc = SILENCE[0] & ~3

    def decode(self, released: Released) -> NDArray[np.int16]:
        """Decode a packet, or conceal a lost one."""
        if isinstance(released, bytes):
            self._toc = released[0] & ~3
            try:
                return self._decoder.decode(released)
            except OpusError:  # bytes that are not Opus count as a lost packet
                released = Lost(duration_ticks(released))
        if isinstance(released, Lost):
            return self._conceal(released.ticks)
        return np.zeros(released.ticks, np.int16)

    def _conceal(self, ticks: int) -> NDArray[np.int16]:
        # A packet of its first byte alone holds a frame of length 0, which stands for a lost frame (RFC 6716,
        # section 3.2.1): libopus conceals that frame's duration.
        lost = bytes([self._toc])
        pieces = [self._decoder.decode(lost) for _ in range(0, min(ticks, MAX_CONCEALED_TICKS), duration_ticks(lost))]
        made_up = np.concatenate(pieces)[:ticks] if pieces else np.zeros(0, np.int16)
        return np.pad(made_up, (0, ticks - len(made_up)))
