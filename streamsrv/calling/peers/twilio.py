"""Twilio Media Streams, bidirectional: www.twilio.com/docs/voice/media-streams/websocket-messages. Pure."""

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


class TwilioPeer(JsonPeer):
    """All numbers are texts; audio is mu-law at 8 kHz."""

    provider = "twilio"

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity, audio_of("mulaw"), 8_000)

    def opening(self) -> Sequence[Message]:
        """Write `connected` and `start`."""
        start: dict[str, Any] = {
            "accountSid": self.identity.account,
            "streamSid": self.identity.stream,
            "callSid": self.identity.call_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(self.identity.parameters),
        }
        return [write(event="connected", protocol="Call", version="1.0.0"), self._write("start", start=start)]

    def media(self, pcm: NDArray[np.int16]) -> Message:
        """Write `media`."""
        timestamp = str(self._timestamp_ms)
        payload = self._payload(pcm)
        media = {"track": "inbound", "chunk": str(self._chunk), "timestamp": timestamp, "payload": payload}
        return self._write("media", media=media)

    def digit(self, digit: str) -> Message:
        """Write `dtmf`."""
        return self._write("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def passed(self, mark: str) -> Message:
        """Write `mark`."""
        return self._write("mark", mark={"name": mark})

    def cleared(self) -> None:
        """Write nothing."""

    def closing(self) -> Sequence[Message]:
        """Write `stop`."""
        return [self._write("stop", stop={"accountSid": self.identity.account, "callSid": self.identity.call_id})]

    def read(self, message: Message) -> Order:
        """Read `media`, `mark` or `clear`."""
        fields = parse(message)
        require_equal(fields, "streamSid", self.identity.stream)
        match fields.get("event"):
            case "media":
                return Play(self._decode(fields.get("media")))
            case "mark":
                return Mark(mark_name(section(fields.get("mark"), "mark").get("name"), "mark.name"))
            case "clear":
                return Clear()
            case event:
                raise Violation(f"event is {quote(event)}; Twilio takes media, mark and clear.")

    def _write(self, event: str, **fields: Any) -> str:
        return write(event=event, sequenceNumber=str(self._next()), streamSid=self.identity.stream, **fields)
