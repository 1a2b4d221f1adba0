"""A text that remembers, through any number of substitutions, what each of its characters was written as. Pure."""

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

Parts = Sequence[tuple[str, int]]
"""A reading in parts, each with the number of the group that it is the reading of; 0: of the whole match."""
Reading = str | Callable[[re.Match[str]], str | Parts]
"""What a match becomes: a template as of `re.sub`, or a function of the match."""
Rule = tuple[re.Pattern[str], Reading]

_GROUP = re.compile(r"\\([0-9])")


class TracedText:
    """A text and, for each of its characters, the span of the original text that it stands for. Immutable."""

    __slots__ = ("_ends", "_starts", "text")

    def __init__(self, text: str, starts: "array[int] | None" = None, ends: "array[int] | None" = None) -> None:
        """Without spans, `text` is the original."""
        self.text = text
        self._starts = array("q", range(len(text))) if starts is None else starts
        self._ends = array("q", range(1, len(text) + 1)) if ends is None else ends

    def __getitem__(self, part: slice) -> "TracedText":
        return TracedText(self.text[part], self._starts[part], self._ends[part])

    def __bool__(self) -> bool:
        return bool(self.text)

    def span(self, index: int) -> tuple[int, int]:
        """Return the start and the end of what the character at `index` stands for; both are equal if it was added."""
        return self._starts[index], self._ends[index]

    def strip(self) -> "TracedText":
        """Return the text without whitespace at its ends."""
        start = len(self.text) - len(self.text.lstrip())
        return self[start : max(start, len(self.text.rstrip()))]

    def split(self, boundary: re.Pattern[str]) -> list["TracedText"]:
        """Return the parts between the matches of `boundary`, stripped, without empty ones."""
        parts: list[TracedText] = []
        start = 0
        for match in boundary.finditer(self.text):
            parts.append(self[start : match.start()].strip())
            start = match.end()
        return [part for part in (*parts, self[start:].strip()) if part]

    def with_end(self, mark: str) -> "TracedText":
        """Return the text with `mark` added at its end."""
        return _Writer(self).keep(0, len(self.text)).write(mark, len(self.text), len(self.text)).done()

    def apply(self, rules: Iterable[Rule]) -> "TracedText":
        """Return the text after all rules, each applied to what the one before it left."""
        text = self
        for pattern, reading in rules:
            text = text.sub(pattern, reading)
        return text

    def sub(self, pattern: re.Pattern[str], reading: Reading) -> "TracedText":
        """Return the text with each match replaced, as `re.sub` does.

        The characters of a replacement stand for the whole match, except those of a group and those that the match
        and its replacement begin or end with: they stand for themselves.
        """
        if pattern.search(self.text) is None:
            return self
        writer = _Writer(self)
        position = 0
        for match in pattern.finditer(self.text):
            writer.keep(position, match.start())
            position = match.end()
            replacement = _template(reading, match) if isinstance(reading, str) else reading(match)
            if isinstance(replacement, str):
                writer.replace(match.start(), position, replacement)
            else:
                for text, group in replacement:
                    writer.replace(*match.span(group), text)
        return writer.keep(position, len(self.text)).done()


def joined(separator: str, texts: Sequence[TracedText]) -> TracedText:
    """Return the texts, which follow one another in the same original, with a separator between them."""
    pieces: list[str] = []
    starts, ends = array("q"), array("q")
    for text in texts:
        if pieces:
            end = ends[-1] if ends else 0
            starts.extend([end] * len(separator))
            ends.extend([text.span(0)[0] if text else end] * len(separator))
            pieces.append(separator)
        pieces.append(text.text)
        starts.extend(text._starts)  # pyright: ignore[reportPrivateUsage]
        ends.extend(text._ends)  # pyright: ignore[reportPrivateUsage]
    return TracedText("".join(pieces), starts, ends)


@lru_cache(maxsize=256)
def _template_parts(template: str) -> tuple[tuple[str, int], ...]:
    """Return the literal texts of a template, each with the number of the group that follows it; -1: none."""
    parts = _GROUP.split(template)
    return tuple(zip(parts[::2], [*map(int, parts[1::2]), -1], strict=True))


def _template(template: str, match: re.Match[str]) -> str | Parts:
    if "\\" not in template:
        return template
    parts: list[tuple[str, int]] = []
    for literal, group in _template_parts(template):
        if literal:
            parts.append((literal, 0))
        if group >= 0 and match[group]:
            parts.append((match[group], group))
    return parts


class _Writer:
    """Writes a new text from an old one."""

    def __init__(self, old: TracedText) -> None:
        self._old = old
        self._pieces: list[str] = []
        self._starts = array("q")
        self._ends = array("q")

    def keep(self, start: int, end: int) -> "_Writer":
        """Copy a part of the old text."""
        if start < end:
            kept = self._old[start:end]
            self._pieces.append(kept.text)
            self._starts.extend(kept._starts)  # pyright: ignore[reportPrivateUsage]
            self._ends.extend(kept._ends)  # pyright: ignore[reportPrivateUsage]
        return self

    def replace(self, start: int, end: int, text: str) -> None:
        """Write `text` for a part of the old text."""
        old = self._old.text[start:end]
        before = _common(old, text)
        after = _common(old[before:][::-1], text[before:][::-1])
        self.keep(start, start + before)
        self.write(text[before : len(text) - after], start + before, end - after)
        self.keep(end - after, end)

    def write(self, text: str, start: int, end: int) -> "_Writer":
        """Write `text`, all of which stands for a part of the old text."""
        if start < end:
            from_, to = self._old.span(start)[0], self._old.span(end - 1)[1]
        elif start:
            from_ = to = self._old.span(start - 1)[1]
        else:
            from_ = to = self._old.span(0)[0] if self._old else 0
        self._pieces.append(text)
        self._starts.extend([from_] * len(text))
        self._ends.extend([to] * len(text))
        return self

    def done(self) -> TracedText:
        return TracedText("".join(self._pieces), self._starts, self._ends)


def _common(first: str, second: str) -> int:
    """Return how many characters both texts begin with."""
    count = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        count += 1
    return count
