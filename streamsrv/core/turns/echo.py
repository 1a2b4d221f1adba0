"""Compares recognised words with those of the reply that plays, to detect its echo. Pure.

A recogniser mishears an echo, cuts its last word and repeats its first ones, so words are compared by their sound, as
far as letters tell it: by runs of three letters, regardless of order and of the spaces between words.
"""

import re
from functools import lru_cache

from streamsrv.text.speakable import speakable

_RUN = 3
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation."""
    return _WORD.findall(text.casefold())


def echo_share(heard: str, playing: str) -> float:
    """Return the share of `heard` (0..1) that the words in `playing` explain."""
    letters, explained = _letters(heard), _runs(playing)
    found = [letters[start : start + _RUN] in explained for start in range(len(letters) - _RUN + 1)]
    if not found:
        return float(bool(letters) and letters in _spoken_words(playing))
    return sum(found) / len(found)


@lru_cache(maxsize=256)
def _letters(text: str) -> str:
    return "".join(_spoken_words(text)).replace("'", "")


@lru_cache(maxsize=256)
def _runs(text: str) -> frozenset[str]:
    letters = _letters(text)
    return frozenset(letters[start : start + _RUN] for start in range(len(letters) - _RUN + 1))


def _spoken_words(text: str) -> list[str]:
    """Return the words as they are spoken, with numbers and signs in letters."""
    return words_of(speakable(text) if any(sign.isdigit() or sign in "%&@" for sign in text) else text)
