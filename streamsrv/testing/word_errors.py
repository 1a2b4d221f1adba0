"""Counts word errors of transcripts, for tests and benchmarks.

In scripts without spaces (Chinese, Japanese) each character is a word, so that the rate is a character error rate.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import num2words

from streamsrv.text.words import bare, split_words

_SPELLED_OUT = {"mr": "mister", "mrs": "missus", "dr": "doctor", "%": "percent", "&": "and"}
_to_words = cast("Any", num2words).num2words
_TOKEN = re.compile(r"\d+(?:st|nd|rd|th)\b|\d+|[%&]|[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Words inserted, deleted or substituted, and the number of reference words."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Errors per word; 0 if there are no words."""
        return self.errors / self.words if self.words else 0.0

    @classmethod
    def total(cls, counts: Iterable["WordErrors"]) -> "WordErrors":
        """Add up the errors of many texts."""
        both = [(count.errors, count.words) for count in counts]
        return cls(sum(errors for errors, _ in both), sum(words for _, words in both))


def count_word_errors(reference: str, hypothesis: str, language: str = "en") -> WordErrors:
    """Compare texts without regard to case, punctuation, hyphens, and how numbers (and English titles) are written."""
    wanted, found = normalized_words(reference, language), normalized_words(hypothesis, language)
    return WordErrors(prefix_distances(wanted, found)[-1], len(wanted))


def normalized_words(text: str, language: str = "en") -> list[str]:
    """Lower-case words without punctuation; numbers (in English, also ordinals) are spelled out."""
    if language != "en":
        return _words_of(text, language)
    tokens = _TOKEN.findall(re.sub(r"(?<=\d),(?=\d{3})", "", text.lower()))
    return [word for token in tokens for word in _spelled_out(token)]


def _words_of(text: str, language: str) -> list[str]:
    composed = unicodedata.normalize("NFC", text.lower())
    spelled = re.sub(r"\d+", lambda digits: f" {_number(digits[0], language)} ", composed)
    words = (bare(word) for word in split_words(re.sub(r"[-–—/]", " ", spelled)))
    return [word for word in words if any(map(str.isalnum, word))]


def _number(digits: str, language: str) -> str:
    try:
        return str(_to_words(int(digits), lang=language)).lower()
    except NotImplementedError:
        return digits


def _spelled_out(token: str) -> list[str]:
    if not token[0].isdigit():
        return [re.sub("['’]", "", _SPELLED_OUT.get(token, token))]
    digits = token.rstrip("stndrh")
    return re.findall("[a-z]+", _to_words(int(digits), to="cardinal" if digits == token else "ordinal"))


def prefix_distances(reference: Sequence[str], words: Sequence[str]) -> list[int]:
    """Return the edit distances between `reference` and the first 0, 1, 2... and finally all of `words`."""
    wanted, found = [bare(word) for word in reference], [bare(word) for word in words]
    distances = list(range(len(found) + 1))
    for row, want in enumerate(wanted, start=1):
        diagonal, distances[0] = distances[0], row
        for column, have in enumerate(found, start=1):
            best = min(diagonal + (want != have), distances[column] + 1, distances[column - 1] + 1)
            diagonal, distances[column] = distances[column], best
    return distances
