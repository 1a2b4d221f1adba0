"""Cuts a text into pieces that XTTS can speak at once. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence

from streamsrv.text.cutting import cut_text

MAX_NUMBER_CHARS = 15
"""Longest number that is read as one; the library that reads numbers does not know larger ones in every language."""
_LONG_NUMBER = re.compile(r"\d[\d.,]*\d")


def pieces(
    text: str, max_chars: int, max_tokens: int, encode: Callable[[str], Sequence[int]]
) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield pieces of at most `max_chars` characters and `max_tokens` tokens, each with its tokens.

    Pieces without a letter or digit are left out: the model makes a noise of them.
    """
    text = _LONG_NUMBER.sub(_by_digits, text)
    for piece in cut_text(text.strip(), max_chars):
        if not any(character.isalnum() for character in piece):
            continue
        tokens = encode(piece)
        if len(tokens) <= max_tokens:
            yield piece, tokens
        elif len(piece) > 1:
            yield from pieces(piece, len(piece) // 2, max_tokens, encode)


def _by_digits(number: re.Match[str]) -> str:
    return number[0] if len(number[0]) <= MAX_NUMBER_CHARS else " ".join(filter(str.isdecimal, number[0]))
