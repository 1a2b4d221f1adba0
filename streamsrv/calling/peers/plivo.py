"""Plivo Audio Streaming, bidirectional: www.plivo.com/docs, "Audio Streaming Protocol Reference". Pure."""

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

CONTENT_TYPES = {
    "audio/x-mulaw;rate=8000": ("mulaw", 8_000),
    "audio/x-l16;rate=8000": ("l16", 8_000),
    "audio/x-l16;rate=16000": ("l16", 16_000),
}
START_OF_CALL_MS = 1_767_225_600_000
"""Chunks have the time of day, not that of the call."""


class PlivoPeer(JsonPeer):
    """Numbers are numbers; a checkpoint whose audio was cleared is not confirmed; the end has no message."""

    provider = "plivo"
    clear_passes_marks = False

    def __init__(self, identity: Identity, content_type: str = "audio/x-mulaw;rate=8000") -> None:
        name, sample_rate = CONTENT_TYPES[content_type]
        super().__init__(identity, audio_of(name), sample_rate)
        self._type = content_type.partition(";")[0]

    @property
    def _headers(self) -> str:
        return ";".join(f"{name}={value}" for name, value in self.identity.parameters.items())

    def opening(self) -> Sequence[Message]:
        """Write `start`."""
        start: dict[str, Any] = {
            "callId": self.identity.call_id,
            "streamId": self.identity.stream,
            "accountId": self.identity.account,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": self._type, "sampleRate": self.sample_rate},
        }
        return [write(event="start", sequenceNumber=self._next(), start=start, extra_headers=self._headers)]

    def media(self, pcm: NDArray[np.int16]) -> Message:
        """Write `media`."""
        timestamp = str(START_OF_CALL_MS + self._timestamp_ms)
        payload = self._payload(pcm)
        media = {"track": "inbound", "timestamp": timestamp, "chunk": self._chunk, "payload": payload}
        return self._write("media", media=media, extra_headers=self._headers)

    def digit(self, digit: str) -> Message:
        """Write `dtmf`."""
        timestamp = str(START_OF_CALL_MS + self._timestamp_ms)
        return self._write("dtmf", dtmf={"track": "inbound", "digit": digit, "timestamp": timestamp})

    def passed(self, mark: str) -> Message:
        """Write `playedStream`."""
        return self._write("playedStream", name=mark)

    def cleared(self) -> Message:
        """Write `clearedAudio`."""
        return self._write("clearedAudio")

    def closing(self) -> Sequence[Message]:
        """Write nothing: the socket is closed."""
        return []

    def read(self, message: Message) -> Order:
        """Read `playAudio`, `checkpoint` or `clearAudio`."""
        fields = parse(message)
        match fields.get("event"):
            case "playAudio":
                media = section(fields.get("media"), "media")
                told = (media.get("contentType"), media.get("sampleRate"))
                if told not in ((self._type, self.sample_rate), (self._type, str(self.sample_rate))):
                    raise Violation(f"media is {quote(told)}; the stream is {self._type} at {self.sample_rate} Hz.")
                return Play(self._decode(media))
            case "checkpoint":
                require_equal(fields, "streamId", self.identity.stream)
                return Mark(mark_name(fields.get("name"), "name"))
            case "clearAudio":
                require_equal(fields, "streamId", self.identity.stream)
                return Clear()
            case event:
                raise Violation(f"event is {quote(event)}; Plivo takes playAudio, checkpoint and clearAudio.")

    def _write(self, event: str, **fields: Any) -> str:
        return write(event=event, sequenceNumber=self._next(), streamId=self.identity.stream, **fields)
