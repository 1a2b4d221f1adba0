"""The interface of the peers: a provider's end of a media stream, with its own names, encodings and rules. Pure.

A peer is strict: what its provider would refuse or play wrongly is a `Violation`, so that a server's mistake is seen
without the provider.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.wire_formats import decode_audio, encode_audio
from streamsrv.protocol.audio_formats import Samples
from streamsrv.protocol.session_object import Pcm, Pcma, Pcmu

MAX_QUOTED = 80


class Violation(Exception):
    """The server has sent what the provider does not accept; the text says what, as a sentence."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a provider says of a call. `account`, `stream`: its names of the customer and of the stream."""

    call_id: str
    caller: str = ""
    called: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    account: str = "AC00000000000000000000000000000000"
    stream: str = "MZ00000000000000000000000000000000"


@dataclass(frozen=True, slots=True)
class Play:
    """Audio for the caller, mono at the rate of the peer."""

    pcm: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Mark:
    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    pass


@dataclass(frozen=True, slots=True)
class HangUp:
    """The server ends the call."""


Order = Play | Mark | Clear | HangUp
Message = str | bytes


class Peer(Protocol):
    """Reads what a server sends and writes what the provider sends. It counts chunks and messages."""

    provider: str
    sample_rate: int
    """Of the audio in both directions, in Hz."""
    chunk_ms: int
    """How much of the caller's audio is in a message."""
    keeps_order: bool
    """Whether the provider always sends the caller's audio in order."""
    clear_passes_marks: bool
    """Whether `clear` makes the marks pass before which audio was dropped."""

    def opening(self) -> Sequence[Message]:
        """Write what is sent before any audio."""
        ...

    def media(self, pcm: NDArray[np.int16]) -> Message:
        """Write the next chunk of the caller's audio."""
        ...

    def skip(self) -> None:
        """Count a chunk that is lost."""
        ...

    def digit(self, digit: str) -> Message:
        """Write that the caller pressed a key."""
        ...

    def passed(self, mark: str) -> Message | None:
        """Write that a mark has passed; None: the provider does not tell."""
        ...

    def cleared(self) -> Message | None:
        """Write that `clear` was obeyed; None: the provider does not tell."""
        ...

    def closing(self) -> Sequence[Message]:
        """Write what is sent when the caller hangs up."""
        ...

    def read(self, message: Message) -> Order:
        """Read a message of the server; raises `Violation`."""
        ...


class JsonPeer:
    """What the peers with messages in JSON and audio in base64 share."""

    provider: str
    chunk_ms = 20
    keeps_order = True
    clear_passes_marks = True

    def __init__(self, identity: Identity, audio: Samples, sample_rate: int) -> None:
        self.identity = identity
        self.sample_rate = sample_rate
        self._audio = audio
        self._sequence = 0
        self._chunk = 0

    @property
    def _timestamp_ms(self) -> int:
        return self._chunk * self.chunk_ms

    def skip(self) -> None:
        """Count a chunk that is lost."""
        self._chunk += 1

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _payload(self, pcm: NDArray[np.int16]) -> str:
        self._chunk += 1
        return base64.b64encode(encode_audio(pcm, self._audio)).decode()

    def _decode(self, media: object) -> NDArray[np.int16]:
        """Return the audio of a `media` object; raises `Violation`."""
        payload = section(media, "media").get("payload")
        try:
            audio = base64.b64decode(payload, validate=True)  # pyright: ignore[reportArgumentType]
        except (binascii.Error, TypeError, ValueError):
            raise Violation(f"media.payload is not base64: {quote(payload)}.") from None
        if not audio:
            raise Violation("media.payload is empty.")
        if isinstance(self._audio, Pcm) and len(audio) % 2:
            raise Violation(f"media.payload has {len(audio)} bytes, which are no whole samples.")
        return decode_audio(audio, self._audio)


def audio_of(encoding: str) -> Samples:
    """Return the format of an encoding: `mulaw`, `alaw` or `l16`."""
    formats: dict[str, Samples] = {"mulaw": Pcmu(), "alaw": Pcma(), "l16": Pcm()}
    return formats[encoding]


def write(**fields: Any) -> str:
    return msgspec.json.encode(fields).decode()


def parse(message: Message) -> dict[str, Any]:
    """Return the fields of a text message; raises `Violation`."""
    if isinstance(message, bytes):
        raise Violation("A binary message came; the provider takes texts.")
    try:
        return msgspec.json.decode(message, type=dict[str, Any])
    except msgspec.DecodeError:
        raise Violation(f"A message is no JSON object: {quote(message)}.") from None


def section(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Violation(f"{name} is no object: {quote(value)}.")
    return value  # pyright: ignore[reportUnknownVariableType]


def require_equal(fields: Mapping[str, Any], name: str, expected: str) -> None:
    """Check the name of the stream in a message; raises `Violation`."""
    if fields.get(name) != expected:
        raise Violation(f"{name} is {quote(fields.get(name))}; the stream is {expected!r}.")


def mark_name(value: object, field_name: str) -> str:
    if not isinstance(value, str) or not value:
        raise Violation(f"{field_name} is no name: {quote(value)}.")
    return value


def quote(value: object) -> str:
    return repr(value)[:MAX_QUOTED]
