"""The codec of Plivo Audio Streaming, bidirectional. Pure.

Source: www.plivo.com/docs/voice-agents/audio-streaming/concepts/audio-streaming-reference. Numbers are numbers, and the
timestamps are the clock's, so that only `chunk` tells the order. A checkpoint is confirmed if the audio before it was
played, and not if it was cleared. The end of the socket is the end of the stream.
"""

from typing import cast

import msgspec

from streamsrv.protocol.session_object import Pcmu
from streamsrv.transports.telephony.codec import CodecEvent, MalformedMessage, MarkReceived, StreamStarted
from streamsrv.transports.telephony.codecs.facts import call_facts
from streamsrv.transports.telephony.codecs.fields import (
    MAX_PARAMETERS,
    Fields,
    audio_format,
    number,
    parameters,
    section,
    shown,
    text,
)
from streamsrv.transports.telephony.codecs.json_stream import MUTE, JsonStream, in_base64, write


class PlivoCodec(JsonStream):
    provider = "plivo"

    def __init__(self) -> None:
        super().__init__()
        self._rate = 8_000
        del self._readers["mark"]
        self._readers["playedStream"] = self._read_played
        self._readers["clearedAudio"] = lambda _: MUTE

    def start(self, fields: Fields) -> StreamStarted:
        """Read `start`."""
        start = section(fields, "start")
        self._stream_id = text(start, "streamId", where="start.")
        call_id = text(start, "callId", where="start.")
        given = _extra_headers(fields.get("extra_headers", start.get("extra_headers")))
        media = section(start, "mediaFormat")
        encoding, rate = text(media, "encoding", where="start.mediaFormat."), number(media, "sampleRate")
        started = StreamStarted(call_facts("plivo", call_id, given), *audio_format(encoding, rate, "start.mediaFormat"))
        self._rate = started.sample_rate
        return started

    def media(self, audio: bytes) -> list[str | bytes]:
        """Write `playAudio`."""
        content_type = "audio/x-mulaw" if isinstance(self._format, Pcmu) else "audio/x-l16"
        media = {"contentType": content_type, "sampleRate": self._rate, "payload": in_base64(audio)}
        return [write("playAudio", streamId=self._stream_id, media=media)]

    def mark(self, name: str) -> list[str | bytes]:
        """Write `checkpoint`."""
        return [write("checkpoint", streamId=self._stream_id, name=name)]

    def clear(self) -> list[str | bytes]:
        """Write `clearAudio`."""
        return [write("clearAudio", streamId=self._stream_id)]

    def _read_played(self, fields: Fields) -> list[CodecEvent]:
        return [MarkReceived(text(fields, "name"))]


def _extra_headers(value: object) -> dict[str, str]:
    """Read custom parameters: an object, the same as text, or `name=value` pairs with `;` or `,` between them."""
    if not isinstance(value, str):
        return parameters(value, "extra_headers")
    if value.lstrip().startswith("{"):
        try:
            return parameters(msgspec.json.decode(value), "extra_headers")
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise MalformedMessage(f"extra_headers: {shown(value)} is no JSON") from error
    pairs = [pair.partition("=") for pair in value.replace(",", ";").split(";", MAX_PARAMETERS) if "=" in pair]
    return parameters(cast(object, {name.strip(): item.strip() for name, _, item in pairs}), "extra_headers")
