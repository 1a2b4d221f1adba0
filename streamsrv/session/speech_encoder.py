"""Synthesised speech to `response.output_audio.delta` events."""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.resample import StreamResampler
from streamsrv.realtime.audio_formats import encode_audio, sample_rate
from streamsrv.session.effects import SendAudio

DELTA_MS = 200
"""Audio in one event: few events, yet small frames."""


class SpeechEncoder:
    """Converts the audio of one item to the format of the wire."""

    def __init__(self, first: SendAudio) -> None:
        self._place = first.place
        self._format = first.format
        self._rate = sample_rate(first.format)
        self._resampler = StreamResampler(first.sample_rate, self._rate)

    def encode(self, audio: SendAudio) -> Iterator[dict[str, object]]:
        """The events for a piece of audio, without `event_id`; their `delta` is bytes (base64 when encoded)."""
        return self._events(self._resampler.process(audio.pcm))

    def finish(self) -> Iterator[dict[str, object]]:
        """The events for what the resampler held back."""
        return self._events(self._resampler.process(np.zeros(0, np.int16), last=True))

    def _events(self, pcm: NDArray[np.int16]) -> Iterator[dict[str, object]]:
        step = self._rate * DELTA_MS // 1000
        for start in range(0, len(pcm), step):
            delta = encode_audio(pcm[start : start + step], self._format)
            yield {"type": "response.output_audio.delta", **self._place, "delta": delta}


encode_event = msgspec.json.Encoder().encode
"""A server event to the bytes of its text frame."""
