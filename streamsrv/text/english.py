"""Writes the numbers, times, money, addresses, abbreviations and symbols of English text in words. Pure.

The rules are applied in order. Each leaves words, or simpler numbers for a later rule.
"""

import re

from streamsrv.text import english_words as words
from streamsrv.text.numbers import digit_by_digit, number, ordinal, whole_number, year
from streamsrv.text.reading.patterns import PLAINER_CHARACTERS, address_rules, any_of, rule
from streamsrv.text.roman_numerals import ROMAN_NUMERALS
from streamsrv.text.traced import Parts, TracedText

_Match = re.Match[str]


def read_out(text: TracedText) -> TracedText:
    """Return English text as it is spoken; dates that depend on the country (`11/23`) are unchanged."""
    return text.apply(_RULES).strip()


_NUMBER = r"(?>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?)"
_START = r"(?<![\w.,:/])(?<![0-9]-)"
_SIGN = r"(?:(?<![\w)])-)?"
_SCALE = rf"(?:[ ]?(?P<scale>{any_of(words.SCALES)})(?!\w))?"
_PER = rf"(?:/(?P<per>{any_of(words.PER)})(?!\w))?"
_MONTH = rf"({any_of(words.MONTHS)})\b\.?"
_DAY = r"(0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?"
_MERIDIEM = r"([AaPp])(?:[Mm](?!\w)|\.[Mm]\.)"
_RANGE_END = r"(?>[0-9][0-9.,:]*(?:%|°[CF]?)?)"
_TO = r"(?:[–-]|[ ][–-][ ])"


def _read_iso_date(match: _Match) -> str:
    time_follows = ", " if match[0].endswith("T") else ""
    return f"{words.MONTH_NAMES[int(match[2]) - 1]} {ordinal(match[3])}, {year(match[1])}{time_follows}"


def _read_month_day(match: _Match) -> Parts:
    month_day = [(f"{words.MONTHS[match[1]]} ", 1), (ordinal(match[2]), 2)]
    return [*month_day, (f", {year(match[3])}", 3)] if match[3] else month_day


def _read_day_month(match: _Match) -> Parts:
    day = [(f"{match[1]} ", 1), (ordinal(match[2]), 2)] if match[1] else [(f"the {ordinal(match[2])}", 2)]
    return [*day, (f" of {words.MONTHS[match[3]]}", 3)]


def _read_time(match: _Match) -> str:
    hour, minute, second, meridiem = (group or "" for group in match.groups())
    spoken = [number(str(int(hour)))]
    if int(minute or "0"):
        spoken.append(whole_number(minute).replace("zero", "oh"))
    elif not meridiem:
        spoken.append("o'clock" if 0 < int(hour) <= 12 else "hundred")
    if int(second or "0"):
        spoken.append(f"and {number(str(int(second)))} seconds")
    if meridiem:
        spoken.append(f"{meridiem.upper()}M")
    return " ".join(spoken) + _full_stop(match)


def _read_money(match: _Match) -> str:
    sign, symbol, amount, scale, per = match.group("sign", "symbol", "amount", "scale", "per")
    one, many, hundredth, hundredths = words.CURRENCIES[symbol]
    whole, _, fraction = amount.partition(".")
    parts: list[str] = []
    if scale or len(fraction) > 2 or (fraction and not hundredth):
        parts.append(f"{number(amount)} {words.SCALES[scale]} {many}" if scale else f"{number(amount)} {many}")
    else:
        small = int(fraction.ljust(2, "0"))
        if not small or whole.strip("0"):
            parts.append(f"{number(whole)} {one if whole == '1' else many}")
        if small:
            parts.append(f"{number(str(small))} {hundredth if small == 1 else hundredths}")
    return ("minus " if sign else "") + " and ".join(parts) + (f" per {words.PER[per]}" if per else "")


def _read_quantity(match: _Match) -> str:
    amount, unit, per = match.groups()
    one, many = words.UNITS[unit]
    return f"{number(amount)} {one if amount in ('1', '-1') else many}" + (f" per {words.PER[per]}" if per else "")


def _read_fraction(match: _Match) -> str:
    whole, above, below = match.groups()
    one, many = words.DENOMINATORS[below]
    part = f"{number(above)} {one if above == '1' else many}"
    return f"{whole_number(whole)} and {part.replace('one half', 'a half')}" if whole else part


def _read_decade(match: _Match) -> str:
    tens = match[1]
    spoken = year(f"{tens}0") if len(tens) > 1 else number(f"{tens}0")
    return f"{spoken[:-1]}ies" if spoken.endswith("y") else f"{spoken}s"


def _read_abbreviation(match: _Match) -> str:
    return words.ABBREVIATIONS[match[1]] + _full_stop(match)


def _read_initials(match: _Match) -> str:
    return match[0].replace(".", "").upper() + _full_stop(match)


def _read_number(match: _Match) -> str:
    """Read the number, with spaces between it and adjacent letters (`MP3`)."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
    return " " * before.isalnum() + number(match[0]) + " " * after.isalnum()


def _full_stop(match: _Match) -> str:
    """Return the full stop of an abbreviation at the end of the text, which also ends the sentence; else nothing."""
    rest = match.string[match.end() :].strip(" \"'”’)]")
    return "." if match[0].endswith(".") and not rest else ""


_PLAINER_CHARACTERS = (
    *PLAINER_CHARACTERS,
    rule(rf"[{''.join(words.VULGAR_FRACTIONS)}]", lambda match: f" {words.VULGAR_FRACTIONS[match[0]]} "),
)
_ADDRESSES = address_rules(words.ADDRESS_SYMBOLS)
_DIGIT_STRINGS = (
    rule(
        r"(?<![\w.-])\+[0-9](?:[ ().-]{0,2}[0-9]){6,16}(?![\w-])",
        lambda match: f"plus {digit_by_digit(match[0])}",
    ),
    rule(
        r"(?<![\w.-])(?:(?:1-)?(?:\([0-9]{3}\)[ ]?|[0-9]{3}-)?[0-9]{3}-[0-9]{4}|[0-9]{3}([. ])[0-9]{3}\1[0-9]{4}"
        r"|[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{4}(?:[ -][0-9]{4}){3})(?![\w-]|\.[0-9])",
        lambda match: digit_by_digit(match[0]),
    ),
    rule(rf"{_START}(?>[0-9]{{7,}})(?<!000)(?![\w-]|[.,][0-9])", lambda match: digit_by_digit(match[0])),
)
_DATES_AND_TIMES = (
    rule(
        r"(?<![\w-])([12][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(?:T(?=[0-9]{2}:)|(?![\w-]))",
        _read_iso_date,
    ),
    rule(rf"(?<![\w.])({_RANGE_END})[ ]-[ ](?={_RANGE_END}\s*=)", r"\1 minus "),
    rule(rf"([$€£])({_RANGE_END}){_TO}\1?(?={_RANGE_END})", r"\2 to \1"),
    rule(rf"(?<![\w.-])({_RANGE_END}){_TO}(?={_RANGE_END}(?!-))", r"\1 to "),
    rule(rf"\b{_MONTH}[ ]{_DAY}(?![\w:%]|[.,][0-9])(?:,?[ ]([12][0-9]{{3}})(?!\w))?", _read_month_day),
    rule(rf"(?<![\w.,:-])(?:([Tt]he)[ ])?{_DAY}[ ](?:of[ ])?{_MONTH}", _read_day_month),
    rule(
        rf"(?<![\w:.])([01]?[0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?(?![0-9:])(?:Z|[ ]?{_MERIDIEM})?(?!\w)",
        _read_time,
    ),
    rule(rf"(?<![\w:.])(1[0-2]|0?[1-9])()()[ ]?{_MERIDIEM}", _read_time),
    rule(rf"{_START}([0-9]+):(?=[0-9]+(?![\w:]))", r"\1 to "),
)
_QUANTITIES = (
    rule(
        rf"{_START}(?P<sign>-?)(?:US|CA|AU|NZ)?(?P<symbol>[$€£¥₹₩])[ ]?(?P<amount>{_NUMBER}){_SCALE}{_PER}",
        _read_money,
    ),
    rule(rf"{_START}(?P<sign>-?)(?P<amount>{_NUMBER}){_SCALE}[ ]?(?P<symbol>€|£|USD|EUR|GBP)(?!\w){_PER}", _read_money),
    rule(r"(?<![\w.,])['’]?([1-9]|[12][0-9]{2})0['’]?s(?!\w)", _read_decade),
    rule(rf"{_START}({_SIGN}{_NUMBER})[ ]?({any_of(words.UNITS)})(?!\w){_PER}", _read_quantity),
    rule(rf"{_START}({_NUMBER})k(?!\w)", lambda match: f"{number(match[1])} thousand"),
    rule(r"(?<=[0-9])[ ]?x[ ]?(?=[0-9])", " by "),
    rule(rf"{_START}({_NUMBER})x(?!\w)", lambda match: f"{number(match[1])} times"),
    rule(r"(?<![\w/])24/7(?![\w/])", "twenty-four seven"),
    rule(rf"{_START}(?:([0-9]+)\s+)?([1-9])/({any_of(words.DENOMINATORS)})(?![\w/]|\.[0-9])", _read_fraction),
    rule(r"(?<![\w.,])([0-9][0-9,]*)(?:st|nd|rd|th)(?!\w)", lambda match: ordinal(match[1])),
    rule(r"(?<![\w.,:/-])(?:19|20)[0-9]{2}(?![\w:/]|[.,-][0-9])", lambda match: year(match[0])),
    rule(
        rf"\b((?i:{any_of(words.BEFORE_YEARS)}))[ ](1[1-8][0-9]{{2}})(?![\w:/]|[.,-][0-9])",
        lambda match: f"{match[1]} {year(match[2])}",
    ),
)
_ABBREVIATIONS = (
    rule(r"\bSt\.[ ](?=[A-Z])", "Saint "),
    rule(r"\betc\.(?=\s+[A-Z])", "et cetera."),
    rule(rf"(?<![\w.])({any_of(words.ABBREVIATIONS)})(?!\w)", _read_abbreviation),
    rule(rf"\b({any_of(words.BEFORE_NUMBERS)})\.[ ]?(?=[0-9])", lambda match: f"{words.BEFORE_NUMBERS[match[1]]} "),
    rule(r"(?<![\w.])(?:[A-Za-z]\.){2,}", _read_initials),
    rule(r"(?<=[A-Za-z0-9]{2})\.(?=[a-z]{2,}\b)", " dot "),
)
_SYMBOLS = (
    rule(r"\b([CF])#(?!\w)", r"\1 sharp"),
    rule(r"\bC\+\+", "C plus plus"),
    rule(r"[-=]+>", " to "),
    rule(r"(?<=[0-9])\s*\*\s*(?=[0-9])", " times "),
    rule(r"(?<=\w)\^(?=\w)", " to the power of "),
    rule(r"#(?=[0-9])", " number "),
    rule(r"(?<!\w)#(?=\w)", " hashtag "),
    rule(r"(?<!\w)[~≈][ ]?(?=[0-9])", "about "),
    rule(rf"[{re.escape(''.join(words.SYMBOLS))}]", lambda match: f" {words.SYMBOLS[match[0]]} "),
    rule(r"(?<=[^\W\d])/(?=[^\W\d])|(?<=\w)-(?=[0-9])", " "),
    rule(r"[_|\\~*#^{}\[\]$]", " "),
)
_NUMBERS = (
    # Skips the numbers of a date such as 11/23.
    rule(rf"(?<![0-9])(?<![0-9]/){_SIGN}(?>{_NUMBER}(?:\.[0-9]+)*|\.[0-9]+)(?!/[0-9])", _read_number),
    rule(r"\s+", " "),
    rule(r" (?=[.,;:!?…)](?: |$))|(?<=\() ", ""),
)
_RULES = (
    _PLAINER_CHARACTERS + _ADDRESSES + _DIGIT_STRINGS + _DATES_AND_TIMES
    + _QUANTITIES + _ABBREVIATIONS + ROMAN_NUMERALS + _SYMBOLS + _NUMBERS
)  # fmt: skip
