"""Estimates the time of each word in a segment, for synthesisers without word timings. Pure."""

import re
from itertools import accumulate

from streamsrv.engines.tts.base import SpokenWord
from streamsrv.text.speakable import spoken_text
from streamsrv.text.spoken_text import SpokenText

# Weights in units of a letter, fitted to sentences of the hibari voice; the pause after a sentence is `tts.silence`'s.
_VOWELS = 2.0
_SYLLABLE = 4.0
_DIGIT = 8.0
_CLAUSE_PAUSE = 3.0
_SENTENCE_PAUSE = 8.0

_IDEOGRAPHS = r"\u3400-\u9fff\uf900-\ufaff"
_UNSPACED = rf"[\u3040-\u30ff{_IDEOGRAPHS}]"
WRITTEN_WORD = re.compile(rf"{_UNSPACED}[^\w\s]*|(?:(?!{_UNSPACED})\S)+")
"""A word with its marks; where no spaces separate words, a character."""
_SOUND = re.compile(
    rf"(?P<syllable>[{_IDEOGRAPHS}\uac00-\ud7af])|(?P<digit>\d)"
    r"|(?P<vowels>[aeiouyàâäåæèéêëìíîïòóôöøœùúûüýąęőűıαεηιουωάέήίόύώаеёиоуыэюяіїєあ-おア-オ]+)"
    r"|(?P<letter>[^\W_])"
    r"|(?P<sentence>[.!?…।。！？](?![\w.!?]))|(?P<clause>[,;:—–،、，；：](?!\w)|[、，；：])",
    re.IGNORECASE,
)


def estimate_words(
    text: SpokenText | str, duration_ms: int, offset_ms: int = 0, language: str = "en"
) -> tuple[SpokenWord, ...]:
    """Spread the written words of `text` over `duration_ms` of speech that starts at `offset_ms`.

    Each word gets time for what is said for it (`$3.50` is long) and for the pause at its mark; `language` is that of
    a text that is not spoken yet. The words follow one another without gaps: the first starts at the offset, and the
    last ends with the speech. Markup and emoji take no time.
    """
    speech = spoken_text(text, language) if isinstance(text, str) else text
    spans = [match.span() for match in WRITTEN_WORD.finditer(speech.written)]
    if not spans:
        return ()
    weights = _weights(speech.spoken)
    ends = [_weight_before(weights, speech.spoken_at(end)) for _, end in spans]
    total = ends[-1]
    if total == 0:
        ends, total = [float(index) for index in range(1, len(spans) + 1)], float(len(spans))
    times = [offset_ms, *(offset_ms + round(duration_ms * end / total) for end in ends)]
    return tuple(
        SpokenWord(speech.written[start:end], times[index], times[index + 1])
        for index, (start, end) in enumerate(spans)
    )


def _weights(spoken: str) -> list[float]:
    """Return, for each position in a spoken text, the weight of what is before it."""
    weights = [0.0] * len(spoken)
    for match in _SOUND.finditer(spoken):
        start, end = match.span()
        match match.lastgroup:
            case "vowels":
                weights[start:end] = [1 + _VOWELS / (end - start)] * (end - start)
            case "syllable":
                weights[start] = _SYLLABLE
            case "digit":
                weights[start] = _DIGIT
            case "letter":
                weights[start] = 1.0
            case "sentence":
                weights[start] = _SENTENCE_PAUSE
            case _:
                weights[start] = _CLAUSE_PAUSE
    return list(accumulate(weights, initial=0.0))


def _weight_before(weights: list[float], position: float) -> float:
    """Return the weight before a position, which may be inside a character."""
    index = int(position)
    if index + 1 >= len(weights):
        return weights[-1]
    return weights[index] + (position - index) * (weights[index + 1] - weights[index])
