"""Writes numbers in words, with num2words. Pure."""

from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

import num2words

from streamsrv.text.chinese_numerals import chinese_number

NUMBER_LANGUAGES = frozenset(
    """ar az be bn ca cs cy da de en eo es fa fi fr he hu id is it ja kn ko lt lv nl no pl pt ro ru sk sl sr sv te tg
    th tr uk vi zh""".split()
)
"""Languages with words for every whole number of up to nine digits; all but Chinese by num2words."""

_MAX_DIGITS = 15
"""Longer numbers are read digit by digit."""
_MAX_DECIMAL_DIGITS = 9
_to_words = cast("Any", num2words).num2words


def number_language(language: str) -> str:
    """Return num2words' name of a language. Portuguese is that of Brazil, as in CLDR."""
    return "pt_BR" if language == "pt" else language


def whole_number(digits: str, language: str = "en") -> str:
    """Return the words for ASCII digits, with or without thousands commas; digit by digit if they start with 0."""
    digits = digits.replace(",", "")
    if len(digits) > _MAX_DIGITS or (digits.startswith("0") and len(digits) > 1):
        return digit_by_digit(digits, language)
    return _words(int(digits), language=language) or digit_by_digit(digits, language)


def number(text: str) -> str:
    """Return the English words for digits with commas and points (`1,234`, `3.14`, `.5`, `3.11.7`, `-5`)."""
    sign, text = ("minus ", text[1:]) if text.startswith("-") else ("", text)
    whole, *parts = text.split(".")
    spoken = [whole_number(whole)] if whole else []
    if len(parts) == 1:
        spoken.append(digit_by_digit(parts[0]))
    else:
        spoken.extend(whole_number(part) for part in parts)
    return sign + ("" if whole else "point ") + " point ".join(spoken)


def decimal_number(whole: str, fraction: str, language: str) -> str:
    """Return a decimal number as num2words says it; empty if it is too long, or num2words has no words for it."""
    is_short = len(whole) + len(fraction) <= _MAX_DECIMAL_DIGITS
    return _words(Decimal(f"{whole}.{fraction}"), language=language) if is_short else ""


def digit_by_digit(text: str, language: str = "en") -> str:
    """Return the digits of a text one by one, with a comma between groups (`555-1234`)."""
    groups = "".join(character if character.isdecimal() else " " for character in text).split()
    return ", ".join(" ".join(_words(int(digit), language=language) or digit for digit in group) for group in groups)


def ordinal(digits: str, language: str = "en", **grammar: str) -> str:
    """Return the ordinal of a number (`3`: "third"), or the digits of a number that is too long.

    `grammar`: the case and gender, for languages whose ordinals have them in num2words.
    """
    digits = digits.replace(",", "")
    spoken = "" if len(digits) > _MAX_DIGITS else _words(int(digits), "ordinal", language, **grammar)
    return spoken or digit_by_digit(digits, language)


def year(digits: str, language: str = "en") -> str:
    """Return a year in words (`1999`: "nineteen ninety-nine")."""
    years = "cardinal" if language in ("ja", "zh", "ko") else "year"  # the Japanese years of num2words are of emperors
    return _words(int(digits), years, language) or whole_number(digits, language)


@lru_cache(maxsize=4096)
def _words(value: int | Decimal, to: str = "cardinal", language: str = "en", **grammar: str) -> str:
    """Return num2words' words; empty if it has none."""
    if language == "zh":
        return chinese_number(int(value))
    try:
        spoken = str(_to_words(value, to=to, lang=number_language(language), **grammar))
    except (NotImplementedError, OverflowError, ValueError, TypeError, AttributeError, KeyError, IndexError):
        return ""  # num2words has this number, or form, in some languages only
    return spoken.replace(",", "") if language in ("en", "pt") else spoken
