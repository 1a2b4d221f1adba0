"""Encodes streamed speech: MP3, Opus, AAC and FLAC through FFmpeg; WAV and raw PCM without it."""

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from streamsrv.audio.rates import PCM_RATE_HZ

AudioEncoding = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]

MEDIA_TYPES: dict[AudioEncoding, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}

_UNKNOWN_SIZE = 0xFFFFFFFF
"""Length in the header of a WAV file while the real one is unknown; players then read to the end."""


class AudioEncoder(Protocol):
    """Writes one file. Both methods block while they compute; one call at a time."""

    def encode(self, pcm: NDArray[np.int16]) -> bytes:
        """Encode mono PCM at 24 kHz of any length; return the bytes that are complete, perhaps none."""
        ...

    def finish(self) -> bytes:
        """Return the end of the file."""
        ...


def open_encoder(encoding: AudioEncoding) -> AudioEncoder:
    """Begin a file."""
    if encoding in _CODECS:
        return _FFmpegEncoder(_CODECS[encoding])
    return _PcmEncoder(_wav_header() if encoding == "wav" else b"")


@dataclass(frozen=True, slots=True)
class _Codec:
    container: str
    name: str
    options: dict[str, str]
    """Options of the container: they forbid what needs the final length or delays the output."""
    sample_rate: int = PCM_RATE_HZ
    bit_rate: int | None = None


_CODECS: dict[str, _Codec] = {
    "mp3": _Codec("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}, bit_rate=64_000),
    "opus": _Codec("ogg", "libopus", {"page_duration": "200000"}, sample_rate=48_000, bit_rate=48_000),
    "aac": _Codec("adts", "aac", {}, bit_rate=64_000),
    "flac": _Codec("flac", "flac", {}),
}


class _Sink:
    """A file without seeking, from which `take` removes what was written."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class _FFmpegEncoder:
    def __init__(self, codec: _Codec) -> None:
        self._sink = _Sink()
        self._container = av.open(self._sink, "w", format=codec.container, container_options=codec.options)
        stream = self._container.add_stream(codec.name, rate=codec.sample_rate)
        assert isinstance(stream, AudioStream)
        stream.codec_context.layout = "mono"
        stream.codec_context.thread_count = 1
        if codec.bit_rate is not None:
            stream.codec_context.bit_rate = codec.bit_rate
        self._stream = stream
        self._samples = 0

    def encode(self, pcm: NDArray[np.int16]) -> bytes:
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = PCM_RATE_HZ
        frame.pts, frame.time_base = self._samples, Fraction(1, PCM_RATE_HZ)
        self._samples += len(pcm)
        self._container.mux(self._stream.encode(frame))
        return self._sink.take()

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()


class _PcmEncoder:
    """16-bit little-endian samples after a header."""

    def __init__(self, header: bytes) -> None:
        self._header = header

    def encode(self, pcm: NDArray[np.int16]) -> bytes:
        header, self._header = self._header, b""
        return header + pcm.astype("<i2", copy=False).tobytes()

    def finish(self) -> bytes:
        return b""


def _wav_header() -> bytes:
    """RIFF header of mono 16-bit PCM (Microsoft's "Multimedia Programming Interface and Data Specifications 1.0")."""
    channels, width = 1, 2
    form = struct.pack("<HHIIHH", 1, channels, PCM_RATE_HZ, PCM_RATE_HZ * channels * width, channels * width, 8 * width)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", _UNKNOWN_SIZE)
    return b"RIFF" + struct.pack("<I", _UNKNOWN_SIZE) + b"WAVE" + chunks
