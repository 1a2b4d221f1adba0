"""Estimates the time of each word in a segment, for synthesisers without word timings. Pure."""

import re

from streamsrv.engines.tts.base import SpokenWord
from streamsrv.text.english_words import ABBREVIATIONS
from streamsrv.text.speakable import speakable

# Weights in units of a letter, fitted to sentences of the hibari voice; the pause after a sentence is `tts.silence`'s.
_VOWELS = 2.0
_CLAUSE_PAUSE = 3.0
_SENTENCE_PAUSE = 8.0

_VOWEL_GROUP = re.compile(r"[aeiouyàâäåæèéêëìíîïòóôöøœùúûüý]+", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[,;:—–][\"'”’)*_]*$")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)*_]*$")
_LETTERS = re.compile(r"[(\"“‘]?(([^\W\d_]+)[.,;:!?…]?)[)\"”’]?")
_EMOTICONS = ("xD", "XD")


def estimate_words(text: str, duration_ms: int, offset_ms: int = 0, language: str = "en") -> tuple[SpokenWord, ...]:
    """Spread the whitespace-separated words of `text` over `duration_ms` of speech that starts at `offset_ms`.

    Each word gets time for its sound (`$3.50` is long) and for the pause at its mark. The words follow one another
    without gaps: the first starts at the offset, and the last ends with the speech. Markup and emoji take no time.
    """
    words = text.split()
    weights = [_weight(word, language) for word in words]
    total = sum(weights)
    if total == 0:
        weights, total = [1.0] * len(words), float(len(words))
    spoken: list[SpokenWord] = []
    start = offset_ms
    before = 0.0
    for word, weight in zip(words, weights, strict=True):
        before += weight
        end = offset_ms + round(duration_ms * before / total)
        spoken.append(SpokenWord(word, start, end))
        start = end
    return tuple(spoken)


def _weight(word: str, language: str) -> float:
    sound = word if _is_read_as_written(word) else speakable(word, language)
    weight = sum(character.isalnum() for character in sound) + _VOWELS * len(_VOWEL_GROUP.findall(sound))
    if _SENTENCE_END.search(word):
        return weight + _SENTENCE_PAUSE
    return weight + _CLAUSE_PAUSE if _CLAUSE_END.search(word) else weight


def _is_read_as_written(word: str) -> bool:
    """Whether `speakable` would keep the letters of a word. It is faster than `speakable`, and true for most words."""
    match = _LETTERS.fullmatch(word)
    if match is None or not match[2].isalpha():
        return False
    return not (match[1] in ABBREVIATIONS or match[2] in ABBREVIATIONS or word in _EMOTICONS)
