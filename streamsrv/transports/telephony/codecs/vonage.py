"""The codec of a WebSocket that is an endpoint of Vonage's Voice API. Pure.

Source: developer.vonage.com/en/voice/voice-api/concepts/websockets. Audio is binary, 16-bit linear; texts are JSON. The
headers of the NCCO are fields of the first message, and so is what the stream itself does not tell: the call's id and
the numbers. Vonage plays frames of 20 ms and buffers a minute of them.
"""

import msgspec

from streamsrv.protocol.session_object import Pcm
from streamsrv.transports.telephony.codec import (
    CodecEvent,
    DigitReceived,
    MalformedMessage,
    MarkReceived,
    MediaReceived,
    StreamStarted,
    UnknownMessage,
)
from streamsrv.transports.telephony.codecs.facts import call_facts
from streamsrv.transports.telephony.codecs.fields import (
    MAX_MESSAGE_BYTES,
    Fields,
    audio_format,
    digit,
    optional_text,
    parameters,
    parse,
    section,
    shown,
    text,
    whole_samples,
)
from streamsrv.transports.telephony.codecs.frames import FrameCutter

FRAME_MS = 20
CALL_ID = ("call_id", "call_uuid", "uuid", "conversation_uuid")
"""Headers that may name the call, the first that is there. Without one the call has no name."""


class VonageCodec:
    provider = "vonage"
    buffers = True

    def __init__(self) -> None:
        self._cutter = FrameCutter(_frame_bytes(16_000))

    def read(self, message: str | bytes) -> list[CodecEvent]:
        """Read a message; see `MediaCodec`. Binary messages are audio."""
        if isinstance(message, bytes):
            if len(message) > MAX_MESSAGE_BYTES:
                raise MalformedMessage(f"a message of {len(message)} bytes; at most {MAX_MESSAGE_BYTES} are read")
            return [MediaReceived(whole_samples(message, Pcm(), "audio"))] if message else []
        fields = parse(message)
        match event := fields.get("event"):
            case "websocket:connected":
                try:
                    return [self._start(fields)]
                except MalformedMessage as error:
                    raise MalformedMessage(str(error), ends_stream=True) from error
            case "websocket:dtmf":
                return [DigitReceived(digit(fields if "digit" in fields else section(fields, "dtmf"), "digit"))]
            case "websocket:notify":
                return [MarkReceived(text(section(fields, "payload"), "mark", where="payload."))]
            case "websocket:cleared":
                return []
            case str():
                return [UnknownMessage(event[:64])]
            case _:
                raise MalformedMessage(f"event: {shown(event)} is no text")

    def media(self, audio: bytes) -> list[str | bytes]:
        """Return frames of 20 ms."""
        return [*self._cutter.cut(audio)]

    def mark(self, name: str) -> list[str | bytes]:
        """Write `notify`, which comes back when the audio before it was played."""
        return [*self._cutter.rest(), _write(action="notify", payload={"mark": name})]

    def clear(self) -> list[str | bytes]:
        """Write `clear`."""
        self._cutter.drop()
        return [_write(action="clear")]

    def hang_up(self) -> list[str | bytes]:
        """Write nothing: the call ends with its last endpoint."""
        return []

    def _start(self, fields: Fields) -> StreamStarted:
        given = {name: value for name, value in fields.items() if name not in ("event", "content-type", "headers")}
        found = parameters(given, "headers") | parameters(fields.get("headers"), "headers")
        content_type = optional_text(fields, "content-type")
        encoding, _, option = content_type.partition(";")
        name, _, rate = option.strip().partition("=")
        if name != "rate" or not rate.isdigit() or len(rate) > 6:
            raise MalformedMessage(
                f"content-type: {shown(content_type)} is none; audio/l16;rate=16000 is one", ends_stream=True
            )
        audio, sample_rate = audio_format(encoding.strip(), int(rate), "content-type")
        call_id = optional_text(found, *CALL_ID)
        self._cutter = FrameCutter(_frame_bytes(sample_rate))
        return StreamStarted(call_facts("vonage", call_id, found), audio, sample_rate)


def _frame_bytes(sample_rate: int) -> int:
    return sample_rate * FRAME_MS // 1000 * 2


def _write(**fields: object) -> str:
    return msgspec.json.encode(fields).decode()
