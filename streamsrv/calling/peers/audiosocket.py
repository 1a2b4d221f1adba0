"""AudioSocket of Asterisk: docs.asterisk.org, "AudioSocket". Pure.

A message is a type (1 byte), the length of its payload (2 bytes, the most significant first), and the payload.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamsrv.calling.peers.base import HangUp, Identity, Message, Order, Play, Violation

HANG_UP, NAME, DIGIT, AUDIO, ERROR = 0x00, 0x01, 0x03, 0x10, 0xFF
HEADER_BYTES = 3


class AudioSocketPeer:
    """Audio is 16-bit linear at 8 kHz in frames of 20 ms. There are no marks: audio is played as it comes.

    The name of the call has to be a UUID.
    """

    provider = "audiosocket"
    sample_rate = 8_000
    chunk_ms = 20
    keeps_order = True
    clear_passes_marks = False

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def opening(self) -> Sequence[Message]:
        """Write the name of the call."""
        return [frame(NAME, bytes.fromhex(self.identity.call_id.replace("-", "")))]

    def media(self, pcm: NDArray[np.int16]) -> Message:
        """Write audio."""
        return frame(AUDIO, pcm.astype("<i2").tobytes())

    def skip(self) -> None:
        """Count nothing: frames have no number."""

    def digit(self, digit: str) -> Message:
        """Write a key."""
        return frame(DIGIT, digit.encode("ascii"))

    def passed(self, mark: str) -> None:
        """Write nothing."""

    def cleared(self) -> None:
        """Write nothing."""

    def closing(self) -> Sequence[Message]:
        """Write the end of the call."""
        return [frame(HANG_UP, b"")]

    def read(self, message: Message) -> Order:
        """Read audio or the end of the call."""
        assert isinstance(message, bytes)
        kind, payload = message[0], message[HEADER_BYTES:]
        match kind:
            case 0x10:
                if not payload or len(payload) % 2:
                    raise Violation(f"An audio frame has {len(payload)} bytes, which are no whole samples.")
                return Play(np.frombuffer(payload, "<i2").astype(np.int16))
            case 0x00:
                return HangUp()
            case _:
                raise Violation(f"A frame is of type 0x{kind:02x}; Asterisk takes audio (0x10) and the end (0x00).")


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + len(payload).to_bytes(2, "big") + payload
