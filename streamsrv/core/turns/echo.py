"""Compares recognised words with those of the reply that plays, to detect its echo. Pure.

A recogniser mishears an echo, cuts its last word and repeats its first ones, so words are compared by their sound, as
far as letters tell it: by runs of three letters, regardless of order and of the spaces between words.
"""

import re
from functools import lru_cache

from streamsrv.text.speakable import speakable

_RUN = 3
_LETTER = r"(?:[^\W_]|[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0963\u0970-\u0dff\u0e31-\u0e4e])"
"""A letter or digit, or a sign above, below or behind one, as in Hindi and Thai: they are no letters to `re`."""
_WORD = re.compile(rf"{_LETTER}+(?:'{_LETTER}+)?")


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation."""
    return _WORD.findall(text.casefold())


def echo_share(heard: str, playing: str, language: str | None = None) -> float:
    """Return the share of `heard` (0..1) that the words in `playing` explain.

    Numbers are compared as they are said in `language`; None: it is not known, and they are compared as written.
    """
    letters, explained = _letters(heard, language), _runs(playing, language)
    found = [letters[start : start + _RUN] in explained for start in range(len(letters) - _RUN + 1)]
    if not found:
        return float(bool(letters) and letters in _spoken_words(playing, language))
    return sum(found) / len(found)


@lru_cache(maxsize=256)
def _letters(text: str, language: str | None) -> str:
    return "".join(_spoken_words(text, language)).replace("'", "")


@lru_cache(maxsize=256)
def _runs(text: str, language: str | None) -> frozenset[str]:
    letters = _letters(text, language)
    return frozenset(letters[start : start + _RUN] for start in range(len(letters) - _RUN + 1))


def _spoken_words(text: str, language: str | None) -> list[str]:
    """Return the words as they are spoken, with numbers and signs in letters."""
    if language is not None and any(sign.isdigit() or sign in "%&@" for sign in text):
        text = speakable(text, language)
    return words_of(text)
