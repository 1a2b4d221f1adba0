"""Splits, joins and compares words. Pure."""

import re
import unicodedata
from collections.abc import Sequence

# Scripts written without spaces: kana and Chinese characters, their punctuation, full-width forms.
_UNSPACED = r"\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_NEEDLESS_SPACE = re.compile(rf"(?<=[{_UNSPACED}]) | (?=[{_UNSPACED}])")


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a text with their punctuation; in scripts without spaces, each character is a word."""
    return tuple(_WORD.findall(text))


def join_words(words: Sequence[str]) -> str:
    """Join words, or longer pieces of text, into a text; empty ones are left out."""
    return _NEEDLESS_SPACE.sub("", " ".join(filter(None, words)))


def bare(word: str) -> str:
    """Return a word without case and punctuation, for comparison."""
    return "".join(filter(_is_of_word, word.casefold())) or word


def _is_of_word(character: str) -> bool:
    """Whether a character is a letter, a digit, or a mark on one, such as the vowel signs of Hindi."""
    return character.isalnum() or (not character.isascii() and unicodedata.category(character)[0] == "M")


def alignment_distances(known: Sequence[str], words: Sequence[str], *, starts_anywhere: bool = False) -> list[int]:
    """Return the edit distances between `known` and the first 0, 1, 2... of `words`.

    A word that is split or joined ("every one") counts as the same; else the second half of a split word
    ("block-books") would count as a new word. `starts_anywhere`: leading words of `words` may be skipped at no cost.
    """
    wanted, found = [bare(word) for word in known], [bare(word) for word in words]
    before, row = list[int](), [0] * (len(found) + 1) if starts_anywhere else list(range(len(found) + 1))
    for index, want in enumerate(wanted):
        two_before, before, row = before, row, [index + 1]
        joined = wanted[index - 1] + want if index else ""
        for column, have in enumerate(found, start=1):
            best = min(before[column - 1] + (want != have), before[column] + 1, row[column - 1] + 1)
            if column > 1 and want == found[column - 2] + have:
                best = min(best, before[column - 2])
            if index and joined == have:
                best = min(best, two_before[column - 1])
            row.append(best)
    return row
