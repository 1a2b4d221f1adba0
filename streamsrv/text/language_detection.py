"""Finds the language of a text among those that can be spoken, by its script and with py3langid. Pure.

Statistics tell little of a text of a few letters, so a short text has the language that is expected of it unless its
script or its letters contradict that.
"""

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, cast

from streamsrv.text.scripts import count_scripts, scripts_of

MAX_CHARACTERS = 500
"""Characters of a text that are looked at."""
_DENSE = frozenset({"CJK", "HANGUL", "HIRAGANA"})
"""Scripts of which one letter is as much as several Latin ones."""
_DENSITY = 3
_MAX_SHARED_HAN = 6
"""Most Chinese characters of a text that may be Japanese without kana."""
_EVIDENCE = 2.0
"""How many times as probable as the expected language another one must be."""
_MIN_PROBABILITY = 0.1
"""How probable, among all that py3langid knows, another language than the expected one must be: names are not."""
_EVIDENCE_OF_ANY = 1.2
"""How many times as probable as any other a language must be, if none is expected."""


def detect_language(text: str, among: Collection[str], default: str) -> str:
    """Return the language of `text`, one of `among` (ISO 639-1 codes), or `default` where the text does not tell.

    `default` is the language that is expected, or an empty string.
    """
    text = text[:MAX_CHARACTERS]
    scripts = count_scripts(text)
    if not scripts or not among:
        return default
    candidates = _with_script(text, _main_script(scripts), among, default)
    if len(candidates) < 2:
        return next(iter(candidates), default)
    return _most_probable(text, candidates, default)


def load_detector(languages: Collection[str]) -> None:
    """Load what telling these languages apart needs: about a second and 100 MB if two of them share a script."""
    scripts = [script for language in languages for script in scripts_of(language) - {"CJK"}]
    if len(scripts) > len(set(scripts)):
        _identifier()


def _main_script(scripts: dict[str, int]) -> str:
    if scripts.get("HIRAGANA", 0) * 10 >= scripts.get("CJK", 0) and "HIRAGANA" in scripts:
        scripts = {**scripts, "HIRAGANA": scripts["HIRAGANA"] + scripts.get("CJK", 0), "CJK": 0}
    return max(scripts, key=lambda script: scripts[script] * (_DENSITY if script in _DENSE else 1))


def _with_script(text: str, script: str, among: Iterable[str], default: str) -> list[str]:
    """Return the languages that are written in a script; of Chinese and Japanese, the probable one."""
    found = [language for language in among if script in scripts_of(language)]
    if script == "CJK" and found:
        is_japanese = default == "ja" and sum(letter.isalpha() for letter in text) <= _MAX_SHARED_HAN
        wanted = ("ja", "zh", "yue") if is_japanese else ("zh", "yue", "ja")
        return [next((language for language in wanted if language in found), found[0])]
    return found


def _most_probable(text: str, candidates: list[str], default: str) -> str:
    ranked = cast("list[tuple[str, float]]", _identifier().rank(text))
    probable: dict[str, float] = {}
    for label, probability in ranked:
        language = "no" if label in ("nb", "nn") and "no" in candidates else label
        probable[language] = max(probability, probable.get(language, 0.0))
    best, second = sorted(candidates, key=lambda language: probable.get(language, 0.0), reverse=True)[:2]
    if best == default:
        return default
    other, evidence = (default, _EVIDENCE) if default in candidates else (second, _EVIDENCE_OF_ANY)
    share = probable.get(best, 0.0)
    is_told = share >= evidence * probable.get(other, 0.0) and (share >= _MIN_PROBABILITY or not default)
    return best if is_told else default


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
