"""Parses SDP (RFC 8866) into sections of lines. Pure.

Only the `m=` lines are interpreted; all other lines are kept in order.
"""

import re
from dataclasses import dataclass

_MEDIA_LINE = re.compile(r"m=(\S+) (\d{1,5})(?:/\d+)? (\S+) (\S.*)")


class InvalidDescription(ValueError):
    """The text is not SDP. The message names the invalid line."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one part of a description, without line breaks."""

    lines: tuple[str, ...]

    def values(self, attribute: str) -> list[str]:
        """Return the values of all `a=attribute:value` lines."""
        prefix = f"a={attribute}:"
        return [line.removeprefix(prefix).strip() for line in self.lines if line.startswith(prefix)]

    def value(self, attribute: str) -> str | None:
        """Return the value of the first `a=attribute:value` line; None without one."""
        return next(iter(self.values(attribute)), None)

    def has(self, flag: str) -> bool:
        """Return whether there is a line `a=flag`."""
        return f"a={flag}" in self.lines


@dataclass(frozen=True, slots=True)
class Section(Lines):
    """One media section: the fields of its `m=` line and the lines below it. `formats` is the rest of the `m=` line."""

    kind: str
    port: int
    protocol: str
    formats: str

    @property
    def mid(self) -> str | None:
        return self.value("mid")


@dataclass(frozen=True, slots=True)
class Description:
    session: Lines
    sections: tuple[Section, ...]

    def groups(self, semantics: str) -> list[list[str]]:
        """Return the mids of each `a=group` line with these semantics."""
        groups = [value.split() for value in self.session.values("group")]
        return [mids for kind, *mids in filter(None, groups) if kind == semantics]


def parse(sdp: str) -> Description:
    """Split SDP into its sections. Raises `InvalidDescription`."""
    parts: list[list[str]] = [[]]
    for line in sdp.splitlines():
        if line.startswith("m="):
            parts.append([])
        parts[-1].append(line.rstrip())
    session, *sections = parts
    return Description(Lines(tuple(session)), tuple(_section(lines) for lines in sections))


def _section(lines: list[str]) -> Section:
    match = _MEDIA_LINE.fullmatch(lines[0])
    if match is None:
        raise InvalidDescription(f"the line '{lines[0][:100]}' is not 'm=<media> <port> <protocol> <formats>'")
    kind, port, protocol, formats = match.groups()
    return Section(tuple(lines[1:]), kind, int(port), protocol, formats)
