"""Reads the fields of messages: each value has the type that the provider documents, or is refused. Pure."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from streamsrv.protocol.audio_formats import Samples
from streamsrv.protocol.session_object import Pcm, Pcma, Pcmu
from streamsrv.transports.telephony.codec import MalformedMessage
from streamsrv.transports.telephony.masking import masked

MAX_MESSAGE_BYTES = 512 * 1024
"""Longest message that is read: more than 10 s of audio in base64, where providers send 20 to 100 ms."""
MAX_TEXT = 2048
"""Characters of an id, a number or a custom parameter."""
MAX_PARAMETERS = 64
"""Custom parameters of one call."""
MAX_NUMBER = 2**53
"""Largest number that JSON carries exactly."""
DIGITS: Final = frozenset("0123456789*#ABCD")
RATES: Final = (8_000, 16_000, 24_000)
"""Sample rates of linear audio that telephone networks stream, in Hz."""
LINEAR: Final = ("audio/l16", "audio/x-l16", "l16", "linear16", "audio/x-raw", "raw/slin", "slin", "base64", "raw")
MU_LAW: Final = ("audio/x-mulaw", "audio/mulaw", "mulaw", "ulaw", "pcmu", "audio/pcmu")
A_LAW: Final = ("audio/x-alaw", "audio/alaw", "alaw", "pcma", "audio/pcma")

Fields = Mapping[str, Any]


def parse(message: str | bytes) -> Fields:
    """Read a JSON object; raises `MalformedMessage`."""
    size = len(message)
    if size > MAX_MESSAGE_BYTES:
        raise MalformedMessage(f"a message of {size} bytes; at most {MAX_MESSAGE_BYTES} are read")
    try:
        found = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MalformedMessage(f"a message that is no JSON: {shown(message)}") from error
    if not isinstance(found, dict):
        raise MalformedMessage(f"a message that is no JSON object: {shown(message)}")
    return cast(Fields, found)


def shown(value: object) -> str:
    """Return a value as an error names it: short, on one line, without telephone numbers and tokens."""
    text = masked(ascii(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def section(fields: Fields, name: str) -> Fields:
    """Return the object in a field."""
    value = fields.get(name)
    if not isinstance(value, dict):
        raise MalformedMessage(f"{name}: {shown(value)} is no JSON object")
    return cast(Fields, value)


def text(fields: Fields, name: str, *, where: str = "") -> str:
    """Return the text in a field."""
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise MalformedMessage(f"{where}{name}: {shown(value)} is no text of 1 to {MAX_TEXT} characters")
    return value


def optional_text(fields: Fields, *names: str) -> str:
    """Return the text in the first of these fields that has one; empty: none has."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value[:MAX_TEXT]
    return ""


def number(fields: Fields, name: str, *, where: str = "") -> int | None:
    """Return the whole number in a field, which may be written as a text; None: there is no such field."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_NUMBER)):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NUMBER:
        raise MalformedMessage(f"{where}{name}: {shown(fields.get(name))} is no whole number from 0")
    return value


def payload(fields: Fields, name: str, *, where: str = "") -> bytes:
    """Return the bytes that a field has in base64."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise MalformedMessage(f"{where}{name}: {shown(value)} is no text of base64")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedMessage(f"{where}{name}: {shown(value)} is no base64: {error}") from error


def whole_samples(audio: bytes, audio_format: Samples, name: str) -> bytes:
    """Return audio; raises `MalformedMessage` if it ends in the middle of a sample."""
    if isinstance(audio_format, Pcm) and len(audio) % 2:
        raise MalformedMessage(f"{name}: {len(audio)} bytes; 16-bit samples need an even number")
    return audio


def digit(fields: Fields, name: str, *, where: str = "") -> str:
    """Return the key that was pressed: 0-9, *, # or A-D."""
    value = fields.get(name)
    if not isinstance(value, str) or value.upper() not in DIGITS:
        raise MalformedMessage(f"{where}{name}: {shown(value)} is no key; keys are 0-9, *, # and A-D")
    return value.upper()


def parameters(value: object, name: str) -> dict[str, str]:
    """Return custom parameters, all of them as text; nothing at all counts as none."""
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise MalformedMessage(f"{name}: {shown(value)} is no JSON object")
    found = cast(dict[str, object], value)
    if len(found) > MAX_PARAMETERS:
        raise MalformedMessage(f"{name}: {len(found)} parameters; at most {MAX_PARAMETERS} are read")
    return {key[:MAX_TEXT]: _as_text(item)[:MAX_TEXT] for key, item in found.items()}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def audio_format(encoding: str, rate: int | None, name: str) -> tuple[Samples, int]:
    """Return the format and the rate in Hz of a stream; raises `MalformedMessage` for one that cannot be used.

    `rate`: None: 8 kHz, as telephones have.
    """
    kind, rate = encoding.lower(), 8_000 if rate is None else rate
    if kind in LINEAR and rate in RATES:
        return Pcm(), rate
    if kind in MU_LAW and rate == 8_000:
        return Pcmu(), rate
    if kind in A_LAW and rate == 8_000:
        return Pcma(), rate
    raise MalformedMessage(
        f"{name}: {shown(encoding)} at {rate} Hz cannot be used; mu-law and A-law at 8000 Hz can, and linear 16-bit"
        f" audio at {', '.join(map(str, RATES))} Hz",
        ends_stream=True,
    )
