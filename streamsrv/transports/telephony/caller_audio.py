"""Makes one continuous signal of the chunks of a call: in order, each once, with silence for what was lost. Pure."""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.jitter_buffer import JitterBuffer, Packet, Released
from streamsrv.audio.resample import StreamResampler
from streamsrv.audio.wire_formats import decode_audio
from streamsrv.protocol.audio_formats import Samples
from streamsrv.protocol.session_object import Pcm
from streamsrv.transports.telephony.arrival_rate import ArrivalRate
from streamsrv.transports.telephony.codec import MediaReceived

MAX_FIRST_NUMBER = 3
"""A stream whose first chunk has at most this number has begun with 0 or 1: chunks may be swapped at the start, too."""
MAX_GAP_MS = 1000
"""Longest gap that is filled with silence; the rest of a longer gap is left out."""
LINEAR_RATES = (8_000, 16_000, 24_000)
"""Rates in Hz that a linear stream may have, whatever it says."""


class CallerAudio:
    """The audio of one stream, in mono int16 at `sample_rate` Hz, which is what the stream says.

    Chunks without numbers are taken as they come. A chunk that arrives after its gap was filled is dropped.
    """

    def __init__(self, audio_format: Samples, sample_rate: int) -> None:
        self._format = audio_format
        self._sample_rate = sample_rate
        self._order: JitterBuffer | None = None
        self._rate = ArrivalRate(sample_rate, LINEAR_RATES if isinstance(audio_format, Pcm) else ())
        self._resampler: StreamResampler | None = None
        self.lost_chunks = 0
        """Chunks that never came, or came too late."""
        self.real_rate = sample_rate
        """The rate in Hz of the audio that arrives, if it is certain to differ from what the stream says."""

    @property
    def deadline_ms(self) -> float | None:
        """When `expire` is due; None if no chunk waits for an earlier one."""
        return self._order.deadline_ms if self._order is not None else None

    def add(self, media: MediaReceived, now_ms: float) -> list[NDArray[np.int16]]:
        """Take a chunk; return the audio that is due."""
        self._check_rate(len(media.audio) // 2 if isinstance(self._format, Pcm) else len(media.audio), now_ms)
        if media.number is None:
            return [self._audio(media.audio)]
        if self._order is None:
            number = media.number
            first = min(number, 1) if number <= MAX_FIRST_NUMBER else number
            self._order = JitterBuffer((first & 0xFFFF, first & 0xFFFFFFFF))
        # Both sequence number and timestamp count chunks: what providers give as times is rounded, or of their clock.
        packet = Packet(media.number & 0xFFFF, media.number & 0xFFFFFFFF, 1, media.audio)
        return self._in_order(self._order.insert(packet, now_ms))

    def expire(self, now_ms: float) -> list[NDArray[np.int16]]:
        """Give up the chunks whose time is over; return the audio that is due."""
        return self._in_order(self._order.expire(now_ms)) if self._order is not None else []

    def _check_rate(self, samples: int, now_ms: float) -> None:
        if (rate := self._rate.add(samples, now_ms)) is not None:
            self.real_rate = rate
            self._resampler = StreamResampler(rate, self._sample_rate)

    def _in_order(self, released: list[Released]) -> list[NDArray[np.int16]]:
        """Return the audio of released chunks. The length of lost ones is that of the chunk after them."""
        audio: list[NDArray[np.int16]] = []
        lost = 0
        for piece in released:
            if not isinstance(piece, bytes):
                lost += piece.ticks
                continue
            pcm = self._audio(piece)
            if lost:
                self.lost_chunks += lost
                most = self._sample_rate * MAX_GAP_MS // 1000
                audio.append(np.zeros(min(lost * len(pcm), most), np.int16))
                lost = 0
            audio.append(pcm)
        return audio

    def _audio(self, chunk: bytes) -> NDArray[np.int16]:
        pcm = decode_audio(chunk, self._format)
        return pcm if self._resampler is None else self._resampler.process(pcm)
