"""Turns a language model's text into text that a synthesiser can speak. Pure."""

import re
import unicodedata

from streamsrv.text.english import read_out
from streamsrv.text.markdown import without_markdown
from streamsrv.text.numbers import NUMBER_LANGUAGES, whole_number

_OTHER_DIGITS = re.compile(r"(?![0-9])\d")  # digits of other scripts, and full-width digits
_PLAIN_NUMBER = re.compile(r"(?<![\w.,:/-])[0-9]{1,9}(?![\w:/%-]|[.,][0-9])")


def speakable(text: str, language: str = "en") -> str:
    """Return the speakable text of a segment; an empty string if there is nothing to speak.

    `language` is an ISO 639-1 code; a region after it is ignored. Markup, emoji and code are removed in all languages.
    In English, numbers, times, dates, money, units, addresses, abbreviations and symbols become words; in other
    languages, only plain whole numbers. Never raises.
    """
    text = _OTHER_DIGITS.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
    language = language.replace("_", "-").partition("-")[0].lower()
    if language == "en":
        spoken = read_out(without_markdown(text, code_notice="Code omitted."))
    else:
        spoken = without_markdown(text)
        if language in NUMBER_LANGUAGES:
            spoken = _PLAIN_NUMBER.sub(lambda digits: whole_number(digits[0], language), spoken)
    return spoken if any(character.isalnum() for character in spoken) else ""
