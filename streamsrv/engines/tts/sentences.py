"""Cuts a segment into the pieces that a synthesiser speaks one after the other. Pure."""

import re
from collections.abc import Iterator

from streamsrv.text.cutting import cut_text

# Possessive quantifiers (++) keep the time linear for texts of thousands of marks.
_CLOSING = r"[\"'”’)\]»」』]*+"
_SENTENCE = re.compile(rf"(?<![.!?…])[.!?…]++{_CLOSING}\s++|[。！？]++{_CLOSING}\s*+")
_CLAUSE = re.compile(rf"[,;:]{_CLOSING}\s++|\s[–—-]\s|[，、；：]\s*+")
_BREAK = re.compile(rf"(?<![.!?…,;:])[.!?…,;:]++{_CLOSING}(?:\s++|$)|[。！？，、；：]++{_CLOSING}\s*+")


def speech_pieces(text: str, max_chars: int) -> Iterator[str]:
    """Yield the sentences of a text, without those that have nothing to say.

    A sentence of more than `max_chars` characters is cut between its clauses, or else between words.
    """
    for sentence in _cut_after(text, _SENTENCE):
        for piece in _shortened(sentence.strip(), max_chars):
            if any(character.isalnum() for character in piece):
                yield piece


def clauses(text: str) -> Iterator[tuple[str, str]]:
    """Yield the clauses of a text, each with the punctuation mark that ends it, which may be empty."""
    for clause in _cut_after(text, _BREAK):
        mark = _BREAK.search(clause)
        yield (clause[: mark.start()], clause[mark.start()]) if mark else (clause.rstrip(), "")


def _cut_after(text: str, mark: re.Pattern[str]) -> Iterator[str]:
    start = 0
    for found in mark.finditer(text):
        yield text[start : found.end()]
        start = found.end()
    if start < len(text):
        yield text[start:]


def _shortened(sentence: str, max_chars: int) -> Iterator[str]:
    """Yield pieces of at most `max_chars` characters, each of as many clauses as it can hold."""
    if len(sentence) <= max_chars:
        yield sentence
        return
    piece = ""
    for clause in _cut_after(sentence, _CLAUSE):
        if piece and len(piece) + len(clause) > max_chars:
            yield from cut_text(piece.strip(), max_chars)
            piece = ""
        piece += clause
    yield from cut_text(piece.strip(), max_chars)
