"""The messages of AssemblyAI's Universal-Streaming v3, and what its errors mean. Pure.

Published at https://www.assemblyai.com/docs/streaming, the pages "Message sequence" and "Common session errors".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlencode

import msgspec

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Word

MIN_FRAME_SAMPLES = SPEECH_RATE_HZ * 50 // 1000
MAX_FRAME_SAMPLES = SPEECH_RATE_HZ
"""Audio goes in binary messages of 50 to 1000 ms."""
MAX_MESSAGE_BYTES = 1 << 20
"""A longer message ends the connection; the longest honest one, of a minute of words, has a tenth of it."""
MAX_KEYTERMS = 100
MAX_KEYTERM_CHARS = 50
_MAX_QUOTED_CHARS = 300
"""Characters quoted from the provider's message."""
_MAX_MS = 1_000_000_000

KEYTERMS = "keyterms_prompt"
"""The parameter of a connection that an utterance may change."""
FORCE_ENDPOINT = '{"type":"ForceEndpoint"}'
KEEP_ALIVE = '{"type":"KeepAlive"}'
TERMINATE = '{"type":"Terminate"}'


class Cause(Enum):
    """Why a connection ended, by what can be done about it."""

    LOST = "lost"
    """Connect again."""
    KEY_REFUSED = "key refused"
    UNPAID = "unpaid"
    """The account cannot pay for it."""
    OVERLOADED = "overloaded"
    """Too many sessions, or audio that came too fast."""
    KEYTERMS_REFUSED = "keyterms refused"
    """The client's keywords are at fault."""
    REFUSED = "refused"
    """Something that we sent is wrong: the parameters of the catalogue entry, or our own messages."""
    GARBAGE = "garbage"
    """The server does not speak this protocol."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The end of a connection; `message` is what the provider said, or what happened."""

    cause: Cause
    message: str


class GarbageError(ValueError):
    """A message that is not one of the protocol."""


class SpokenWord(msgspec.Struct):
    """A word of a `Turn`; `start` and `end` are ms since the first sample sent on the connection."""

    text: str
    start: float
    end: float
    word_is_final: bool
    confidence: float | None = None


class Begin(msgspec.Struct, tag="Begin"):
    id: str
    expires_at: float = 0


class Turn(msgspec.Struct, tag="Turn"):
    """What was said since the end of the turn before; each message replaces the one before of its `turn_order`."""

    turn_order: int
    end_of_turn: bool
    transcript: str
    words: list[SpokenWord]
    turn_is_formatted: bool = False
    end_of_turn_confidence: float = 0.0
    utterance: str = ""
    """Not empty at a pause."""
    language_code: str | None = None


class Termination(msgspec.Struct, tag="Termination"):
    """The provider's own account of the session, its last message."""

    audio_duration_seconds: float | None = None
    session_duration_seconds: float | None = None


class ErrorMessage(msgspec.Struct, tag="Error"):
    error: str
    error_code: int | None = None


Message = Begin | Turn | Termination | ErrorMessage
_KINDS: Mapping[str, type[Message]] = {
    "Begin": Begin,
    "Turn": Turn,
    "Termination": Termination,
    "Error": ErrorMessage,
}


class _Header(msgspec.Struct):
    type: str = ""
    error: Any = None


def read_message(data: str | bytes) -> Message | None:
    """Return the message, or None for one of a type that is not needed; raises `GarbageError`."""
    if isinstance(data, bytes):
        raise GarbageError("a binary message")
    try:
        header = msgspec.json.decode(data, type=_Header)
        if not header.type and header.error is not None:
            header.type = "Error"
            data = msgspec.json.encode({**msgspec.json.decode(data), "type": "Error"}).decode()
        kind = _KINDS.get(header.type)
        if kind is None:
            if not header.type:
                raise GarbageError("a message without a type")
            return None
        message = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise GarbageError(f"a message that cannot be read ({_quoted(str(error))})") from error
    if isinstance(message, Turn):
        _check(message)
    return message


def _check(turn: Turn) -> None:
    """Raise `GarbageError` for numbers that cannot be; a confidence outside 0..1 is only cut."""
    if turn.turn_order < 0:
        raise GarbageError(f"turn_order {turn.turn_order}")
    turn.end_of_turn_confidence = min(1.0, max(0.0, turn.end_of_turn_confidence))
    for word in turn.words:
        if not (0 <= word.start <= _MAX_MS and 0 <= word.end <= _MAX_MS):
            raise GarbageError(f"a word from {word.start} to {word.end} ms")
        word.end = max(word.start, word.end)
        if word.confidence is not None:
            word.confidence = min(1.0, max(0.0, word.confidence))


def as_word(word: SpokenWord, shift_ms: float, length_ms: float) -> Word:
    """Return the word with times of its utterance, which has `length_ms`."""
    start, end = (math.floor(min(max(0.0, ms + shift_ms), length_ms)) for ms in (word.start, word.end))
    return Word(word.text, start, end, word.confidence)


def query(parameters: Mapping[str, str | int | float | bool | Sequence[str] | None]) -> str:
    """Return the query of the connection's URL; a list is JSON, and None is left out."""
    return urlencode({name: _wire_value(value) for name, value in parameters.items() if value is not None})


def _wire_value(value: str | int | float | bool | Sequence[str]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return msgspec.json.encode(list(value)).decode()


def update_configuration(settings: Mapping[str, Sequence[str]]) -> str:
    """Return the message that replaces these parameters of the connection."""
    fields = {name: list(values) for name, values in settings.items()}
    return msgspec.json.encode({"type": "UpdateConfiguration", **fields}).decode()


def problem_of(code: int | None, message: str) -> Problem:
    """Return what an `Error` message, a close code or an HTTP status of the handshake means."""
    said = message.lower()
    text = _quoted(message) or (f"closed with code {code}" if code else "the connection broke")
    return Problem(_cause(code, said), text)


def _cause(code: int | None, said: str) -> Cause:
    if "too many" in said or "rate exceeded" in said or "rate limit" in said:
        return Cause.OVERLOADED
    if "keyterm" in said:
        return Cause.KEYTERMS_REFUSED
    match code:
        case 401 | 403 | 1008 | 4001:
            return Cause.KEY_REFUSED
        case 402 | 4002 | 4003:
            return Cause.UNPAID
        case 429 | 3009 | 4029 | 4102:
            return Cause.OVERLOADED
        case 3006 | 3007 | 4000 | 4100 | 4101 | 4032 | 4033 | 4034:
            return Cause.REFUSED
        case int() if 400 <= code < 500:
            return Cause.REFUSED
        case _:
            return Cause.LOST


def _quoted(text: str) -> str:
    return " ".join(text.split())[:_MAX_QUOTED_CHARS].rstrip(".")
