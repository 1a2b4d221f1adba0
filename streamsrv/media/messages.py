"""What the server's process and its media processes tell each other about calls, and how it is framed.

`call` is a number that the server gives each call. Audio is mono int16 in the machine's byte order.
"""

import struct
from collections.abc import Iterator

import msgspec
from msgspec import Struct

_LENGTH = struct.Struct("<I")
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""Longer ones cannot come from the other side as we know it."""


class Message(Struct, array_like=True, tag=True):
    """Of one call."""

    call: int


class IceServer(Struct, array_like=True):
    url: str
    username: str | None = None
    password: str | None = None


class Configure(Struct, array_like=True, tag=True):
    """To the media process, first of all.

    `hosts`: addresses to offer as ICE candidates; none: those of all interfaces, and of loopback if `offer_loopback`.
    """

    hosts: list[str]
    ice_servers: list[IceServer]
    offer_loopback: bool = False


class CpuTime(Struct, array_like=True, tag=True):
    """From the media process, twice a second: the CPU time that it has used."""

    seconds: float


class Offer(Message):
    """To the media process: answer this SDP. Comes back as `Answer` or `Refused`."""

    sdp: str


class Answer(Message):
    """`max_event_bytes`: what the client takes in one message of its data channel; 0: any length.

    `hears`: whether the client takes audio.
    """

    sdp: str
    max_event_bytes: int
    hears: bool


class Refused(Message):
    """The offer cannot be answered: an error for the client."""

    code: str
    text: str


class Opened(Message):
    """The client is connected and can be sent events."""


class Event(Message):
    """An event of the protocol as JSON, either way."""

    text: str


class Microphone(Message):
    """Audio of the client, 16 kHz."""

    pcm: bytes


class Speech(Message):
    """To be played: audio of an item."""

    item_id: str
    sample_rate: int
    pcm: bytes


class SpeechFinished(Message):
    """All audio of an item was given."""

    item_id: str


class Hold(Message): ...


class Resume(Message): ...


class Clear(Message): ...


class PlayedUntil(Message):
    item_id: str
    audio_ms: int
    ended: bool


class HangUp(Message): ...


class Ended(Message):
    """The last message of a call."""

    reason: str


Frame = Configure | CpuTime | Message
_ANY = (
    Configure
    | CpuTime
    | Offer
    | Answer
    | Refused
    | Opened
    | Event
    | Microphone
    | Speech
    | SpeechFinished
    | Hold
    | Resume
    | Clear
    | PlayedUntil
    | HangUp
    | Ended
)

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_ANY)


def encode(message: Frame) -> bytes:
    """A message with its length in front."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Deframer:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The messages that are complete with `data`; raises `ValueError` for what is none."""
        self._bytes += data
        start = 0
        while len(self._bytes) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes, start)
            if length > MAX_MESSAGE_BYTES:
                raise ValueError(f"a message of {length} bytes; at most {MAX_MESSAGE_BYTES}")
            end = start + _LENGTH.size + length
            if len(self._bytes) < end:
                break
            yield _decoder.decode(memoryview(self._bytes)[start + _LENGTH.size : end])
            start = end
        del self._bytes[:start]
