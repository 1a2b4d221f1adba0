"""The languages of a Whisper model, and which of them is spoken. Pure.

Source: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), section 2.3. Codes are
ISO 639-1, and ISO 639-3 for the two languages of Whisper that have no code there: Hawaiian and Cantonese.
"""

import re
from collections.abc import Iterable, Sequence

_WHISPER_CODES = {"jv": "jw", "nb": "no"}
"""Whisper's codes of languages by our code, where they differ. Bokmål is what Whisper calls Norwegian."""
_CODES = {"jw": "jv"}
_TOKEN = re.compile(r"<\|([a-z]{2,3})\|>")
# A language detected in less audio, or with a lower probability, is often another one a second later.
_SURE = ((2.0, 0.9), (3.0, 0.7))
"""Seconds of audio, and the probability from which a language that was detected in as much is certain."""


def to_whisper(language: str) -> str:
    """Return Whisper's code of a language."""
    return _WHISPER_CODES.get(language, language)


def to_ours(language: str) -> str:
    """Return our code of a language from Whisper's."""
    return _CODES.get(language, language)


def spoken_languages(tokens: Iterable[str]) -> frozenset[str]:
    """Return the codes of the languages for which a vocabulary has a token."""
    known = {match[1] for match in map(_TOKEN.fullmatch, tokens) if match}
    aliases = {code for code, whisper in _WHISPER_CODES.items() if whisper in known}
    return frozenset({to_ours(code) for code in known} | aliases)


def restricted(languages: frozenset[str], wanted: frozenset[str]) -> frozenset[str]:
    """Return those languages that are wanted, with their other codes; all if none is named."""
    codes = set(map(to_whisper, wanted))
    return frozenset(code for code in languages if not wanted or to_whisper(code) in codes)


def likeliest(detected: Sequence[tuple[str, float]], allowed: Iterable[str]) -> tuple[str, float]:
    """Return the likeliest of the `allowed` languages, and its probability if one of them is spoken.

    `detected`: tokens of languages and their probabilities. All languages are allowed if it has none of `allowed`.
    """
    found = {to_ours(code): probability for code, probability in ((t.strip("<|>"), p) for t, p in detected)}
    wanted = {to_ours(code) for code in map(to_whisper, allowed)}
    candidates = {code: found[code] for code in wanted & found.keys()} or found
    total = sum(candidates.values())
    language = max(candidates, key=lambda code: candidates[code])
    return language, candidates[language] / total if total else 0.0


def is_sure(probability: float, seconds: float) -> bool:
    """Tell whether a language that was detected in so much audio is certain."""
    return any(seconds >= enough and probability >= limit for enough, limit in _SURE)
