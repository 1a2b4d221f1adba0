"""Reads the JSON of all client events and request bodies. Pure.

Refuses, with the reason, text that is not JSON (RFC 8259: no NaN, nothing after the value), or that has half a
surrogate pair, an integer of more than 64 bits, a key twice in one object, or too many levels or values.
"""

import json
import re
from typing import Any, cast

import msgspec

MAX_DEPTH = 64
"""Levels of nested objects and arrays; a JSON schema needs far fewer."""
MAX_VALUES = 100_000
"""Approximate number of values in one text: each takes memory, and time that all sessions share."""
MAX_UNCOUNTED_BYTES = 65_536
"""Length of a text whose values are not counted, because there cannot be too many."""
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class UnreadableJson(Exception):
    """A text is not acceptable JSON; the message gives the reason as the end of a sentence.

    `value`: the decoded value, if the text could be decoded.
    """

    value: Any = None


def read_json(text: str | bytes) -> Any:
    """Decode one JSON text; raises `UnreadableJson`."""
    if len(text) > MAX_UNCOUNTED_BYTES and (values := 1 + sum(_count(text, mark) for mark in ",[{")) > MAX_VALUES:
        raise UnreadableJson(f"it has about {values} values; at most {MAX_VALUES} are accepted")
    value: Any = None
    try:
        value = msgspec.json.decode(text)
        if _count(text, ":") > _check(value):  # a key may be there twice, or a string has a colon
            json.loads(text, object_pairs_hook=_without_duplicates)
    except UnreadableJson as error:
        error.value = value
        raise
    except RecursionError:
        raise UnreadableJson(_TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UnreadableJson(_reason(text, error)) from None
    return value


_TOO_DEEP = f"it is nested more than {MAX_DEPTH} levels deep"


def _check(value: Any) -> int:
    """Return the number of keys in a value; raises `UnreadableJson` if it is out of bounds."""
    level: list[Any] = [value]
    keys = 0
    for depth in range(MAX_DEPTH + 1):
        if any(type(held) is int and not -(2**63) <= held < 2**64 for held in level):
            raise UnreadableJson("it holds an integer of more than 64 bits")
        objects = [cast("dict[str, Any]", held) for held in level if isinstance(held, dict)]
        arrays = [cast("list[Any]", held) for held in level if isinstance(held, list)]
        if depth == MAX_DEPTH and (objects or arrays):
            break
        keys += sum(map(len, objects))
        level = [held for each in objects for held in each.values()] + [held for each in arrays for held in each]
        if not level:
            return keys
    raise UnreadableJson(_TOO_DEEP)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held: dict[str, Any] = {}
    for name, value in pairs:
        if name in held:
            raise UnreadableJson(f"it has the key {name[:64]!r} twice in one object")
        held[name] = value
    return held


def _count(text: str | bytes, character: str) -> int:
    return text.count(character) if isinstance(text, str) else text.count(character.encode())


def _reason(text: str | bytes, error: Exception) -> str:
    start = text if isinstance(text, str) else text.decode("ascii", "replace")
    if "truncated" in str(error) and _HALF_PAIR.search(start):
        return "it holds half of a surrogate pair"
    return str(error)
