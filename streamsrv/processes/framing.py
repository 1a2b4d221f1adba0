"""Encodes and decodes messages on a byte stream: each is MessagePack with a length prefix."""

import struct
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")

_LENGTH = struct.Struct("<I")
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""Longest message; a longer one is an error of the other side."""


class Heartbeat(Struct, array_like=True, tag=True):
    """A message that a worker process sends at intervals: it is alive, and uses this much."""

    cpu_s: float
    """CPU time since its start."""
    memory: int = 0
    """Bytes of memory that it holds; 0: not known."""


class Failed(Struct, array_like=True, tag=True):
    """A worker process cannot go on, for a reason that it tells the operator. It ends."""

    reason: str


Status = Heartbeat | Failed
"""What every worker process says of itself."""


class Framing(Generic[T]):
    """Encodes the messages of one kind of link. `types`: a tagged union of msgspec structs."""

    def __init__(self, types: Any) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[T | Status] = msgspec.msgpack.Decoder(types | Status)

    def encode(self, message: T | Status) -> bytes:
        """Encode a message with its length prefix."""
        body = self._encoder.encode(message)
        return _LENGTH.pack(len(body)) + body

    def decode(self, body: memoryview) -> T | Status:
        """Decode a message without its length prefix. Raises `ValueError`."""
        return self._decoder.decode(body)


class Deframer(Generic[T]):
    """Splits a byte stream into messages."""

    def __init__(self, framing: Framing[T]) -> None:
        self._framing = framing
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[T | Status]:
        """Yield the messages that `data` completes. Raises `ValueError` for an invalid message."""
        self._bytes += data
        start = 0
        while len(self._bytes) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes, start)
            if length > MAX_MESSAGE_BYTES:
                raise ValueError(f"a message has {length} bytes; at most {MAX_MESSAGE_BYTES} are accepted")
            end = start + _LENGTH.size + length
            if len(self._bytes) < end:
                break
            yield self._framing.decode(memoryview(self._bytes)[start + _LENGTH.size : end])
            start = end
        del self._bytes[:start]
