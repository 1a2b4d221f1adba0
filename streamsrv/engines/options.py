"""Reads the options of a catalogue entry into the dataclass that its engine defines."""

import re
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from streamsrv.engines.catalogue import ModelEntry, did_you_mean
from streamsrv.errors import Unavailable

T = TypeVar("T")

_MAX_SHOWN_CHARS = 80
_PASSWORD = re.compile(r"[^/@\s'\"]+@")
"""The user and the password in a URL."""
_STRICT = ConfigDict(strict=True, protected_namespaces=())


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of an engine that has none."""


def read_options(kind: type[T], entry: ModelEntry) -> T:
    """Return the entry's options as a `kind`, a dataclass whose annotations are checked without conversion.

    Raises `Unavailable`, which names each wrong option, its value and what is accepted.
    """
    hints = get_type_hints(kind, include_extras=True)
    wrong = [_unknown(name, list(hints)) for name in entry.options if name not in hints]
    known = {name: value for name, value in entry.options.items() if name in hints}
    declared: dict[str, Any] = {
        each.name: (hints[each.name], ... if each.default is MISSING else each.default)
        for each in fields(kind)  # type: ignore[arg-type]  # a dataclass
    }
    checker = create_model(kind.__name__, __config__=_STRICT, **declared)
    try:
        checker.model_validate(known)
    except ValidationError as error:
        wrong += [_explain(detail) for detail in error.errors(include_url=False)]
    if wrong:
        raise Unavailable(f"The options of {entry.name} are wrong: {'; '.join(wrong)}")
    return kind(**known)


def _unknown(name: str, names: list[str]) -> str:
    return f"{name!r} is not an option{did_you_mean(name, names)} (accepted: {', '.join(names) or 'none'})"


def _explain(detail: Any) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{where} is missing"
    value = _PASSWORD.sub("***@", repr(detail["input"]))[:_MAX_SHOWN_CHARS]
    return f"{where}: {value}: {detail['msg'].removeprefix('Input ')}"
