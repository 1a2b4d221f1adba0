"""Audio that comes whole with an item of the client. Pure."""

from streamsrv.protocol.audio_formats import check_audio, duration_ms
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.items import InputAudio, Item, MessageItem
from streamsrv.protocol.session_object import AudioFormat, Opus

MAX_WAITING_MS = 600_000
"""Audio that may wait for its transcript, in one session."""


def take_clip(item: Item, audio_format: AudioFormat, waiting_ms: int) -> tuple[bytes, int]:
    """Take the audio that has no transcript out of an item; return it and its length in ms.

    `waiting_ms`: audio that waits for its transcript already. Raises `ProtocolError` for audio that is malformed or too
    much.
    """
    clips: list[bytes] = []
    for part in item.content if isinstance(item, MessageItem) else ():
        if isinstance(part, InputAudio):
            if part.audio and not part.transcript:
                clips.append(part.audio)
            part.audio = None
    clip = b"".join(clips)
    if isinstance(audio_format, Opus):
        if clip:
            message = "Audio in an item cannot be 'audio/opus': set 'audio.input.format' to 'audio/pcm' for it."
            raise ProtocolError("invalid_value", message, "item.content")
        return clip, 0
    check_audio(clip, audio_format, "item.content")
    clip_ms = duration_ms(clip, audio_format)
    if clip and waiting_ms + clip_ms > MAX_WAITING_MS:
        seconds = (waiting_ms + clip_ms) // 1000
        raise ProtocolError("invalid_value", f"{seconds} s of audio would wait for words.", "item.content")
    return clip, clip_ms
