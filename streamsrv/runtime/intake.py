"""Converts a session's input audio from wire bytes to frames at 16 kHz."""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.noise_suppression import NoiseSuppressor
from streamsrv.audio.rates import OPUS_CLOCK_HZ, SPEECH_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.audio.wire_formats import AudioReader
from streamsrv.engines.vad.base import VAD_FRAME_SAMPLES
from streamsrv.protocol.session_object import AudioFormat, Opus, Pcm


class Intake:
    """Cuts appended audio into frames of `VAD_FRAME_SAMPLES` samples.

    Clients send small pieces, so audio is kept at its own rate and resampled when frames are taken, not piece by piece.
    """

    def __init__(self) -> None:
        self._read_as(Pcm())
        self._pieces: list[NDArray[np.int16]] = []
        self._waiting = 0  # samples in `_pieces`
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._suppressor: NoiseSuppressor | None = None
        self._frames = 0
        self._received_ticks = 0  # of `OPUS_CLOCK_HZ`: a sample of every format is a whole number of ticks

    @property
    def received_ms(self) -> int:
        """The length of all audio received so far."""
        return self._received_ticks * 1000 // OPUS_CLOCK_HZ

    @property
    def complete(self) -> int:
        """The number of frames that `take` would return."""
        return self._complete_with(0)

    def keep(self, audio: bytes, audio_format: AudioFormat, frames: int) -> bool:
        """Add whole samples unless they would complete `frames` frames; return whether they were added.

        Audio in another format than before and Opus packets are never added.
        """
        if audio_format != self._format or isinstance(audio_format, Opus):
            return False
        if self._complete_with(len(self._reader.read(audio))) >= frames:
            return False
        self.append(audio, audio_format)
        return True

    def append(self, audio: bytes, audio_format: AudioFormat) -> None:
        """Add wire audio: a whole number of samples, or one Opus packet.

        Raises `ProtocolError` for bytes that are not a packet; later audio is still accepted.
        """
        if audio_format != self._format:
            self._convert(last=True)
            self._read_as(audio_format)
        samples = self._reader.read(audio)
        if not len(samples):
            return
        self._pieces.append(samples)
        self._waiting += len(samples)
        self._received_ticks += len(samples) * OPUS_CLOCK_HZ // self._reader.rate

    def append_pcm(self, pcm: NDArray[np.int16]) -> None:
        """Add audio at 16 kHz. Do not mix with `append`."""
        self._received_ticks += len(pcm) * OPUS_CLOCK_HZ // SPEECH_RATE_HZ
        self._add(pcm)

    def suppress_noise(self, level: int) -> None:
        """Suppress noise from now on at this level of `NoiseSuppressor`; 0: no longer.

        Complete frames are taken before. Raises `ImportError` without the suppressor's package.
        """
        self._convert()
        self._add(np.zeros(0, np.int16), last=True)
        self._suppressor = NoiseSuppressor(level) if level else None

    def take(self) -> NDArray[np.int16]:
        """Return the complete frames, shape (n, VAD_FRAME_SAMPLES)."""
        self._convert()
        return self._cut(self._rest)

    def flush(self) -> NDArray[np.int16]:
        """Pad the incomplete last frame with silence; return all frames, shape (n, VAD_FRAME_SAMPLES)."""
        self._convert(last=True)
        self._add(np.zeros(0, np.int16), last=True)
        frames = self._cut(np.pad(self._rest, (0, -len(self._rest) % VAD_FRAME_SAMPLES)))
        self._received_ticks = self._frames * VAD_FRAME_SAMPLES * OPUS_CLOCK_HZ // SPEECH_RATE_HZ
        return frames

    def _complete_with(self, samples: int) -> int:
        # The resampler always holds back about the same length, so as much comes out as goes in.
        waiting = (self._waiting + samples) * SPEECH_RATE_HZ // self._reader.rate
        held = 0 if self._suppressor is None else self._suppressor.waiting
        return (len(self._rest) + held + waiting) // VAD_FRAME_SAMPLES

    def _read_as(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._reader = AudioReader(audio_format)
        self._resampler = StreamResampler(self._reader.rate, SPEECH_RATE_HZ)

    def _convert(self, last: bool = False) -> None:
        """Add the waiting audio, resampled to 16 kHz; with `last` also the samples that the resampler holds back."""
        audio = np.concatenate([*self._pieces, np.zeros(0, np.int16)])
        self._pieces.clear()
        self._waiting = 0
        self._add(self._resampler.process(audio, last=last))

    def _add(self, pcm: NDArray[np.int16], last: bool = False) -> None:
        """Add audio at 16 kHz to what is cut into frames, with `last` also what the suppressor holds back."""
        if self._suppressor is not None:
            pcm = self._suppressor.process(pcm, last=last)
        self._rest = np.concatenate([self._rest, pcm])

    def _cut(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        whole = len(samples) - len(samples) % VAD_FRAME_SAMPLES
        self._rest = samples[whole:].copy()
        self._frames += whole // VAD_FRAME_SAMPLES
        return samples[:whole].reshape(-1, VAD_FRAME_SAMPLES)
