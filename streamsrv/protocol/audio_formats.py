"""Sample rates and lengths of the wire's audio formats. Their codecs are in `audio.wire_formats`."""

from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import AudioFormat, Pcm, Pcma, Pcmu

Samples = Pcm | Pcmu | Pcma
"""Formats with one code for each sample: a stream may be cut after any sample."""


def sample_rate(audio_format: AudioFormat) -> int:
    """Return the samples per second."""
    return 8_000 if isinstance(audio_format, Pcmu | Pcma) else 24_000


def duration_ms(audio: bytes, audio_format: Samples) -> int:
    """Return the length of `audio` in ms, rounded down."""
    samples = len(audio) // 2 if isinstance(audio_format, Pcm) else len(audio)
    return samples * 1000 // sample_rate(audio_format)


def is_whole(audio: bytes, audio_format: AudioFormat) -> bool:
    """Return whether the bytes may be a whole number of samples."""
    return not isinstance(audio_format, Pcm) or len(audio) % 2 == 0


def check_audio(audio: bytes, audio_format: AudioFormat, param: str) -> None:
    """Raise `ProtocolError` for bytes that are not a whole number of samples."""
    if not is_whole(audio, audio_format):
        raise ProtocolError(
            "invalid_value", f"Invalid audio: {len(audio)} bytes; 16-bit PCM needs an even number.", param
        )
