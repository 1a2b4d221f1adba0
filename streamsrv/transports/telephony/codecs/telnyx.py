"""The codec of Telnyx Media Streaming, bidirectional in the mode `rtp`. Pure.

Source: developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket. Chunks may be out of order.
What is sent must have the encoding of what is received, as the webhook asks for.
"""

from streamsrv.transports.telephony.codec import CodecEvent, ErrorReported, StreamStarted
from streamsrv.transports.telephony.codecs.facts import call_facts
from streamsrv.transports.telephony.codecs.fields import (
    Fields,
    audio_format,
    number,
    optional_text,
    parameters,
    section,
    text,
)
from streamsrv.transports.telephony.codecs.json_stream import JsonStream, in_base64, write


class TelnyxCodec(JsonStream):
    provider = "telnyx"

    def __init__(self) -> None:
        super().__init__()
        self._readers["error"] = self._read_error

    def start(self, fields: Fields) -> StreamStarted:
        """Read `start`."""
        start = section(fields, "start")
        self._stream_id = optional_text(fields, "stream_id")
        call_id = text(start, "call_control_id", where="start.")
        given = parameters(start.get("custom_parameters"), "start.custom_parameters")
        media = section(start, "media_format")
        encoding, rate = text(media, "encoding", where="start.media_format."), number(media, "sample_rate")
        facts = call_facts(
            "telnyx", call_id, given, caller=optional_text(start, "from"), called=optional_text(start, "to")
        )
        return StreamStarted(facts, *audio_format(encoding, rate, "start.media_format"))

    def media(self, audio: bytes) -> list[str | bytes]:
        """Write `media`, which names no stream."""
        return [write("media", media={"payload": in_base64(audio)})]

    def mark(self, name: str) -> list[str | bytes]:
        """Write `mark`, which comes back when the audio before it was played."""
        return [write("mark", mark={"name": name})]

    def clear(self) -> list[str | bytes]:
        """Write `clear`."""
        return [write("clear")]

    def _read_error(self, fields: Fields) -> list[CodecEvent]:
        error = section(fields, "payload")
        parts = (str(error.get("code", "")), optional_text(error, "title"), optional_text(error, "detail"))
        return [ErrorReported(" ".join(part for part in parts if part)[:400])]
