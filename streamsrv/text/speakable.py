"""Turns what a language model writes into what a voice can say. Pure."""

import re
import unicodedata

from streamsrv.text.english import read_out
from streamsrv.text.markdown import without_markdown
from streamsrv.text.numbers import NUMBER_LANGUAGES, whole_number

_OTHER_DIGITS = re.compile(r"(?![0-9])\d")  # of other scripts, and full-width ones
_PLAIN_NUMBER = re.compile(r"(?<![\w.,:/-])[0-9]{1,9}(?![\w:/%-]|[.,][0-9])")


def speakable(text: str, language: str = "en") -> str:
    """What to give to a synthesiser for a segment of text; an empty string when nothing is left to say.

    Markup, emoji and code are taken out in every language (ISO 639-1, a region after it is ignored). English numbers,
    times, dates, money, units, addresses, abbreviations and symbols become words; in other languages plain whole
    numbers do. Never raises.
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
