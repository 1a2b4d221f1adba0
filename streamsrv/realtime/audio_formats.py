"""The three audio formats of the wire, to and from int16 samples."""

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio import g711
from streamsrv.realtime.errors import ProtocolError
from streamsrv.realtime.session_object import AudioFormat, Pcm, Pcma, Pcmu


def sample_rate(audio_format: AudioFormat) -> int:
    """Samples per second."""
    return 24_000 if isinstance(audio_format, Pcm) else 8_000


def duration_ms(audio: bytes, audio_format: AudioFormat) -> int:
    samples = len(audio) // 2 if isinstance(audio_format, Pcm) else len(audio)
    return samples * 1000 // sample_rate(audio_format)


def check_audio(audio: bytes, audio_format: AudioFormat, param: str) -> None:
    """Refuse bytes that are no whole number of samples."""
    if isinstance(audio_format, Pcm) and len(audio) % 2:
        raise ProtocolError(
            "invalid_value", f"Invalid audio: {len(audio)} bytes; 16-bit PCM needs an even number.", param
        )


def decode_audio(audio: bytes, audio_format: AudioFormat) -> NDArray[np.int16]:
    """Mono samples at the format's rate; PCM is a view of `audio`."""
    match audio_format:
        case Pcm():
            return np.frombuffer(audio, "<i2")
        case Pcmu():
            return g711.decode_mulaw(np.frombuffer(audio, np.uint8))
        case Pcma():
            return g711.decode_alaw(np.frombuffer(audio, np.uint8))


def encode_audio(pcm: NDArray[np.int16], audio_format: AudioFormat) -> bytes:
    """Mono samples at the format's rate to the bytes of the wire."""
    match audio_format:
        case Pcm():
            return pcm.astype("<i2", copy=False).tobytes()
        case Pcmu():
            return g711.encode_mulaw(pcm).tobytes()
        case Pcma():
            return g711.encode_alaw(pcm).tobytes()
