"""Text as words: splitting, joining, comparing. Pure."""

import re
from collections.abc import Sequence

# Scripts written without spaces: kana and Chinese characters, their punctuation, full-width forms.
_UNSPACED = r"\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_NEEDLESS_SPACE = re.compile(rf"(?<=[{_UNSPACED}]) | (?=[{_UNSPACED}])")


def split_words(text: str) -> tuple[str, ...]:
    """Words with their punctuation; in scripts written without spaces every character is one."""
    return tuple(_WORD.findall(text))


def join_words(words: Sequence[str]) -> str:
    """The text of words, or of longer pieces of text; empty ones are left out."""
    return _NEEDLESS_SPACE.sub("", " ".join(filter(None, words)))


def bare(word: str) -> str:
    """A word to compare: without case and punctuation."""
    return "".join(filter(str.isalnum, word.casefold())) or word


def alignment_distances(known: Sequence[str], words: Sequence[str], *, starts_anywhere: bool = False) -> list[int]:
    """Edit distances between `known` and the first 0, 1, 2... of `words`.

    A word that is split or joined ("every one") counts as the same. Without that, the second half of a word that was
    whole before ("block-books") would be taken for a new word. `starts_anywhere`: leading words may be left out at no
    cost.
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
