"""Source maps: which line of a script that is served comes from which line of which file.

Source: ECMA-426, "Source map format specification".
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@dataclass(frozen=True, slots=True)
class MappedSource:
    """A file whose lines stand in the script one below the other, from line `first_line` (from 0) on."""

    name: str
    text: str
    first_line: int

    @property
    def lines(self) -> int:
        return self.text.count("\n")


def source_map(sources: Sequence[MappedSource]) -> str:
    """Return the map as JSON; the sources are in the order of their lines."""
    lines: list[str] = []
    before = (0, 0)  # numbers of source and line: a segment has the differences to the one before
    for number, source in enumerate(sources):
        lines += [""] * (source.first_line - len(lines))
        for line in range(source.lines):
            segment = (0, number - before[0], line - before[1], 0)
            lines.append("".join(map(_base64_vlq, segment)))
            before = (number, line)
    return json.dumps(
        {
            "version": 3,
            "sources": [source.name for source in sources],
            "sourcesContent": [source.text for source in sources],
            "names": [],
            "mappings": ";".join(lines),
        }
    )


def _base64_vlq(value: int) -> str:
    """Return a number in base 64: the sign in the lowest bit, five bits a digit, the sixth says that more follow."""
    rest = -value << 1 | 1 if value < 0 else value << 1
    digits = ""
    while True:
        digit, rest = rest & 31, rest >> 5
        digits += _DIGITS[digit | (32 if rest else 0)]
        if not rest:
            return digits
