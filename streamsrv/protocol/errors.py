"""The errors of the wire protocol, which tell a client why its event was refused."""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

_PLACES = " - at `$", " - at `key` in `$"
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>.*)`", re.DOTALL)
_MISMATCH = re.compile(r"Expected `(?P<types>[^`]+)`, got (?P<given>.+)", re.DOTALL)
_UNSEEN = object()
_type_info = cache(inspect.type_info)  # cached: it is slow, and there are few types
MAX_QUOTED = 60
"""Characters of a client's value that an error quotes."""


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """The fields of an error object of the protocol."""

    code: str
    message: str
    param: str | None = None
    type: str = "invalid_request_error"

    def to_wire(self) -> dict[str, str | None]:
        """Return the error object, without the id of the event at fault."""
        return {"type": self.type, "code": self.code, "message": self.message, "param": self.param}


class ProtocolError(Exception):
    """A client event or request was refused; the session goes on.

    Clients match on `code`; `param` is the path of the field at fault.
    """

    def __init__(self, code: str, message: str, param: str | None = None, type: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.type = type

    @property
    def details(self) -> ErrorDetails:
        """The error as plain data."""
        return ErrorDetails(self.code, self.message, self.param, self.type)


def invalid(value: object, param: str, reason: str) -> ProtocolError:
    """Make the error for a value that is not accepted."""
    text = str(value)
    quoted = text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 3]}..."
    return ProtocolError("invalid_value", f"Invalid value '{quoted}' for '{param}': {reason}.", param)


def check_size(value: object, max_bytes: int, param: str) -> None:
    """Refuse a value that is longer than `max_bytes` as JSON."""
    if (size := len(msgspec.json.encode(value))) > max_bytes:
        message = f"Invalid value for '{param}': it is {size} bytes of JSON; at most {max_bytes} are accepted."
        raise ProtocolError("invalid_value", message, param)


def from_validation(error: msgspec.ValidationError, value: object, expected: Any, root: str = "") -> ProtocolError:
    """Make the error for a msgspec error: it names the field (below `root`), its value and what `expected` accepts."""
    text, path = _split(str(error))
    param = f"{root}{path}".lstrip(".")
    if missing := _MISSING.match(text):
        param = f"{param}.{missing['field']}".lstrip(".")
        return ProtocolError("missing_required_parameter", f"Missing required parameter: '{param}'.", param)
    if unknown := _UNKNOWN.match(text):
        return unknown_parameter(unknown["field"], param, _fields(_type_info(expected), _steps(path), value))
    found = _look_up(value, path)
    held = "" if found is _UNSEEN else f" {_shorten(found)}"
    field = f" for '{param}'" if param else ""
    reason = _reason(text, _type_info(expected), _steps(path), value)
    return ProtocolError("invalid_value", f"Invalid value{held}{field}: {reason}.", param or None)


def unknown_parameter(name: str, parent: str, accepted: Iterable[str] = (), hint: str = "") -> ProtocolError:
    """Make the error for an unknown field; `parent` is the path of its object."""
    param = f"{parent}.{_shorten_text(name)}".lstrip(".")
    names = ", ".join(f"'{field}'" for field in accepted)
    hint = hint or (f"Accepted there: {names}." if names else "")
    return ProtocolError("unknown_parameter", f"Unknown parameter: '{param}'. {hint}".rstrip(), param)


def _split(message: str) -> tuple[str, str]:
    """Return what msgspec's message says, and the path of the field, which may be empty.

    No regular expression finds the path: the message quotes whole values of up to many MB, and a search goes through
    each character of them on the event loop.
    """
    for place in _PLACES:
        text, found, path = message.rpartition(place)
        if found and path.find("`") == len(path) - 1:
            return text, path[:-1]
    return message, ""


def _look_up(value: Any, path: str) -> object:
    """Return the part of a decoded JSON value at a msgspec path such as `.audio.input[0]`."""
    for step in _steps(path):
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return _UNSEEN
    return value


def _steps(path: str) -> list[str | int]:
    """Split a msgspec path into keys and list indices; `[...]` (any entry of a mapping) is the key `...`."""
    found = re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", path)
    return [key or (int(index) if index.isdigit() else index) for key, index in found]


def _reason(text: str, expected: inspect.Type, steps: list[str | int], value: Any) -> str:
    """Return why msgspec refused a value (its `text`), with all that is accepted at the end of `steps`."""
    choices = [repr(choice) for choice in _choices(expected, steps, value)]
    reason = f"{text[:1].lower()}{text[1:]}"
    if not choices:
        return reason
    if not text.startswith("Expected"):
        return f"accepted are {', '.join([*choices, *_other_kinds(expected, steps, value)])}"
    if (match := _MISMATCH.fullmatch(text)) is None:  # it is out of a range
        return f"{reason} or {', '.join(choices)}"
    types = " | ".join(name for name in match["types"].split(" | ") if name != "str")  # only the choices are
    accepted = [f"`{types}`", *choices] if types else choices
    return f"expected {', '.join(accepted)}; got {match['given']}"


def _choices(expected: inspect.Type, steps: list[str | int], value: Any) -> list[object]:
    """Return the values of the literal, or the tags of the union of structs, at the end of `steps`; else nothing."""
    above = _kinds(expected, steps[:-1], value) if steps else []
    tags = [kind.tag for kind in above if isinstance(kind, inspect.StructType) and kind.tag_field == steps[-1]]
    literals = [kind.values for kind in _kinds(expected, steps, value) if isinstance(kind, inspect.LiteralType)]
    return list(dict.fromkeys([*tags, *itertools.chain(*literals)]))


def _other_kinds(expected: inspect.Type, steps: list[str | int], value: Any) -> list[str]:
    """Return what is accepted at the end of `steps` besides the values of a literal."""
    others: list[str] = []
    for kind in _kinds(expected, steps, value):
        match kind:
            case inspect.StructType(tag_field=str(field), tag=tag):
                others.append(f"an object with the {field} {tag!r}")
            case inspect.StructType():
                others.append("an object")
            case inspect.IntType():
                others.append("a whole number")
            case inspect.NoneType():
                others.append("null")
            case _:
                pass
    return others


def _kinds(expected: inspect.Type, steps: list[str | int], value: Any) -> list[inspect.Type]:
    """Return the types that a value at the end of `steps` may have, in fields of structs and entries of lists.

    Of several structs it is the one whose tag is in `value`, the object that holds the field.
    """
    kinds = list(expected.types if isinstance(expected, inspect.UnionType) else (expected,))
    if not steps:
        return kinds
    meant = [
        kind
        for kind in kinds
        if isinstance(kind, inspect.StructType) and kind.tag_field and _look_up(value, f".{kind.tag_field}") == kind.tag
    ]
    below: list[tuple[inspect.Type, Any]] = []
    for kind in meant or kinds:
        if isinstance(kind, inspect.StructType):
            held = _look_up(value, f".{steps[0]}")
            below += [(field.type, held) for field in kind.fields if field.encode_name == steps[0]]
        elif isinstance(kind, inspect.ListType):
            below.append((kind.item_type, _look_up(value, f"[{steps[0]}]")))
    return [found for each, held in below for found in _kinds(each, steps[1:], held)]


def _fields(expected: inspect.Type, steps: list[str | int], value: Any) -> list[str]:
    """Return the fields of the struct at the end of `steps`; in a union, of the struct with the tag in `value`."""
    kinds = expected.types if isinstance(expected, inspect.UnionType) else (expected,)
    several = sum(isinstance(kind, inspect.StructType) for kind in kinds) > 1
    for kind in kinds:
        if isinstance(kind, inspect.StructType):
            if several and kind.tag_field and _look_up(value, f".{kind.tag_field}") != kind.tag:
                continue
            if not steps:
                tag = [kind.tag_field] if kind.tag_field else []
                return [*tag, *(field.encode_name for field in kind.fields)]
            below = next((field.type for field in kind.fields if field.encode_name == steps[0]), None)
            if below is not None:
                return _fields(below, steps[1:], _look_up(value, f".{steps[0]}"))
        elif isinstance(kind, inspect.ListType) and steps:
            return _fields(kind.item_type, steps[1:], _look_up(value, f"[{steps[0]}]"))
    return []


def _shorten(value: object) -> str:
    if isinstance(value, str):
        value = value[: MAX_QUOTED + 1]
    try:
        return _shorten_text(msgspec.json.encode(value).decode())
    except (RecursionError, UnicodeError, OverflowError):
        return "(unreadable)"


def _shorten_text(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 3]}..."
