"""Reads the values of a provider's answer, which may have types that its API does not have. Pure."""

from collections.abc import Mapping
from typing import Any, cast

from streamsrv.text.surrogates import whole_pairs

MAX_TOKENS = 1_000_000_000
"""Tokens of one request: more than any model reads or writes."""

MAX_CALLS = 128
"""Function calls of one answer: as many as a request may have functions."""


def text_of(value: object, name: str) -> str:
    """Return a text; null is an empty one. Raises `TypeError`, which names the value, for anything else.

    Half of a surrogate pair, which JSON can hold and UTF-8 cannot, becomes U+FFFD.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{name} is of the type {type(value).__name__}, not a text")
    return whole_pairs(value)


def tokens_of(value: object) -> int | None:
    """Return a number of tokens; None: it is not told, or what is told cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MAX_TOKENS else None  # NaN is not within


def fields_of(value: object) -> Mapping[str, Any]:
    """Return the fields of an object; none of what is no object."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
