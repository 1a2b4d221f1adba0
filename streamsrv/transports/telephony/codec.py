"""The interface of the codecs, one for each provider of media streams: its messages to line events and back. Pure."""

from dataclasses import dataclass
from typing import Protocol

from streamsrv.protocol.audio_formats import Samples
from streamsrv.transports.telephony.line import CallFacts


class MalformedMessage(Exception):
    """A message of the provider that cannot be read; the text names the field, its value and what is accepted.

    `ends_stream`: without this message there is no call, as with the one that starts a stream.
    """

    def __init__(self, text: str, *, ends_stream: bool = False) -> None:
        super().__init__(text)
        self.ends_stream = ends_stream


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The first message that says which call this is; nothing may be sent before it."""

    facts: CallFacts
    format: Samples
    sample_rate: int
    """Of the audio in both directions, in Hz; `audio/pcm` streams are 16-bit little-endian at this rate."""


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


@dataclass(frozen=True, slots=True)
class ErrorReported:
    """The provider tells of an error, mostly in what was sent to it; the stream goes on."""

    text: str


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message of a kind that the codec does not know."""

    kind: str


CodecEvent = (
    StreamStarted | MediaReceived | MarkReceived | DigitReceived | StreamStopped | ErrorReported | UnknownMessage
)


class MediaCodec(Protocol):
    """Reads and writes the messages of one stream. It keeps what later messages need, such as the stream's name."""

    provider: str
    buffers: bool
    """As `Line.buffers`."""

    def read(self, message: str | bytes) -> list[CodecEvent]:
        """Read a message; messages that mean nothing for a call give nothing. Raises `MalformedMessage`."""
        ...

    def media(self, audio: bytes) -> list[str | bytes]:
        """Write audio in the stream's format. What does not fill a frame of the provider is kept for later audio."""
        ...

    def mark(self, name: str) -> list[str | bytes]:
        """Write a mark, and before it the audio that was kept, padded with silence. Nothing: there are no marks."""
        ...

    def clear(self) -> list[str | bytes]:
        """Write the order to drop what was not played. Nothing: there is none."""
        ...

    def hang_up(self) -> list[str | bytes]:
        """Write the order to end the call. Nothing: there is none in the stream."""
        ...
