"""SDP (RFC 8866) as lines: what is needed to read an offer section by section. Pure.

No line has a meaning here but the `m=` lines; nothing is lost or reordered.
"""

import re
from dataclasses import dataclass

_MEDIA_LINE = re.compile(r"m=(\S+) (\d{1,5})(?:/\d+)? (\S+) (\S.*)")


class InvalidDescription(ValueError):
    """The text is not SDP; says which line is wrong."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one part of a description, without their ends."""

    lines: tuple[str, ...]

    def values(self, attribute: str) -> list[str]:
        """The values of all `a=attribute:value` lines."""
        prefix = f"a={attribute}:"
        return [line.removeprefix(prefix).strip() for line in self.lines if line.startswith(prefix)]

    def value(self, attribute: str) -> str | None:
        """The value of the first `a=attribute:value` line; None without one."""
        return next(iter(self.values(attribute)), None)

    def has(self, flag: str) -> bool:
        """Whether there is a line `a=flag`."""
        return f"a={flag}" in self.lines


@dataclass(frozen=True, slots=True)
class Section(Lines):
    """One media section: its `m=` line in parts, and the lines below it. `formats` is the rest of the `m=` line."""

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
        """The mids of each `a=group` of these semantics."""
        groups = [value.split() for value in self.session.values("group")]
        return [mids for kind, *mids in filter(None, groups) if kind == semantics]


def parse(sdp: str) -> Description:
    """Cut SDP into its sections; raises `InvalidDescription`."""
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
