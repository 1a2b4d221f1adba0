"""The types of the settings' values, and what their texts mean."""

import re
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Union, get_args, get_origin
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field

from streamsrv.web_addresses import without_passwords

MAX_PORT = 65535
MIN_MEDIA_PORT = 1024
"""Lowest UDP port for media. Ports below it need privileges that a server should not have."""
MAX_MINUTES = 366 * 24 * 60
"""The longest accepted limit on a session: one that timers can still hold."""
MAX_WORKERS = 1024
"""Most threads or processes of one kind; a machine with more cores does not exist, and each one takes memory."""
MAX_COUNT = 1_000_000_000
"""The largest accepted limit on a number of things; larger ones are typing errors."""

_LEDGER_PARAMETERS = ("host", "port", "sslmode")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a setting accepts, in words for the operator; for fields whose type and bounds do not say it."""

    text: str


Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
CountOrZero = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Workers = Annotated[int, Field(ge=1, le=MAX_WORKERS)]
Minutes = Annotated[float, Field(ge=0, le=MAX_MINUTES)]
Usd = Annotated[
    Decimal,
    Field(ge=0, le=1_000_000_000, max_digits=18, decimal_places=6),
    Accepted("an amount in USD from 0 to 1000000000, with at most six decimals"),
]
Share = Annotated[float, Field(gt=0, le=1)]
ModelName = Annotated[str, Field(min_length=1), Accepted("the name of a model; `streamsrv models` lists them")]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+\S*$"), AfterValidator(lambda url: _with_port(url))]
Folder = Annotated[Path, AfterValidator(lambda folder: _expanded(folder))]
ModelChain = Annotated[
    tuple[ModelName, ...],
    Field(min_length=1),
    Accepted("names of models, separated by commas or as a list; `streamsrv models` lists them"),
]


def _expanded(folder: Path) -> Path:
    """Return the path with the home folder in place of `~`. Raises `ValueError`."""
    if "\0" in str(folder):
        raise ValueError(f"{str(folder)!r}: a path has no zero characters")
    try:
        return folder.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{str(folder)!r}: there is no such user") from error


def _with_port(url: str) -> str:
    """Return the URL; raises `ValueError` if it has no valid port."""
    try:
        _ = urlsplit(url).port
    except ValueError as error:  # which may quote a part of a password
        raise ValueError(f"{without_passwords(url)!r} has no valid port") from error
    return url


def _check_ledger(url: str) -> str:
    """Return the URL of a ledger; raises `ValueError` for what its database would not take."""
    if url.startswith("sqlite:"):
        if url.endswith(":memory:"):
            raise ValueError(f"{url!r} would be lost with the server: 'none' keeps no ledger")
        if "?" in url:
            raise ValueError(f"{url!r} has parameters after '?', and SQLite takes none here")
    elif url.startswith("postgres"):
        scheme, _, rest = url.partition("://")
        if rest.count("@") > 1:
            raise ValueError(f"{without_passwords(url)!r} has more than one @; in a password it is written %40")
        parts = urlsplit(_with_port(f"{scheme}://{rest.rpartition('@')[2]}"))  # the password may hold a slash
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name not in _LEDGER_PARAMETERS:
                raise ValueError(f"has the parameter {name!r}, and takes only {', '.join(_LEDGER_PARAMETERS)}")
            if name == "sslmode" and value not in _SSL_MODES:
                raise ValueError(f"has sslmode={value!r}, and takes only {', '.join(_SSL_MODES)}")
    return url


Ledger = Annotated[
    str,
    Field(pattern=r"^(auto|none|sqlite:///.+|postgres(ql)?://\S+)$"),
    AfterValidator(_check_ledger),
    Accepted("auto, none, sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"),
]
"""Where the ledger is."""


def split_chain(value: object) -> object:
    """Return the names in a text, which are separated by commas; another value as it is."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def split_pairs(value: object, what: str) -> object:
    """Return the pairs in a text `name=value; name=value`, each value being `what`; another value as it is."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(";") if part.strip()]
    if wrong := [part for part in pairs if not part[1]]:
        raise ValueError(f"{wrong[0][0].strip()!r} has no {what}")
    if twice := [name for name, count in Counter(part[0].strip() for part in pairs).items() if count > 1]:
        raise ValueError(f"{twice[0]!r} is given twice")
    return {name.strip(): given.strip() for name, _, given in pairs}


def base_types(annotation: object) -> set[object]:
    """Return the types of a field: the members of a union, each without what is annotated on it."""
    if get_origin(annotation) is Annotated:
        return base_types(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return {found for member in get_args(annotation) for found in base_types(member)}
    return {annotation}


def is_no_character(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"  # stands for a byte that is not UTF-8


def port_range(text: str) -> tuple[int, int]:
    """Return the first and the last port of `first-last`. Raises `ValueError`."""
    match = re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", text, re.ASCII)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    if not MIN_MEDIA_PORT <= first <= last <= MAX_PORT:
        raise ValueError(f"'{text}' is not a range of UDP ports")
    return first, last


def origin_problem(origin: str) -> str:
    """Return why no page can have this origin, with what is meant if that is clear; empty if one can."""
    if origin in ("*", "null"):
        return ""
    local = re.match(r"(localhost|127\.|\[?::1)", origin)
    text = origin if "://" in origin else f"{'http' if local else 'https'}://{origin}"
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
    except ValueError:  # also of a name that has no ASCII form
        return ": it is no address"
    if "*" in host:
        return ": the only wildcard is * alone, for all origins"
    if not host:
        return ": it names no host"
    if port == {"http": 80, "https": 443}.get(parts.scheme):
        port = None  # browsers leave it out
    own = f"[{host}]" if ":" in host else host
    sent = f"{parts.scheme}://{own}{'' if port is None else f':{port}'}"
    return "" if sent == origin else f": did you mean {sent}?"
