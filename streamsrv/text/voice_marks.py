"""Marks in a text that tell the voice to laugh or to breathe, such as `[laugh]`. Pure.

They are no words: nobody is shown them, and only voices that know them are given them (`tts.base.Voice.marks`).
"""

import re
from collections.abc import Callable, Collection
from itertools import pairwise

from streamsrv.text.spoken_text import Piece, SpokenText, silent

MARKS = ("[laugh]", "[uv_break]", "[v_break]", "[lbreak]")

_MARK = re.compile("|".join(map(re.escape, MARKS)))
_WRITTEN_MARK = re.compile(rf"(?:(?<=\s)|\A)(?:{_MARK.pattern})[ \t]?|{_MARK.pattern}")

Read = Callable[[str, bool, bool], SpokenText]
"""Makes what is said of a part of a text; whether it is the first one, and the last one."""


def without_marks(text: str, known: Collection[str] = ()) -> str:
    """Return the text without its marks, but for those that are `known`."""
    return _WRITTEN_MARK.sub(lambda mark: mark[0] if mark[0].strip() in known else "", text)


def read_with_marks(text: str, read: Read) -> SpokenText:
    """Return what is said for a text, with its marks; the written text is without them."""
    marks = list(_WRITTEN_MARK.finditer(text))
    if not marks:
        return read(text, True, True)
    bounds = [(0, 0), *(mark.span() for mark in marks), (len(text), len(text))]
    parts = [text[left[1] : right[0]] for left, right in pairwise(bounds)]
    speech = read(parts[0], True, False)
    for number, (mark, part) in enumerate(zip(marks, parts[1:], strict=True), start=1):
        speech = _joined(speech, mark[0].strip(), read(part, False, number == len(marks)))
    is_spoken = any(character.isalnum() for character in _MARK.sub("", speech.spoken))
    return speech if is_spoken else silent(speech.written)


def _joined(before: SpokenText, mark: str, after: SpokenText) -> SpokenText:
    said = f"{mark} " if before.spoken.endswith(" ") or not before.spoken else f" {mark} "
    written, spoken = len(before.written), len(before.spoken) + len(said)
    moved = (
        Piece(
            piece.written_start + written,
            piece.written_end + written,
            piece.spoken_start + spoken,
            piece.spoken_end + spoken,
            piece.is_verbatim,
        )
        for piece in after.pieces
    )
    pieces = (*before.pieces, Piece(written, written, len(before.spoken), spoken, False), *moved)
    return SpokenText(before.written + after.written, before.spoken + said + after.spoken, pieces)
