"""The session's input audio: from bytes of the wire to 32 ms frames at 16 kHz."""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.resample import StreamResampler
from streamsrv.realtime.audio_formats import decode_audio, sample_rate
from streamsrv.realtime.session_object import AudioFormat
from streamsrv.vad.base import FRAME_SAMPLES, SAMPLE_RATE


class Intake:
    """Cuts appended audio into frames; what does not fill a frame waits for more."""

    def __init__(self) -> None:
        self._format: AudioFormat | None = None
        self._resampler = StreamResampler(SAMPLE_RATE, SAMPLE_RATE)
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._samples = 0

    @property
    def received_ms(self) -> int:
        """Length of all audio so far."""
        return self._samples * 1000 // SAMPLE_RATE

    def append(self, audio: bytes, audio_format: AudioFormat) -> NDArray[np.int16]:
        """Take audio of the wire (a whole number of samples); return the frames now complete, shape (n, 512)."""
        if audio_format != self._format:
            self._format = audio_format
            self._resampler = StreamResampler(sample_rate(audio_format), SAMPLE_RATE)
        return self._cut(self._resampler.process(decode_audio(audio, audio_format)))

    def flush(self) -> NDArray[np.int16]:
        """Fill what waits with silence, because the audio so far is committed; return the frames, shape (n, 512)."""
        tail = self._resampler.process(np.zeros(0, np.int16), last=True)
        missing = -(len(self._rest) + len(tail)) % FRAME_SAMPLES
        return self._cut(np.concatenate([tail, np.zeros(missing, np.int16)]))

    def _cut(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        self._samples += len(samples)
        joined = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(joined) - len(joined) % FRAME_SAMPLES
        self._rest = joined[whole:].copy()
        return joined[:whole].reshape(-1, FRAME_SAMPLES)
