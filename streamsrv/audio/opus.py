"""Opus packets (RFC 6716) to PCM and back, by libopus as it comes with PyAV."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import groupby
from typing import Any, Literal, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError
from numpy.typing import NDArray

from streamsrv.audio.rates import OPUS_CLOCK_HZ, OPUS_FRAME_SAMPLES, PCM_RATE_HZ

MAX_FRAMES = 6
"""Frames of 20 ms in one packet: 120 ms is the longest packet there is."""
BIT_RATE = 32_000
"""Bits a second of a mono voice."""
_OPTIONS = {
    "application": "voip",
    "frame_duration": "20",
    "compression_level": "5",  # of 10: cheaper than 10 without an audible difference
}
_RESTORABLE = {
    "fec": "1",  # browsers restore most of a lost packet from the next one
    "packet_loss": "5",  # percent, to be prepared for
}
SILENCE = bytes.fromhex("d8fffe")
"""20 ms of digital silence, mono."""


class OpusError(ValueError):
    """The bytes are not an Opus packet."""


@cache
def is_available() -> bool:
    """Whether this FFmpeg has libopus. PyAV's wheels do; a system's build may not."""
    return "libopus" in av.codecs_available


def duration_ticks(packet: bytes) -> int:
    """Length in ticks of the audio in a packet, from its first bytes (RFC 6716, section 3.1); 0 if it is malformed."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    if code == 3:
        return frame * (packet[1] & 0x3F) if len(packet) > 1 else 0
    return frame * (1, 2, 2)[code]


def join(packets: Sequence[bytes]) -> list[bytes]:
    """The same audio in as few packets as possible (RFC 6716, section 3.2.5).

    `packets`: of one frame each, and 120 ms together at most. Only frames that were coded alike can share a packet.
    """
    alike = groupby(packets, key=lambda packet: packet[0])
    return [_packet(toc, [packet[1:] for packet in group]) for toc, group in alike]


def _packet(toc: int, frames: list[bytes]) -> bytes:
    """`toc`: the first byte of a packet of one frame."""
    if len(frames) == 1:
        return bytes([toc]) + frames[0]
    several_of_any_length = 0x80 | len(frames)
    lengths = b"".join(_length(len(frame)) for frame in frames[:-1])
    return bytes([toc | 3, several_of_any_length]) + lengths + b"".join(frames)


def _length(length: int) -> bytes:
    """The length of a frame (RFC 6716, section 3.2.1)."""
    if length < 252:
        return bytes([length])
    first = 252 + (length & 3)
    return bytes([first, (length - first) >> 2])


class OpusDecoder:
    """Decodes one stream of packets to mono int16 at 48 kHz."""

    def __init__(self) -> None:
        self._codec = _codec("r", OPUS_CLOCK_HZ)

    def decode(self, packet: bytes) -> NDArray[np.int16]:
        """Decode a packet of at most 120 ms; stereo is mixed down. Raises `OpusError`; later packets still decode."""
        if not packet:
            raise OpusError("The packet is empty.")
        try:
            frames = self._codec.decode(av.Packet(packet))
        except FFmpegError as error:
            raise OpusError(str(error)) from error
        return np.concatenate([frame.to_ndarray()[0] for frame in frames]) if frames else np.zeros(0, np.int16)


class OpusEncoder:
    """Encodes frames of speech to packets of 20 ms.

    `lossy`: the network may lose packets; each loss then harms no more than its own 20 ms.
    """

    def __init__(self, *, lossy: bool) -> None:
        self._codec = _codec("w", PCM_RATE_HZ)
        self._codec.bit_rate = BIT_RATE
        self._codec.time_base = Fraction(1, PCM_RATE_HZ)
        self._codec.options = _OPTIONS | _RESTORABLE if lossy else _OPTIONS
        self._codec.open()
        self._samples = 0

    @property
    def delay_samples(self) -> int:
        """Delay of the decoded audio, in samples at 24 kHz (pre-skip)."""
        head = cast("bytes", self._codec.extradata)  # "OpusHead" (RFC 7845, section 5.1); its pre-skip is in ticks
        return int.from_bytes(head[10:12], "little") * PCM_RATE_HZ // OPUS_CLOCK_HZ

    def encode(self, frame: NDArray[np.int16]) -> bytes:
        """`frame`: 20 ms, mono at 24 kHz."""
        audio = av.AudioFrame.from_ndarray(frame[None], format="s16", layout="mono")
        audio.sample_rate = PCM_RATE_HZ
        audio.pts, audio.time_base = self._samples, Fraction(1, PCM_RATE_HZ)
        self._samples += len(frame)
        packets = cast("list[Any]", self._codec.encode(audio))
        return b"".join(map(bytes, packets))


@dataclass(frozen=True, slots=True)
class Piece:
    """A packet of a stream, with the samples (at 24 kHz) that a decoder must drop from it.

    `pre_skip`: from the beginning of the first packet; `end_trim`: from the end of the last one.
    """

    packet: bytes
    pre_skip: int = 0
    end_trim: int = 0


class OpusStream:
    """Encodes audio of any length to packets of up to 120 ms that decode to exactly that length."""

    def __init__(self) -> None:
        self._encoder = OpusEncoder(lossy=False)
        self._rest = np.zeros(0, np.int16)
        self._pre_skip = self._encoder.delay_samples

    def encode(self, pcm: NDArray[np.int16]) -> Iterator[Piece]:
        """Encode mono audio at 24 kHz lazily, packet by packet. The last incomplete 20 ms are held back."""
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) - len(pcm) % OPUS_FRAME_SAMPLES
        self._rest = pcm[whole:]
        frames = pcm[:whole].reshape(-1, OPUS_FRAME_SAMPLES)
        for start in range(0, len(frames), MAX_FRAMES):
            for packet in join([self._encoder.encode(frame) for frame in frames[start : start + MAX_FRAMES]]):
                pre_skip, self._pre_skip = self._pre_skip, 0
                yield Piece(packet, pre_skip)

    def finish(self) -> Iterator[Piece]:
        """Encode what was held back here and in the encoder."""
        delay_samples = self._encoder.delay_samples
        padding = -(len(self._rest) + delay_samples) % OPUS_FRAME_SAMPLES
        *pieces, last = self.encode(np.zeros(delay_samples + padding, np.int16))
        yield from pieces
        yield replace(last, end_trim=padding)


def _codec(mode: Literal["r", "w"], sample_rate: int) -> AudioCodecContext:
    codec = AudioCodecContext.create("libopus", mode)
    codec.format, codec.layout, codec.sample_rate = "s16", "mono", sample_rate
    return codec
