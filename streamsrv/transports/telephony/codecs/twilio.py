"""The codec of Twilio Media Streams, bidirectional (`<Connect><Stream>`). Pure.

Source: www.twilio.com/docs/voice/media-streams/websocket-messages. Numbers are texts. The caller and the called number
are no part of the stream: they are custom parameters.
"""

from streamsrv.transports.telephony.codec import StreamStarted
from streamsrv.transports.telephony.codecs.facts import call_facts
from streamsrv.transports.telephony.codecs.fields import Fields, audio_format, number, parameters, section, text
from streamsrv.transports.telephony.codecs.json_stream import JsonStream, in_base64, write


class TwilioCodec(JsonStream):
    provider = "twilio"

    def start(self, fields: Fields) -> StreamStarted:
        """Read `start`."""
        start = section(fields, "start")
        self._stream_id = text(start, "streamSid", where="start.")
        call_id = text(start, "callSid", where="start.")
        given = parameters(start.get("customParameters"), "start.customParameters")
        media = section(start, "mediaFormat")
        encoding, rate = text(media, "encoding", where="start.mediaFormat."), number(media, "sampleRate")
        return StreamStarted(call_facts("twilio", call_id, given), *audio_format(encoding, rate, "start.mediaFormat"))

    def media(self, audio: bytes) -> list[str | bytes]:
        """Write `media`; Twilio takes audio of any length."""
        return [write("media", streamSid=self._stream_id, media={"payload": in_base64(audio)})]

    def mark(self, name: str) -> list[str | bytes]:
        """Write `mark`, which comes back when the audio before it was played or cleared."""
        return [write("mark", streamSid=self._stream_id, mark={"name": name})]

    def clear(self) -> list[str | bytes]:
        """Write `clear`."""
        return [write("clear", streamSid=self._stream_id)]
