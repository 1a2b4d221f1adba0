"""Recorded audio in an item that the client creates. Pure."""

from collections.abc import Collection

from streamsrv.core.turns.input_buffer import MIN_COMMIT_MS
from streamsrv.protocol.audio_formats import check_audio, duration_ms
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.items import InputAudio, Item, MessageItem
from streamsrv.protocol.session_object import AudioFormat, Opus

MAX_WAITING_MS = 600_000
"""Recorded audio that may await its transcript, in one session."""
MAX_WAITING = 16
"""Items with audio that may await their transcripts, however short the audio is."""


def take_clip(item: Item, audio_format: AudioFormat, waiting_ms: Collection[int]) -> tuple[bytes, int]:
    """Take the audio that has no transcript out of an item; return it and its length in ms.

    `waiting_ms`: the lengths of the clips that await their transcripts already. Raises `ProtocolError` for audio that
    is malformed, too short or too much.
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
    if clip:
        _check_room(clip_ms, waiting_ms)
    return clip, clip_ms


def _check_room(clip_ms: int, waiting_ms: Collection[int]) -> None:
    if clip_ms < MIN_COMMIT_MS:
        message = f"Invalid audio of {clip_ms} ms in an item: at least {MIN_COMMIT_MS} ms are accepted."
        raise ProtocolError("invalid_value", message, "item.content")
    if len(waiting_ms) >= MAX_WAITING:
        message = f"{len(waiting_ms)} items wait for their transcripts: audio in one more is accepted when one has it."
        raise ProtocolError("invalid_value", message, "item.content")
    total_ms = sum(waiting_ms) + clip_ms
    if total_ms > MAX_WAITING_MS:
        message = (
            f"{total_ms // 1000} s of audio would wait for words: at most {MAX_WAITING_MS // 1000} s are accepted."
        )
        raise ProtocolError("invalid_value", message, "item.content")
