"""Telnyx Media Streaming in the mode `rtp`: developers.telnyx.com, "Stream call media over WebSocket". Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.calling.peers.base import (
    Clear,
    Identity,
    JsonPeer,
    Mark,
    Message,
    Order,
    Play,
    Violation,
    audio_of,
    mark_name,
    parse,
    quote,
    section,
    write,
)

ENCODINGS = {"PCMU": ("mulaw", 8_000), "PCMA": ("alaw", 8_000), "L16": ("l16", 16_000)}
MIN_MS, MAX_MS = 20, 30_000
"""The shortest and the longest audio in a message to Telnyx."""


class TelnyxPeer(JsonPeer):
    """Chunks may be out of order; messages of the server name no stream."""

    provider = "telnyx"
    keeps_order = False

    def __init__(self, identity: Identity, encoding: str = "PCMU") -> None:
        name, sample_rate = ENCODINGS[encoding]
        super().__init__(identity, audio_of(name), sample_rate)
        self._encoding = encoding

    def opening(self) -> Sequence[Message]:
        """Write `connected` and `start`."""
        start: dict[str, Any] = {
            "user_id": self.identity.account,
            "call_control_id": self.identity.call_id,
            "call_session_id": f"session-of-{self.identity.call_id}",
            "from": self.identity.caller,
            "to": self.identity.called,
            "tags": [],
            "client_state": "",
            "custom_parameters": dict(self.identity.parameters),
            "media_format": {"encoding": self._encoding, "sample_rate": self.sample_rate, "channels": 1},
        }
        return [write(event="connected", version="1.0.0"), self._write("start", start=start)]

    def media(self, pcm: NDArray[np.int16]) -> Message:
        """Write `media`."""
        timestamp = str(self._timestamp_ms)
        payload = self._payload(pcm)
        media = {"track": "inbound", "chunk": str(self._chunk), "timestamp": timestamp, "payload": payload}
        return self._write("media", media=media)

    def digit(self, digit: str) -> Message:
        """Write `dtmf`."""
        return self._write("dtmf", occurred_at="2026-01-01T00:00:00.000000Z", dtmf={"digit": digit})

    def passed(self, mark: str) -> Message:
        """Write `mark`."""
        return self._write("mark", mark={"name": mark})

    def cleared(self) -> None:
        """Write nothing."""

    def closing(self) -> Sequence[Message]:
        """Write `stop`."""
        stop = {"user_id": self.identity.account, "call_control_id": self.identity.call_id}
        return [self._write("stop", stop=stop)]

    def read(self, message: Message) -> Order:
        """Read `media`, `mark` or `clear`."""
        fields = parse(message)
        match fields.get("event"):
            case "media":
                pcm = self._decode(fields.get("media"))
                length_ms = len(pcm) * 1000 / self.sample_rate
                if not MIN_MS <= length_ms <= MAX_MS:
                    raise Violation(f"media has {length_ms:g} ms of audio; Telnyx takes {MIN_MS} to {MAX_MS} ms.")
                return Play(pcm)
            case "mark":
                return Mark(mark_name(section(fields.get("mark"), "mark").get("name"), "mark.name"))
            case "clear":
                return Clear()
            case event:
                raise Violation(f"event is {quote(event)}; Telnyx takes media, mark and clear.")

    def _write(self, event: str, **fields: Any) -> str:
        return write(event=event, sequence_number=str(self._next()), stream_id=self.identity.stream, **fields)
