"""Turns a language model's text into text that a synthesiser can speak. Pure."""

import re
import unicodedata
from collections.abc import Iterable

from streamsrv.text.english import read_out
from streamsrv.text.markdown import without_markdown
from streamsrv.text.reading.phrases import NO_PHRASES, PHRASES
from streamsrv.text.reading.reader import reader
from streamsrv.text.spoken_text import SpokenText, silent, spoken_from
from streamsrv.text.traced import TracedText

_OTHER_DIGITS = re.compile(r"(?![0-9])\d")  # digits of other scripts, and full-width digits
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
    Numbers, times, dates, money, units, addresses, abbreviations and symbols become words, as far as the language has
    them (docs/voices.md). A number that is only partly in the text (`starts_in_number`, `ends_in_number`) is read
    digit by digit, because the part has another value. Never raises.
    """
    traced = TracedText(text).sub(_OTHER_DIGITS, lambda digit: str(unicodedata.decimal(digit[0])))
    if starts_in_number:
        traced = traced.sub(_NUMBER_AT_START, _digits)
    if ends_in_number:
        traced = traced.sub(_NUMBER_AT_END, _digits)
    language = _code(language)
    if language == "en":
        traced = read_out(without_markdown(traced, code_notice="Code omitted."))
    else:
        traced = without_markdown(traced, code_notice=PHRASES.get(language, NO_PHRASES).code)
        if known := reader(language):
            traced = known.read_out(traced)
    is_speakable = any(character.isalnum() for character in traced.text)
    return spoken_from(text, traced) if is_speakable else silent(text)


def prepare(languages: Iterable[str]) -> None:
    """Load what the languages need, which takes up to a tenth of a second for each."""
    for language in languages:
        spoken_text("1", language)


def _code(language: str) -> str:
    code = language.replace("_", "-").partition("-")[0].lower()
    return "no" if code in ("nb", "nn") else code


def _digits(number: re.Match[str]) -> str:
    return " ".join(filter(str.isdigit, number[0]))
