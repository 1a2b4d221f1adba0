"""Writes numbers in words, with num2words. Pure."""

from typing import Any, cast

import num2words

NUMBER_LANGUAGES = frozenset(
    {"cs", "da", "de", "en", "es", "fi", "fr", "hu", "it", "nl", "no", "pl", "pt", "ro", "ru", "sv", "tr", "uk"}
)
"""Languages for which num2words converts every whole number of up to nine digits."""

_MAX_DIGITS = 15
"""Longer numbers are read digit by digit."""
_to_words = cast("Any", num2words).num2words


def whole_number(digits: str, language: str = "en") -> str:
    """Return the words for ASCII digits, with or without thousands commas; digit by digit if they start with 0."""
    digits = digits.replace(",", "")
    if len(digits) > _MAX_DIGITS or (digits.startswith("0") and len(digits) > 1):
        return digit_by_digit(digits)
    return _words(int(digits), language=language)


def number(text: str) -> str:
    """Return the words for digits with commas and points (`1,234`, `3.14`, `.5`, `3.11.7`), with or without a minus."""
    sign, text = ("minus ", text[1:]) if text.startswith("-") else ("", text)
    whole, *parts = text.split(".")
    spoken = [whole_number(whole)] if whole else []
    if len(parts) == 1:
        spoken.append(digit_by_digit(parts[0]))
    else:
        spoken.extend(whole_number(part) for part in parts)
    return sign + ("" if whole else "point ") + " point ".join(spoken)


def digit_by_digit(text: str) -> str:
    """Return the digits of a text one by one, with a comma between groups (`555-1234`)."""
    groups = "".join(character if character.isdecimal() else " " for character in text).split()
    return ", ".join(" ".join(_words(int(digit)) for digit in group) for group in groups)


def ordinal(digits: str) -> str:
    """Return the ordinal of a number (`3`: "third"), or the digits of a number that is too long."""
    digits = digits.replace(",", "")
    return digit_by_digit(digits) if len(digits) > _MAX_DIGITS else _words(int(digits), to="ordinal")


def year(digits: str) -> str:
    """Return a year in words (`1999`: "nineteen ninety-nine")."""
    return _words(int(digits), to="year")


def _words(value: int, to: str = "cardinal", language: str = "en") -> str:
    return str(_to_words(value, to=to, lang=language)).replace(",", "")
