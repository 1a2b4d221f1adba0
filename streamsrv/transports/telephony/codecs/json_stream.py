"""The codec of streams of JSON messages with audio in base64, which four providers have in dialects. Pure."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from streamsrv.protocol.audio_formats import Samples
from streamsrv.protocol.session_object import Pcmu
from streamsrv.transports.telephony.codec import (
    CodecEvent,
    DigitReceived,
    MalformedMessage,
    MarkReceived,
    MediaReceived,
    StreamStarted,
    StreamStopped,
    UnknownMessage,
)
from streamsrv.transports.telephony.codecs.fields import (
    Fields,
    digit,
    number,
    optional_text,
    parse,
    payload,
    section,
    shown,
    text,
    whole_samples,
)

MUTE: list[CodecEvent] = []
"""What a known message gives that means nothing for a call."""


class JsonStream:
    """Reads the messages that the dialects share; each dialect adds its own readers, by the name of the event."""

    provider: str
    buffers = True
    """True: all of them play audio that is sent ahead."""

    def __init__(self) -> None:
        self._format: Samples = Pcmu()
        self._stream_id = ""
        self._readers: dict[str, Callable[[Fields], list[CodecEvent]]] = {
            "connected": lambda _: MUTE,
            "start": self._read_start,
            "media": self._read_media,
            "dtmf": self._read_dtmf,
            "mark": self._read_mark,
            "stop": self._read_stop,
        }

    def read(self, message: str | bytes) -> list[CodecEvent]:
        """Read a message; see `MediaCodec`."""
        fields = parse(message)
        event = fields.get("event")
        if not isinstance(event, str):
            raise MalformedMessage(f"event: {shown(event)} is no text")
        reader = self._readers.get(event)
        if reader is None:
            return [UnknownMessage(event[:64])]
        try:
            return reader(fields)
        except MalformedMessage as error:
            raise MalformedMessage(f"{event}: {error}", ends_stream=event == "start" or error.ends_stream) from error

    def hang_up(self) -> list[str | bytes]:
        """Write nothing: no dialect has a message that ends the call."""
        return []

    def start(self, fields: Fields) -> StreamStarted:
        """Read the message that starts a stream."""
        raise NotImplementedError

    def _read_start(self, fields: Fields) -> list[CodecEvent]:
        started = self.start(fields)
        self._format = started.format
        return [started]

    def _read_media(self, fields: Fields) -> list[CodecEvent]:
        media = section(fields, "media")
        if optional_text(media, "track").startswith("outbound"):
            return MUTE  # what the caller hears
        audio = whole_samples(payload(media, "payload", where="media."), self._format, "media.payload")
        return [MediaReceived(audio, number(media, "chunk", where="media."))] if audio else MUTE

    def _read_dtmf(self, fields: Fields) -> list[CodecEvent]:
        return [DigitReceived(digit(section(fields, "dtmf"), "digit", where="dtmf."))]

    def _read_mark(self, fields: Fields) -> list[CodecEvent]:
        return [MarkReceived(text(section(fields, "mark"), "name", where="mark."))]

    def _read_stop(self, fields: Fields) -> list[CodecEvent]:
        stop = fields.get("stop")
        return [StreamStopped(optional_text(stop, "reason") if isinstance(stop, dict) else "")]  # pyright: ignore[reportUnknownArgumentType]


def write(event: str, **fields: Any) -> str:
    """Write a message with these fields."""
    return msgspec.json.encode({"event": event, **fields}).decode()


def in_base64(audio: bytes) -> str:
    return base64.b64encode(audio).decode()
