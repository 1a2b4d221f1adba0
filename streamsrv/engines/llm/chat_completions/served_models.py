"""Finds a model among those that a server lists. Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from streamsrv.errors import Unavailable

MAX_LISTED = 10
"""Models that an error names."""


def served_name(model: str, patterns: Sequence[str], listed: Sequence[str], url: str) -> str:
    """Return the name under which the server at `url` has `model`.

    It is the first listed name that is like one of the patterns, the earlier ones first; else the only name that is
    listed. Without patterns, it is the first name. Raises `Unavailable`.
    """
    if not listed:
        raise Unavailable(f"{model} has no model: the server at {url} lists none.")
    if not patterns:
        return listed[0]
    for pattern in patterns:
        for name in listed:
            if fnmatchcase(name.lower(), pattern.lower()):
                return name
    if len(listed) == 1:
        return listed[0]
    names = ", ".join(listed[:MAX_LISTED]) + (", ..." if len(listed) > MAX_LISTED else "")
    raise Unavailable(
        f"{model} is not served at {url}, which has {names}. If it has another name there, give that as the option "
        "`model` in a [[model]] table."
    )
