"""The framing of Asterisk's AudioSocket. Pure.

Source: docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket. A message has a byte that says its kind, the length
of its payload in two bytes (big-endian), and the payload. Audio is linear, 16-bit little-endian, at a rate that the
kind names: 8 kHz from the application AudioSocket(), others from the channel driver.
"""

from dataclasses import dataclass

from streamsrv.transports.telephony.codec import MalformedMessage
from streamsrv.transports.telephony.codecs.fields import DIGITS, shown

HANG_UP, CALL_ID, DTMF, ERROR = 0x00, 0x01, 0x03, 0xFF
RATE_OF_KIND = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""Sample rates in Hz by the kind of audio messages."""
KIND_OF_RATE = {rate: kind for kind, rate in RATE_OF_KIND.items()}
FRAME_MS = 20
"""Audio in one message, as Asterisk itself sends."""
_HEADER_BYTES = 3
_ERRORS = {0x01: "the caller has hung up", 0x02: "a frame could not be forwarded", 0x04: "memory could not be had"}
"""What the error codes of Asterisk mean."""


@dataclass(frozen=True, slots=True)
class CallNamed:
    """The first message: the UUID that the dialplan gave the call."""

    call_id: str


@dataclass(frozen=True, slots=True)
class AudioCame:
    """Audio of the caller, as bytes, at `sample_rate` Hz."""

    audio: bytes
    sample_rate: int


@dataclass(frozen=True, slots=True)
class DigitCame:
    digit: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """Asterisk ends the connection."""


@dataclass(frozen=True, slots=True)
class ErrorCame:
    """Asterisk reports an error."""

    text: str


@dataclass(frozen=True, slots=True)
class UnknownCame:
    """A message of a kind that is not published."""

    kind: int


Message = CallNamed | AudioCame | DigitCame | HungUp | ErrorCame | UnknownCame


class AudioSocketReader:
    """Finds the messages in a stream of bytes."""

    def __init__(self) -> None:
        self._held = b""

    def read(self, data: bytes) -> list[Message | MalformedMessage]:
        """Take bytes; return the messages that are complete. Those that cannot be read are errors among them."""
        held = self._held + data
        start = 0
        found: list[Message | MalformedMessage] = []
        while len(held) - start >= _HEADER_BYTES:
            end = start + _HEADER_BYTES + int.from_bytes(held[start + 1 : start + 3])
            if len(held) < end:
                break
            try:
                found.append(_message(held[start], held[start + _HEADER_BYTES : end]))
            except MalformedMessage as error:
                found.append(error)
            start = end
        self._held = held[start:]
        return found


def _message(kind: int, payload: bytes) -> Message:
    if (rate := RATE_OF_KIND.get(kind)) is not None:
        if len(payload) % 2:
            raise MalformedMessage(f"audio: {len(payload)} bytes; 16-bit samples need an even number")
        return AudioCame(payload, rate)
    match kind:
        case 0x00:
            return HungUp()
        case 0x01:
            if len(payload) != 16:
                raise MalformedMessage(f"UUID: {len(payload)} bytes; a UUID has 16", ends_stream=True)
            return CallNamed(_uuid(payload))
        case 0x03:
            digit = payload.decode("latin-1").upper()
            if digit not in DIGITS:
                raise MalformedMessage(f"DTMF: {shown(digit)} is no key; keys are 0-9, *, # and A-D")
            return DigitCame(digit)
        case 0xFF:
            code = int.from_bytes(payload[:8])
            return ErrorCame(_ERRORS.get(code, f"code {code:#04x}") if payload else "without a code")
        case _:
            return UnknownCame(kind)


def _uuid(payload: bytes) -> str:
    """Return a UUID as RFC 9562 writes it."""
    digits = payload.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def message(kind: int, payload: bytes = b"") -> bytes:
    """Write a message."""
    return bytes([kind]) + len(payload).to_bytes(2) + payload


def audio_messages(audio: bytes, sample_rate: int) -> list[bytes]:
    """Write audio of a rate that has a kind, in messages of at most 20 ms."""
    size = sample_rate * FRAME_MS // 1000 * 2
    kind = KIND_OF_RATE[sample_rate]
    return [message(kind, audio[start : start + size]) for start in range(0, len(audio), size)]
