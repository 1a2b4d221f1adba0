"""Codecs of the wire's audio formats: bytes of events to and from int16 samples."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio import g711, opus
from streamsrv.audio.rates import OPUS_CLOCK_HZ
from streamsrv.protocol.audio_formats import Samples, sample_rate
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import AudioFormat, Opus, Pcm, Pcma, Pcmu

DELTA_MS = 200
"""Audio in one event: a compromise between few events and small frames."""


def decode_audio(audio: bytes, audio_format: Samples) -> NDArray[np.int16]:
    """Mono samples at the format's rate; PCM is a view of `audio`."""
    match audio_format:
        case Pcm():
            return np.frombuffer(audio, "<i2")
        case Pcmu():
            return g711.decode_mulaw(np.frombuffer(audio, np.uint8))
        case Pcma():
            return g711.decode_alaw(np.frombuffer(audio, np.uint8))


def encode_audio(pcm: NDArray[np.int16], audio_format: Samples) -> bytes:
    """Mono samples at the format's rate to the bytes of the wire."""
    match audio_format:
        case Pcm():
            return pcm.astype("<i2", copy=False).tobytes()
        case Pcmu():
            return g711.encode_mulaw(pcm).tobytes()
        case Pcma():
            return g711.encode_alaw(pcm).tobytes()


class AudioReader:
    """The audio of a client, piece by piece, to mono samples at `rate` Hz."""

    rate: int

    def __init__(self, audio_format: AudioFormat) -> None:
        self._decode: Callable[[bytes], NDArray[np.int16]]
        if isinstance(audio_format, Opus):
            self.rate, self._decode = OPUS_CLOCK_HZ, opus.OpusDecoder().decode
        else:
            self.rate, self._decode = sample_rate(audio_format), partial(decode_audio, audio_format=audio_format)

    def read(self, audio: bytes) -> NDArray[np.int16]:
        """`audio`: a whole number of samples, or one Opus packet; raises `ProtocolError` for anything else."""
        try:
            return self._decode(audio)
        except opus.OpusError:
            message = f"Invalid audio: {len(audio)} bytes that are no Opus packet."
            raise ProtocolError("invalid_value", message, "audio") from None


class AudioWriter(Protocol):
    """Turns mono samples at the format's rate into fields of `response.output_audio.delta` events of one item."""

    def write(self, pcm: NDArray[np.int16]) -> Iterator[dict[str, Any]]:
        """Yield the fields of each event lazily: `delta` (bytes, base64 when encoded) and those of the format."""
        ...

    def finish(self) -> Iterator[dict[str, Any]]:
        """Yield the fields of the events for audio that was held back."""
        ...


def open_writer(audio_format: AudioFormat) -> AudioWriter:
    """Open a writer for one item."""
    return _PacketWriter() if isinstance(audio_format, Opus) else _SampleWriter(audio_format)


class _SampleWriter:
    def __init__(self, audio_format: Samples) -> None:
        self._format = audio_format
        self._step = sample_rate(audio_format) * DELTA_MS // 1000

    def write(self, pcm: NDArray[np.int16]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(pcm), self._step):
            yield {"delta": encode_audio(pcm[start : start + self._step], self._format)}

    def finish(self) -> Iterator[dict[str, Any]]:
        return iter(())


class _PacketWriter:
    def __init__(self) -> None:
        self._stream = opus.OpusStream()

    def write(self, pcm: NDArray[np.int16]) -> Iterator[dict[str, Any]]:
        return map(_packet_fields, self._stream.encode(pcm))

    def finish(self) -> Iterator[dict[str, Any]]:
        return map(_packet_fields, self._stream.finish())


def _packet_fields(piece: opus.Piece) -> dict[str, Any]:
    cuts = {name: samples for name in ("pre_skip", "end_trim") if (samples := getattr(piece, name))}
    return {"delta": piece.packet, **({"streamsrv": cuts} if cuts else {})}
