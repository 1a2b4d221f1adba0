"""A WebSocket endpoint of Vonage's Voice API: developer.vonage.com, "WebSockets in the Vonage Voice API". Pure."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamsrv.calling.peers.base import Clear, Identity, Mark, Message, Order, Play, Violation, parse, quote, write

FRAME_MS = 20


class VonagePeer:
    """Audio is binary, 16-bit linear, in frames of 20 ms; commands and events are texts.

    `parameters` of the call are the headers of the NCCO. What a `clear` does to notifications that wait is not
    published; here it drops them.
    """

    provider = "vonage"
    chunk_ms = FRAME_MS
    keeps_order = True
    clear_passes_marks = False

    def __init__(self, identity: Identity, sample_rate: int = 16_000) -> None:
        self.identity = identity
        self.sample_rate = sample_rate

    def opening(self) -> Sequence[Message]:
        """Write `websocket:connected`."""
        told = {"event": "websocket:connected", "content-type": f"audio/l16;rate={self.sample_rate}"}
        return [write(**told, **self.identity.parameters)]

    def media(self, pcm: NDArray[np.int16]) -> Message:
        """Return a frame."""
        return pcm.astype("<i2").tobytes()

    def skip(self) -> None:
        """Count nothing: frames have no number."""

    def digit(self, digit: str) -> Message:
        """Write `websocket:dtmf`."""
        return write(event="websocket:dtmf", digit=digit, duration=260)

    def passed(self, mark: str) -> Message:
        """Write `websocket:notify` with the payload of the notification."""
        return write(event="websocket:notify", payload=msgspec.json.decode(mark))

    def cleared(self) -> Message:
        """Write `websocket:cleared`."""
        return write(event="websocket:cleared")

    def closing(self) -> Sequence[Message]:
        """Write nothing: the socket is closed."""
        return []

    def read(self, message: Message) -> Order:
        """Read a frame, `notify` or `clear`. The name of a mark is its payload in JSON."""
        if isinstance(message, bytes):
            expected = self.sample_rate * FRAME_MS // 1000 * 2
            if len(message) != expected:
                raise Violation(f"A frame has {len(message)} bytes; Vonage takes frames of {expected} bytes.")
            return Play(np.frombuffer(message, "<i2").astype(np.int16))
        fields = parse(message)
        match fields.get("action"):
            case "notify":
                if not isinstance(fields.get("payload"), dict):
                    raise Violation(f"payload is no object: {quote(fields.get('payload'))}.")
                return Mark(msgspec.json.encode(fields["payload"]).decode())
            case "clear":
                return Clear()
            case action:
                raise Violation(f"action is {quote(action)}; Vonage takes notify and clear.")
