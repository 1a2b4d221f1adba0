"""Opus packets (RFC 6716) to PCM and back, 20 ms at a time, by libopus as it comes with PyAV."""

from fractions import Fraction
from typing import Any, Literal, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError
from numpy.typing import NDArray

from streamsrv.webrtc.jitter_buffer import CLOCK_RATE, Lost, Released
from streamsrv.webrtc.playout import SAMPLE_RATE

BIT_RATE = 32_000
"""Bits a second of a mono voice."""
_OPTIONS = {
    "application": "voip",
    "frame_duration": "20",
    "compression_level": "5",  # of 10; a tenth less time than 10, and nobody hears it
    "fec": "1",  # browsers restore most of a lost packet from the next one
    "packet_loss": "5",  # percent, to be prepared for
}
MAX_CONCEALED = CLOCK_RATE * 60 // 1000
"""Ticks of a loss that are made up; what is missing beyond is silence, because libopus only fades out anyway."""
SILENCE = bytes.fromhex("d8fffe")
"""20 ms of digital silence, mono."""


def duration(packet: bytes) -> int:
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


class OpusDecoder:
    """One stream of packets to mono int16 at 48 kHz."""

    def __init__(self) -> None:
        self._codec = _codec("r", CLOCK_RATE)
        self._toc = SILENCE[0] & ~3

    def decode(self, released: Released) -> NDArray[np.int16]:
        """The audio of a packet, or what stands in for audio that did not come."""
        if isinstance(released, bytes):
            self._toc = released[0] & ~3
            try:
                return self._decode(released)
            except FFmpegError:  # whoever sends no Opus is heard as one whose packets are lost
                released = Lost(duration(released))
        if isinstance(released, Lost):
            return self._conceal(released.ticks)
        return np.zeros(released.ticks, np.int16)

    def _conceal(self, ticks: int) -> NDArray[np.int16]:
        # A packet of which nothing but the first byte is left has a frame of no length, which stands for a lost one
        # (RFC 6716, section 3.2.1): libopus then makes up audio of that frame's duration.
        lost = bytes([self._toc])
        pieces = [self._decode(lost) for _ in range(0, min(ticks, MAX_CONCEALED), duration(lost))]
        made_up = np.concatenate(pieces)[:ticks] if pieces else np.zeros(0, np.int16)
        return np.pad(made_up, (0, ticks - len(made_up)))

    def _decode(self, packet: bytes) -> NDArray[np.int16]:
        frames = self._codec.decode(av.Packet(packet))
        return np.concatenate([frame.to_ndarray()[0] for frame in frames]) if frames else np.zeros(0, np.int16)


class OpusEncoder:
    """Frames of a voice to packets, each of which can be lost without harm to more than its own 20 ms."""

    def __init__(self) -> None:
        self._codec = _codec("w", SAMPLE_RATE)
        self._codec.bit_rate = BIT_RATE
        self._codec.time_base = Fraction(1, SAMPLE_RATE)
        self._codec.options = _OPTIONS
        self._samples = 0

    def encode(self, frame: NDArray[np.int16]) -> bytes:
        """`frame`: 20 ms, mono at 24 kHz."""
        audio = av.AudioFrame.from_ndarray(frame[None], format="s16", layout="mono")
        audio.sample_rate = SAMPLE_RATE
        audio.pts, audio.time_base = self._samples, Fraction(1, SAMPLE_RATE)
        self._samples += len(frame)
        packets = cast("list[Any]", self._codec.encode(audio))
        return b"".join(map(bytes, packets))


def _codec(mode: Literal["r", "w"], sample_rate: int) -> AudioCodecContext:
    codec = AudioCodecContext.create("libopus", mode)
    codec.format, codec.layout, codec.sample_rate = "s16", "mono", sample_rate
    return codec
