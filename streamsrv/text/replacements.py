"""Replaces words that a recogniser writes wrongly, in time linear in the text, whatever the list. Pure.

A text is read as tokens: words, single characters of scripts without spaces, runs of spaces, and other characters. An
entry matches whole tokens, so `art` is not found in `start`; of several entries, the longest one is used. What has been
put in is not looked at again.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

MAX_TOKENS = 24
"""Most tokens of an entry: twelve words with the spaces between them, or 24 characters of a script without spaces."""
MAX_GROWTH = 1000
"""Characters by which the replacements may lengthen one text; further words of the list stay as they are."""

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3000, 0x30FF),  # Japanese
    (0x3400, 0x9FFF),  # Chinese characters
    (0xF900, 0xFAFF),
    (0xFF00, 0xFFEF),
    (0x20000, 0x3FFFF),
)


class Edit(NamedTuple):
    """Characters `start` to `end` of a text become `text`."""

    start: int
    end: int
    text: str


class Replacement(NamedTuple):
    """One entry of a list: `source` is replaced by `target`; `match_case`: only as it is written."""

    source: str
    target: str
    match_case: bool = False

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that are replaced, in small letters if case does not matter; none if `source` is blank."""
        written = _tokens_of_entry(self.source)
        return written if self.match_case else tuple(map(_folded, written))


@dataclass(slots=True)
class _Node:
    """The entries that begin with the same tokens; the end of one holds its target."""

    next: dict[str, "_Node"] = field(default_factory=dict[str, "_Node"])
    target: str | None = None
    """The target in any case."""
    exact: dict[tuple[str, ...], str] = field(default_factory=dict[tuple[str, ...], str])
    """Targets by the tokens as they are written."""


class Replacements:
    """The replacement list of a room: a tree of the entries' tokens, the same for all its speakers."""

    def __init__(self, entries: Iterable[Replacement] = ()) -> None:
        self._root = _Node()
        for entry in entries:
            if tokens := _tokens_of_entry(entry.source):
                self._add(tokens, entry)

    def edits(self, text: str) -> list[Edit]:
        """Return what is to be changed in a text, in its order."""
        if not self._root.next:
            return []
        tokens = list(_tokens(text))
        written = list(map(_spaced, tokens))
        folded = list(map(_folded, written))
        found, grown, index, at = list[Edit](), 0, 0, 0
        while index < len(tokens):
            count, target = self._longest(written, folded, index)
            matched = tokens[index : index + max(1, count)]
            length = sum(map(len, matched))
            if target is not None and grown + len(target) - length <= MAX_GROWTH:
                grown += len(target) - length
                found.append(_without_double_space(Edit(at, at + length, target), text))
            index, at = index + len(matched), at + length
        return found

    def _add(self, tokens: Sequence[str], entry: Replacement) -> None:
        node = self._root
        for token in tokens:
            node = node.next.setdefault(_folded(token), _Node())
        if entry.match_case:
            node.exact[tuple(tokens)] = entry.target
        else:
            node.target = entry.target

    def _longest(self, written: Sequence[str], folded: Sequence[str], start: int) -> tuple[int, str | None]:
        """Return the number of tokens of the longest entry at `start`, and its target; 0 and None without one."""
        node = self._root
        best: tuple[int, str | None] = (0, None)
        for end in range(start, min(start + MAX_TOKENS, len(folded))):
            found = node.next.get(folded[end])
            if found is None:
                break
            node = found
            target = node.exact.get(tuple(written[start : end + 1])) if node.exact else None
            if target is None:
                target = node.target
            if target is not None:
                best = (end + 1 - start, target)
        return best


def applied(text: str, edits: Sequence[Edit]) -> str:
    """Return the text after the edits, which are in order and do not overlap."""
    pieces, at = list[str](), 0
    for edit in edits:
        pieces += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join((*pieces, text[at:]))


def _without_double_space(edit: Edit, text: str) -> Edit:
    """Take a space away with words that are replaced by nothing."""
    is_open = edit.start == 0 or text[edit.start - 1].isspace()
    if not edit.text and is_open and text[edit.end : edit.end + 1].isspace():
        return edit._replace(end=edit.end + 1)
    return edit


def _tokens_of_entry(source: str) -> tuple[str, ...]:
    return tuple(map(_spaced, _tokens(source.strip())))


def _spaced(token: str) -> str:
    return " " if token.isspace() else _composed(token)


def _composed(token: str) -> str:
    return unicodedata.normalize("NFC", token)


def _folded(token: str) -> str:
    return token if token == " " else _composed(_composed(token).casefold())


def _tokens(text: str) -> Iterator[str]:
    """Yield the tokens of a text; joined, they are the text."""
    start, before = 0, ""
    for at, character in enumerate(text):
        kind = _kind(character)
        joins = kind == "mark" or (kind == before and kind in ("word", "space"))
        if at and not joins:
            yield text[start:at]
            start = at
        before = before if kind == "mark" else kind
    if text:
        yield text[start:]


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    if character.isspace():
        return "space"
    if unicodedata.category(character)[0] == "M":
        return "mark"
    if any(first <= ord(character) <= last for first, last in _UNSPACED):
        return "unspaced"
    return "word" if character.isalnum() else "other"
