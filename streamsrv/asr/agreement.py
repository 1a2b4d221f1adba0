"""LocalAgreement-2: the words of a growing recording on which two hypotheses in a row agree are stable.

Pure. After Macháček, Dabre and Bojar, "Turning Whisper into Real-Time Transcription System" (2023).
"""

import re
from collections.abc import Sequence
from itertools import pairwise

# Scripts written without spaces: kana, Chinese characters, and their punctuation and full-width forms.
_UNSPACED = r"\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")
_UNSPACED_CHARACTER = re.compile(rf"[{_UNSPACED}]")

Words = tuple[str, ...]


def split_words(text: str) -> Words:
    """Words with their punctuation; in scripts written without spaces every character is a word."""
    return tuple(_WORD.findall(text))


def join_words(words: Sequence[str]) -> str:
    """The text of which `split_words` gives `words`."""
    pieces = list(words[:1])
    for before, word in pairwise(words):
        unspaced = _UNSPACED_CHARACTER.match(before[-1]) or _UNSPACED_CHARACTER.match(word[0])
        pieces.append(word if unspaced else f" {word}")
    return "".join(pieces)


def same_word(one: str, other: str) -> bool:
    """Whether two words differ in case and punctuation only."""
    return _bare(one) == _bare(other)


class Agreement:
    """Decides which words of successive hypotheses are stable. What it has given out is never taken back.

    The recording is a sequence of parts. Hypotheses are of the current part; `close` ends it and begins the next.
    """

    def __init__(self) -> None:
        self._known: Words = ()
        self._tentative: Words = ()

    @property
    def tentative(self) -> Words:
        """What the newest hypothesis says after the stable words."""
        return self._tentative

    def accept(self, hypothesis: Words, *, complete: bool = False) -> Words:
        """Take the next hypothesis of the part; return the words that became stable.

        The newest word is held back, for the end of the audio may have cut it, unless the audio is `complete`: it
        ends in a pause.
        """
        _, heard = _align(self._known, hypothesis)
        rest = hypothesis[heard:]
        agreed = _agreed(self._tentative, rest)
        stable = agreed if complete else min(agreed, max(len(rest) - 1, 0))
        self._known += rest[:stable]
        self._tentative = rest[stable:]
        return rest[:stable]

    def close(self, final: Words, *, continues: bool = False) -> Words:
        """End the part, of which `final` is the text; return the words that became stable.

        When the speech `continues` across the end of the part, words given out already that belong to the next part
        are known there and not given out again.
        """
        missing, heard = _align(self._known, final)
        surplus, ended = _align(final, self._known)
        if continues and surplus < missing:
            self._known, fresh = self._known[ended:], ()
        else:
            self._known, fresh = (), final[heard:]
        self._tentative = ()
        return fresh


def _bare(word: str) -> str:
    return "".join(filter(str.isalnum, word.casefold())) or word


def _agreed(one: Words, other: Words) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if not same_word(a, b):
            break
        count += 1
    return count


def _align(known: Words, words: Words) -> tuple[int, int]:
    """The prefix of `words` nearest to `known`: its edit distance and its length.

    Hypotheses may revise words already given out, and split or join them ("every one"), so counting is not enough.
    """
    wanted, found = [_bare(word) for word in known], [_bare(word) for word in words]
    distances = list(range(len(found) + 1))
    for row, want in enumerate(wanted, start=1):
        diagonal, distances[0] = distances[0], row
        for column, have in enumerate(found, start=1):
            best = min(diagonal + (want != have), distances[column] + 1, distances[column - 1] + 1)
            diagonal, distances[column] = distances[column], best
    return min((distance, abs(length - len(known)), length) for length, distance in enumerate(distances))[::2]
