"""Messages on a stream of bytes: each is MessagePack with its length in front."""

import struct
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")

_LENGTH = struct.Struct("<I")
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""A longer message is taken for an error of the other side."""


class Heartbeat(Struct, array_like=True, tag=True):
    """From a worker process, twice a second: it is alive, and has used so much CPU time."""

    cpu_s: float


class Framing(Generic[T]):
    """Encodes the messages of one kind of link. `types`: a tagged union of msgspec structs."""

    def __init__(self, types: Any) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[T | Heartbeat] = msgspec.msgpack.Decoder(types | Heartbeat)

    def encode(self, message: T | Heartbeat) -> bytes:
        """Encode a message with its length in front."""
        body = self._encoder.encode(message)
        return _LENGTH.pack(len(body)) + body

    def decode(self, body: memoryview) -> T | Heartbeat:
        """Decode a message without its length; raises `ValueError`."""
        return self._decoder.decode(body)


class Deframer(Generic[T]):
    """Cuts a stream of bytes into messages."""

    def __init__(self, framing: Framing[T]) -> None:
        self._framing = framing
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[T | Heartbeat]:
        """Yield the messages that are complete with `data`; raises `ValueError` for bytes that are no message."""
        self._bytes += data
        start = 0
        while len(self._bytes) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes, start)
            if length > MAX_MESSAGE_BYTES:
                raise ValueError(f"a message of {length} bytes; at most {MAX_MESSAGE_BYTES}")
            end = start + _LENGTH.size + length
            if len(self._bytes) < end:
                break
            yield self._framing.decode(memoryview(self._bytes)[start + _LENGTH.size : end])
            start = end
        del self._bytes[:start]
