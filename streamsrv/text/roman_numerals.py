"""Reads Roman numerals in English text, where they cannot be anything else: World War II, King Henry VIII. Pure."""

import re

from streamsrv.text.numbers import ordinal, whole_number
from streamsrv.text.traced import Parts, Rule

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_NUMERAL = r"(?=[IVXLC])(C{0,3}(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))\b(?![.-]?\w)"
_NOT_ME = r"(?!I\b[ ][a-z])"  # "the Part I like"
_COUNTED = (
    "Act|Apollo|Appendix|Article|Book|Chapter|Class|Factor|Level|Mark|Part|Phase|Scene|Schedule|Season|Section|Stage|"
    "Super Bowl|Title|Type|Vatican|Volume"
)
_TITLE = "Czar|Emperor|Empress|King|Pope|Prince|Queen|Sultan|Tsar"
_RULER = (
    "Alexander|Benedict|Catherine|Charles|Christian|Clement|Edward|Elizabeth|Francis|Frederick|George|Gregory|"
    "Gustav|Henry|James|John Paul|Leo|Leopold|Louis|Ludwig|Margaret|Mary|Napoleon|Nicholas|Philip|Pius|Ramses|Richard|"
    "Rudolf|Victor Emmanuel|Wilhelm|William"
)


def _count(match: re.Match[str]) -> Parts:
    return [(f"{match[1]} ", 1), (whole_number(str(_value(match[2]))), 2)]


def _rank(match: re.Match[str]) -> Parts:
    return [(f"{match[1]} ", 1), (f"the {ordinal(str(_value(match[2])))}", 2)]


def _value(numeral: str) -> int:
    values = [_VALUES[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


ROMAN_NUMERALS: tuple[Rule, ...] = (
    (re.compile(rf"\b(World War)[ ]{_NUMERAL}"), _count),
    (re.compile(rf"\b({_COUNTED})[ ]{_NOT_ME}{_NUMERAL}"), _count),
    (re.compile(rf"\b((?:{_TITLE})[ ][A-Z][a-z]+(?:[ ][A-Z][a-z]+)?)[ ]{_NUMERAL}"), _rank),
    (re.compile(rf"\b({_RULER})[ ](?=[IVXLC]{{2}}|[VX])(?!V\b|X\b){_NUMERAL}"), _rank),
)
"""Rulers have ranks, and all others are counted. A single "I" after a name is read out only after a title."""
