"""The codec of Exotel's Voicebot applet. Pure.

Source: developer.exotel.com/docs/agentstream/websocket-protocol. Audio is 16-bit linear, mostly at 8 kHz; frames that
are no multiple of 320 bytes are played with gaps.
"""

from streamsrv.transports.telephony.codec import StreamStarted
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
from streamsrv.transports.telephony.codecs.frames import FrameCutter
from streamsrv.transports.telephony.codecs.json_stream import JsonStream, in_base64, write

FRAME_BYTES = 320


class ExotelCodec(JsonStream):
    provider = "exotel"

    def __init__(self) -> None:
        super().__init__()
        self._cutter = FrameCutter(FRAME_BYTES)
        self._readers["clear"] = lambda _: []

    def start(self, fields: Fields) -> StreamStarted:
        """Read `start`."""
        start = section(fields, "start")
        self._stream_id = text(start, "stream_sid", where="start.")
        call_id = text(start, "call_sid", where="start.")
        given = parameters(start.get("custom_parameters"), "start.custom_parameters")
        media = section(start, "media_format")
        encoding, rate = optional_text(media, "encoding") or "audio/x-raw", number(media, "sample_rate")
        facts = call_facts(
            "exotel", call_id, given, caller=optional_text(start, "from"), called=optional_text(start, "to")
        )
        return StreamStarted(facts, *audio_format(encoding, rate, "start.media_format"))

    def media(self, audio: bytes) -> list[str | bytes]:
        """Write `media` of whole frames."""
        return self._media(self._cutter.cut(audio))

    def mark(self, name: str) -> list[str | bytes]:
        """Write `mark`, which comes back when the audio before it was played."""
        mark = write("mark", stream_sid=self._stream_id, mark={"name": name})
        return [*self._media(self._cutter.rest()), mark]

    def clear(self) -> list[str | bytes]:
        """Write `clear`."""
        self._cutter.drop()
        return [write("clear", stream_sid=self._stream_id)]

    def _media(self, frames: list[bytes]) -> list[str | bytes]:
        if not frames:
            return []
        return [write("media", stream_sid=self._stream_id, media={"payload": in_base64(b"".join(frames))})]
