"""Turns a language model's text into text that a synthesiser can speak. Pure."""

import re
import unicodedata

from streamsrv.text.english import read_out
from streamsrv.text.markdown import without_markdown
from streamsrv.text.numbers import NUMBER_LANGUAGES, whole_number
from streamsrv.text.spoken_text import SpokenText, silent, spoken_from
from streamsrv.text.traced import TracedText

_OTHER_DIGITS = re.compile(r"(?![0-9])\d")  # digits of other scripts, and full-width digits
_PLAIN_NUMBER = re.compile(r"(?<![\w.,:/-])[0-9]{1,9}(?![\w:/%-]|[.,][0-9])")
_NUMBER_AT_START = re.compile(r"\A[0-9.,]*[0-9]")
_NUMBER_AT_END = re.compile(r"[0-9][0-9.,]*(?=\s*\Z)")


def speakable(text: str, language: str = "en") -> str:
    """Return the speakable text of a segment, see `spoken_text`."""
    return spoken_text(text, language).spoken


def spoken_text(
    text: str, language: str = "en", *, starts_in_number: bool = False, ends_in_number: bool = False
) -> SpokenText:
    """Return what is said for a segment; nothing if there is nothing to speak.

    `language` is an ISO 639-1 code; a region after it is ignored. Markup, emoji and code are removed in all languages.
    In English, numbers, times, dates, money, units, addresses, abbreviations and symbols become words; in other
    languages, only plain whole numbers. A number that is only partly in the text (`starts_in_number`,
    `ends_in_number`) is read digit by digit, because the part has another value. Never raises.
    """
    traced = TracedText(text).sub(_OTHER_DIGITS, lambda digit: str(unicodedata.decimal(digit[0])))
    if starts_in_number:
        traced = traced.sub(_NUMBER_AT_START, _digits)
    if ends_in_number:
        traced = traced.sub(_NUMBER_AT_END, _digits)
    language = language.replace("_", "-").partition("-")[0].lower()
    if language == "en":
        traced = read_out(without_markdown(traced, code_notice="Code omitted."))
    else:
        traced = without_markdown(traced)
        if language in NUMBER_LANGUAGES:
            traced = traced.sub(_PLAIN_NUMBER, lambda digits: whole_number(digits[0], language))
    is_speakable = any(character.isalnum() for character in traced.text)
    return spoken_from(text, traced) if is_speakable else silent(text)


def _digits(number: re.Match[str]) -> str:
    return " ".join(filter(str.isdigit, number[0]))
