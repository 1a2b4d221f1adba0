"""Exotel's Voicebot applet: developer.exotel.com/docs/agentstream/websocket-protocol. Pure."""

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
    require_equal,
    section,
    write,
)

UNIT_BYTES = 320
"""Audio that is no multiple of this is played with gaps."""


class ExotelPeer(JsonPeer):
    """Audio is 16-bit linear in chunks of 100 ms; numbers are texts."""

    provider = "exotel"
    chunk_ms = 100

    def __init__(self, identity: Identity, sample_rate: int = 8_000) -> None:
        super().__init__(identity, audio_of("l16"), sample_rate)

    def opening(self) -> Sequence[Message]:
        """Write `connected` and `start`."""
        start: dict[str, Any] = {
            "stream_sid": self.identity.stream,
            "call_sid": self.identity.call_id,
            "account_sid": self.identity.account,
            "from": self.identity.caller,
            "to": self.identity.called,
            "custom_parameters": dict(self.identity.parameters),
            "media_format": {"encoding": "audio/x-raw", "sample_rate": str(self.sample_rate), "bit_rate": "16"},
        }
        return [write(event="connected"), self._write("start", start=start)]

    def media(self, pcm: NDArray[np.int16]) -> Message:
        """Write `media`."""
        timestamp = str(self._timestamp_ms)
        payload = self._payload(pcm)
        return self._write("media", media={"chunk": str(self._chunk), "timestamp": timestamp, "payload": payload})

    def digit(self, digit: str) -> Message:
        """Write `dtmf`."""
        return self._write("dtmf", dtmf={"digit": digit, "duration": "100"})

    def passed(self, mark: str) -> Message:
        """Write `mark`."""
        return self._write("mark", mark={"name": mark})

    def cleared(self) -> None:
        """Write nothing."""

    def closing(self) -> Sequence[Message]:
        """Write `stop`."""
        stop = {"call_sid": self.identity.call_id, "account_sid": self.identity.account, "reason": "callended"}
        return [self._write("stop", stop=stop)]

    def read(self, message: Message) -> Order:
        """Read `media`, `mark` or `clear`."""
        fields = parse(message)
        require_equal(fields, "stream_sid", self.identity.stream)
        match fields.get("event"):
            case "media":
                pcm = self._decode(fields.get("media"))
                if 2 * len(pcm) % UNIT_BYTES:
                    raise Violation(f"media has {2 * len(pcm)} bytes of audio, no multiple of {UNIT_BYTES}.")
                return Play(pcm)
            case "mark":
                return Mark(mark_name(section(fields.get("mark"), "mark").get("name"), "mark.name"))
            case "clear":
                return Clear()
            case event:
                raise Violation(f"event is {quote(event)}; Exotel takes media, mark and clear.")

    def _write(self, event: str, **fields: Any) -> str:
        return write(event=event, sequence_number=str(self._next()), stream_sid=self.identity.stream, **fields)
