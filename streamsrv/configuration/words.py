"""Words for the operator: what a setting accepts, a value without its secrets, and near names. Pure."""

import difflib
import re
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from streamsrv.setting_values import Accepted, base_types
from streamsrv.settings import Settings
from streamsrv.web_addresses import HIDDEN, without_passwords

MAX_SHOWN_CHARS = 80

_SECRET_NAME = re.compile(
    r"(^|[-_])(key|token|secret|password|passwd|passphrase|pwd|auth|credentials?|cookie)s?$|api_?key|authorization",
    re.IGNORECASE,
)
"""Names of options, headers and parameters of a query whose values are secret."""
_NAMES_A_VARIABLE = re.compile(r"(^|_)variable$")
_IN_QUERY = re.compile(r"([?&])([^=&\s]+)=([^&\s]+)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+\S+")


def accepted_by(setting: str) -> str:
    """Return what the setting accepts, in words."""
    field = Settings.model_fields[setting]
    metadata = list(_metadata(field.annotation, field.metadata))
    told = next((item.text for item in metadata if isinstance(item, Accepted)), None) or _by_type(field, metadata)
    return f"{told}, or nothing" if type(None) in base_types(field.annotation) else told


def is_secret(setting: str) -> bool:
    """Whether the value of the setting must not be shown."""
    return setting in Settings.model_fields and "SecretStr" in repr(Settings.model_fields[setting].annotation)


def _metadata(annotation: object, own: Iterable[object]) -> Iterable[object]:
    """Yield what is annotated on a field, and on the members of a union that is its type."""
    for item in own:
        yield from item.metadata if isinstance(item, FieldInfo) else (item,)
    if get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            if get_origin(member) is Annotated:
                base, *inner = get_args(member)
                yield from _metadata(base, inner)


def _by_type(field: FieldInfo, metadata: list[object]) -> str:
    types = base_types(field.annotation)
    if bool in types:
        return "true or false"
    if int in types or float in types:
        return _number("a whole number" if int in types else "a number", metadata)
    if get_origin(field.annotation) is Literal:
        return ", ".join(get_args(field.annotation))
    return "a text"


def _number(noun: str, metadata: list[object]) -> str:
    lowest = next((f" from {item.ge}" for item in metadata if isinstance(item, Ge)), "")
    above = next((f" above {item.gt}" for item in metadata if isinstance(item, Gt)), "")
    highest = next((f" to {item.le}" for item in metadata if isinstance(item, Le)), "")
    return f"{noun}{lowest or above}{highest}"


def without_secrets(value: Any, name: str = "") -> Any:
    """Return a copy of a value with its secrets hidden, also those in tables, lists and URLs.

    `name`: of the option that has the value, which may tell that it is secret.
    """
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, Mapping):
        table = cast(Mapping[Any, Any], value)
        return {key: without_secrets(inner, str(key)) for key, inner in table.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(inner, name) for inner in cast(Iterable[Any], value)]
    if not isinstance(value, str):
        return value
    if _SECRET_NAME.search(name) and not _NAMES_A_VARIABLE.search(name):
        return HIDDEN
    return _text_without_secrets(value)


def _text_without_secrets(text: str) -> str:
    def hide(parameter: re.Match[str]) -> str:
        mark, name, value = parameter.groups()
        return f"{mark}{name}={HIDDEN if _SECRET_NAME.search(name) else value}"

    return _IN_QUERY.sub(hide, without_passwords(_BEARER.sub(rf"\1 {HIDDEN}", text)))


def shown(setting: str, value: object) -> str:
    """Return a value as it is written in a message: on one line, short, and without secrets."""
    if is_secret(setting):
        return HIDDEN
    hidden = without_secrets(value)
    text = str(hidden) if isinstance(hidden, int | float) else repr(hidden)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}..."


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return a question with the known names that are near to `name`, to be appended; empty if none is near.

    `prefix`: begins all these names, and is left out of the comparison.
    """

    def plain(text: str) -> str:
        return text.lower().replace("-", "_").removeprefix(prefix.lower())

    by_plain = {plain(other): other for other in known}
    near = difflib.get_close_matches(plain(name), by_plain, n=2, cutoff=0.7)
    return f"; did you mean {' or '.join(by_plain[found] for found in near)}?" if near else ""
