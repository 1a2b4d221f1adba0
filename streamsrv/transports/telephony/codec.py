"""The interface of the codecs, one for each provider of media streams: its messages to line events and back. Pure."""

from dataclasses import dataclass
from typing import Protocol

from streamsrv.protocol.session_object import AudioFormat
from streamsrv.transports.telephony.line import CallFacts


class MalformedMessage(Exception):
    """A message of the provider that cannot be read; the text names the field, its value and what is accepted."""


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The first message that says which call this is; nothing may be sent before it."""

    facts: CallFacts
    format: AudioFormat


@dataclass(frozen=True, slots=True)
class MediaReceived:
    """Audio of the caller in the format of the stream. `number`: its place in the stream; None: the order is kept."""

    audio: bytes
    number: int | None = None


@dataclass(frozen=True, slots=True)
class MarkReceived:
    name: str


@dataclass(frozen=True, slots=True)
class DigitReceived:
    digit: str


@dataclass(frozen=True, slots=True)
class StreamStopped:
    """The provider ends the stream."""

    reason: str


CodecEvent = StreamStarted | MediaReceived | MarkReceived | DigitReceived | StreamStopped


class MediaCodec(Protocol):
    """Reads and writes the messages of one stream. It keeps what later messages need, such as the stream's name."""

    provider: str
    buffers: bool
    """As `Line.buffers`."""

    def read(self, message: str | bytes) -> list[CodecEvent]:
        """Read a message; messages that mean nothing for a call give nothing. Raises `MalformedMessage`."""
        ...

    def media(self, audio: bytes) -> str | bytes:
        """Write audio in the stream's format."""
        ...

    def mark(self, name: str) -> str | None:
        """Write a mark; None: the provider has none."""
        ...

    def clear(self) -> str | None:
        """Write the order to drop what was not played; None: the provider has none."""
        ...

    def hang_up(self) -> str | None:
        """Write the order to end the call; None: closing the socket does."""
        ...
