"""What all errors of HTTP providers have in common: their messages, without keys, and when to ask again."""

import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from streamsrv.text.surrogates import whole_pairs

_MAX_MESSAGE_CHARS = 500
"""Characters quoted from an error body, because some servers send a whole web page."""
MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Longest answer that is read as a whole: the words of an hour with their times are shorter."""
_CONTEXT_TOO_LONG = (
    "context_length_exceeded",
    "exceed_context_size_error",
    "maximum context length",
    "prompt is too long",
    "exceed context limit",
)
"""How servers report a context that is too long: OpenAI and others, llama.cpp, vLLM, Claude (two ways)."""


class AnswerTooLong(ValueError):
    """A provider sent more than an answer can have that is read as a whole."""


async def read_within_bounds(response: Any) -> None:
    """Read an error, or JSON, of a provider; raises `AnswerTooLong`. A hook of the SDK's HTTP client.

    The SDK would read it to its end, however long it is. What is streamed is bounded by who reads it.
    """
    kind = str(response.headers.get("content-type", ""))
    if response.is_success and not kind.startswith("application/json"):
        return
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise AnswerTooLong(f"it sent an answer of more than {MAX_ANSWER_BYTES} bytes.")
    response._content = bytes(body)  # as its method `aread` does


def http_error(client: type) -> type[Exception]:
    """Return the base class of what a provider's SDK raises, unwrapped, when a stream breaks.

    `client` is the SDK's HTTP client, a subclass of that of `httpx` in older SDKs and of `httpx2` in newer ones.
    """
    package = next(each.__module__.partition(".")[0] for each in client.__mro__ if each.__module__.startswith("httpx"))
    error: type[Exception] = sys.modules[package].HTTPError
    return error


def provider_message(body: Any) -> str:
    """Return the message in an error body: `{"message": ...}`, `{"detail": ...}`, or a list of such (Gemini)."""
    match body:
        case str():
            return whole_pairs(body[:_MAX_MESSAGE_CHARS])
        case [first, *_]:
            return provider_message(first)
        case {"message": inner} | {"error": inner} | {"detail": inner}:
            return provider_message(inner)
        case _:
            return ""


def without_keys(text: str, api_key: str) -> str:
    """Return the text with the key, and whatever looks like one, left out."""
    return re.sub(r"\bsk-\S+", "***", text.replace(api_key, "***") if api_key else text)


def is_context_too_long(said: str) -> bool:
    """Whether these words of a server mean that the conversation is longer than the model's context."""
    return any(words in said.lower() for words in _CONTEXT_TOO_LONG)


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds of a `Retry-After` header, which has a number or a date (RFC 9110, 10.2.3); None: not told."""
    value = headers.get("retry-after", "").strip()
    try:
        if math.isfinite(seconds := float(value)):
            return max(0.0, seconds)
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds())
