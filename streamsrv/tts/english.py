"""Reads English text out: numbers, times, money, addresses, abbreviations and symbols in words. Pure.

`_RULES` are applied in order; each leaves words, or simpler digits for a later rule to read.
"""

import re
from collections.abc import Callable, Mapping

from streamsrv.tts import english_words as words
from streamsrv.tts.numbers import digit_by_digit, number, ordinal, whole_number, year

_Match = re.Match[str]
_Reading = str | Callable[[_Match], str]


def read_out(text: str) -> str:
    """English text as it is spoken; dates that depend on the country (`11/23`) are left as they are."""
    for pattern, reading in _RULES:
        text = pattern.sub(reading, text)
    return text.strip()


def _any_of(table: Mapping[str, object] | frozenset[str]) -> str:
    return "|".join(re.escape(key) for key in sorted(table, key=len, reverse=True))


_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?"
_START = r"(?<![\w.,:/])(?<![0-9]-)"
_SCALE = rf"(?:[ ]?({_any_of(words.SCALES)})(?![\w]))?"
_MONTH = rf"({_any_of(words.MONTHS)})\b\.?"
_DAY = r"(0?[1-9]|[12][0-9]|3[01])"
_MERIDIEM = r"([AaPp])(?:[Mm]\b|\.[Mm]\.(?!\s*$))"
_PER = rf"(?:/({_any_of(words.PER)})(?![\w]))?"


def _read_address(match: _Match) -> str:
    return " ".join(words.ADDRESS_SYMBOLS.get(part, part) for part in re.split(r"([^\w])|(_)", match[1]) if part)


def _read_iso_date(match: _Match) -> str:
    month, day = int(match[2]), match[3].lstrip("0")
    return f"{words.MONTH_NAMES[month - 1]} {ordinal(day)}, {year(match[1])}"


def _read_month_day(match: _Match) -> str:
    return f"{words.MONTHS[match[1]]} {ordinal(match[2].lstrip('0'))}" + (f", {year(match[3])}" if match[3] else "")


def _read_day_month(match: _Match) -> str:
    return f"the {ordinal(match[1].lstrip('0'))} of {words.MONTHS[match[2]]}"


def _read_time(match: _Match) -> str:
    hour, minute, second, meridiem = match.groups()
    spoken = [whole_number(hour.lstrip("0") or "0")]
    if minute != "00":
        spoken.append(f"oh {whole_number(minute[1])}" if minute.startswith("0") else whole_number(minute))
    elif not meridiem:
        spoken.append("o'clock" if 0 < int(hour) <= 12 else "hundred")
    if second:
        spoken.append(f"and {whole_number(second.lstrip('0') or '0')} seconds")
    return " ".join(spoken) + (f" {meridiem.upper()}M" if meridiem else "")


def _read_money(sign: str, symbol: str, amount: str, scale: str | None) -> str:
    singular, plural, cent, cents = words.CURRENCIES[symbol]
    minus = "minus " if sign else ""
    if scale:
        return f"{minus}{number(amount)} {words.SCALES[scale]} {plural}"
    whole, _, fraction = amount.partition(".")
    if not fraction.strip("0"):
        return f"{minus}{number(whole)} {singular if whole == '1' else plural}"
    if len(fraction) > 2 or not cent:
        return f"{minus}{number(amount)} {plural}"
    hundredths = fraction.ljust(2, "0").lstrip("0")
    small = f"{whole_number(hundredths)} {cent if hundredths == '1' else cents}"
    if not whole.strip("0"):
        return minus + small
    return f"{minus}{number(whole)} {singular if whole == '1' else plural} and {small}"


def _read_quantity(match: _Match) -> str:
    amount, unit, per = match.groups()
    singular, plural = words.UNITS[unit]
    spoken = f"{number(amount)} {singular if amount in ('1', '-1') else plural}"
    return f"{spoken} per {words.PER[per]}" if per else spoken


def _read_fraction(match: _Match) -> str:
    whole, above, below = match.groups()
    singular, plural = words.DENOMINATORS[below]
    part = f"{whole_number(above)} {singular if above == '1' else plural}"
    if not whole:
        return part
    return f"{whole_number(whole)} and {'a' if above == '1' else whole_number(above)} {part.partition(' ')[2]}"


def _read_decade(match: _Match) -> str:
    spoken = year(match[1] + "0") if len(match[1]) > 1 else whole_number(match[1] + "0")
    return f"{spoken[:-1]}ies" if spoken.endswith("y") else f"{spoken}s"


def _read_abbreviation(match: _Match) -> str:
    return words.ABBREVIATIONS[match[1]] + (match[2] or "")


def _rules(*rules: tuple[str, _Reading]) -> tuple[tuple[re.Pattern[str], _Reading], ...]:
    return tuple((re.compile(pattern), reading) for pattern, reading in rules)


_RULES = _rules(
    # Characters with plainer forms.
    (r"[\u00a0\u2002-\u200a\u202f]", " "),
    (r"[\u2010\u2011\u2212]", "-"),
    (rf"([0-9]?)([{''.join(words.VULGAR_FRACTIONS)}])", lambda m: f"{m[1]} {words.VULGAR_FRACTIONS[m[2]]} ".lstrip()),
    # Addresses: the host is enough.
    (r"(?:mailto:)?\b([\w.+-]+@[\w-]+(?:\.[\w-]+)+)", _read_address),
    (
        r"\b(?:https?|ftp|wss?)://(?:[^\s/@]*@)?(?:www\.)?([\w.-]*\w)(?:[:/?#](?:[^\s<>\"']*[^\s<>\"'.,;:!?)\]}])?)?",
        _read_address,
    ),
    (rf"\b(?:www\.)?((?:[A-Za-z0-9][\w-]*\.)+(?:{_any_of(words.TOP_DOMAINS)}))\b(?:/(?:[^\s]*[\w/])?)?", _read_address),
    # Digits that are not quantities.
    (r"(?<![\w.-])(\+[0-9](?:[ ().-]{0,2}[0-9]){6,16})(?![\w-])", lambda m: "plus " + digit_by_digit(m[1])),
    (
        r"(?<![\w.-])((?:1-)?(?:\([0-9]{3}\)[ ]?|[0-9]{3}[-. ])?[0-9]{3}[-.][0-9]{4}|[0-9]{3}[ ][0-9]{3}[ ][0-9]{4}"
        r"|[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{4}(?:[ -][0-9]{4}){3})(?![\w-])(?!\.[0-9])",
        lambda m: digit_by_digit(m[1]),
    ),
    (rf"{_START}(?![0-9]+000\b)([0-9]{{7,}})(?![\w.,-][0-9])(?!\w)", lambda m: digit_by_digit(m[1])),
    # Dates and times.
    (r"(?<![\w-])([12][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(?![\w-])", _read_iso_date),
    (rf"\b{_MONTH}[ ]{_DAY}(?:st|nd|rd|th)?\b(?![:%,.]?[0-9])(?:,?[ ]([12][0-9]{{3}})\b)?", _read_month_day),
    (rf"\b(?:the[ ])?{_DAY}(?:st|nd|rd|th)?[ ](?:of[ ])?{_MONTH}(?=\W|$)", _read_day_month),
    (rf"(?<![\w:.])([01]?[0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?(?![:\w]*[0-9])(?:[ ]?{_MERIDIEM})?", _read_time),
    (rf"(?<![\w:.])(1[0-2]|0?[1-9])()()[ ]?{_MERIDIEM}", lambda m: f"{whole_number(m[1].lstrip('0'))} {m[4].upper()}M"),
    (rf"{_START}([0-9]+):([0-9]+)(?![\w:])", r"\1 to \2"),
    # Ranges: both ends are read by what follows.
    (r"(?<![\w-])([$€£]?[0-9][0-9.,:]*%?)[ ]?[–-][ ]?([$€£]?[0-9][0-9.,:]*)(?![\w.]*-)(?![^=\w]*=)", r"\1 to \2"),
    (r"(?<=[0-9])[ ]-[ ](?=[0-9])", " minus "),
    # Quantities.
    (
        rf"{_START}(-?)(?:US|CA|AU|NZ)?([{words.CURRENCY_SIGNS}])[ ]?({_NUMBER}){_SCALE}",
        lambda m: _read_money(m[1], m[2], m[3], m[4]),
    ),
    (rf"{_START}(-?)({_NUMBER})[ ]?(€|£|USD|EUR|GBP)(?!\w)", lambda m: _read_money(m[1], m[3], m[2], None)),
    (rf"{_START}(-?{_NUMBER})[ ]?({_any_of(words.UNITS)})(?![\w]){_PER}", _read_quantity),
    (rf"{_START}(-?{_NUMBER})k\b", lambda m: f"{number(m[1].replace(',', ''))} thousand"),
    (rf"{_START}({_NUMBER})x(?!\w)", lambda m: f"{number(m[1])} times"),
    (r"(?<=[0-9])[ ]?[x×][ ]?(?=[0-9])", " by "),
    (r"\b24/7\b", "twenty-four seven"),
    (rf"{_START}(?:([0-9]+)[ ])?([1-9])/({_any_of(words.DENOMINATORS)})(?![\w/])(?!\.[0-9])", _read_fraction),
    (r"(?<![\w.,])([0-9][0-9,]*)(?:st|nd|rd|th)\b", lambda m: ordinal(m[1])),
    (r"(?<![\w.,])['’]?([1-9]|[12][0-9]{2})0['’]?s\b", _read_decade),
    (r"(?<![\w.,-])-?(?<!-)(19[0-9]{2}|20[0-9]{2})(?![\w,/:-]*[0-9])(?!\.[0-9])(?!\w)", lambda m: year(m[1])),
    (rf"\b({_any_of(words.BEFORE_YEARS)})[ ](1[1-8][0-9]{{2}})(?![\w.,/:-]*[0-9])", lambda m: f"{m[1]} {year(m[2])}"),
    # Abbreviations. The full stop stays where it may end the sentence.
    (rf"(?<![\w.])({_any_of(words.ABBREVIATIONS)})(?<=\.)(?:(?=\W*$))", lambda m: words.ABBREVIATIONS[m[1]] + "."),
    (r"\bSt\.[ ](?=[A-Z])", "Saint "),
    (r"\betc\.(?=\s+[A-Z])", "et cetera."),
    (rf"(?<![\w.])({_any_of(words.ABBREVIATIONS)})(?!\w)()", _read_abbreviation),
    (rf"\b({_any_of(words.BEFORE_NUMBERS)})\.[ ]?(?=[0-9])", lambda m: words.BEFORE_NUMBERS[m[1]] + " "),
    (r"(?<![\w.])((?:[A-Za-z]\.){2,})(\W*$)?", lambda m: m[1].replace(".", "").upper() + ("." if m[2] is not None else "") + (m[2] or "")),
    (r"(?<=[A-Za-z0-9]{2})\.(?=[a-z]{2,}\b)", " dot "),
    # Symbols.
    (r"\b([CF])#(?!\w)", r"\1 sharp"),
    (r"\bC\+\+", "C plus plus"),
    (r"(?<=[0-9])[ ]?\*[ ]?(?=[0-9])", " times "),
    (r"#(?=[0-9])", "number "),
    (r"(?<!\w)#(?=\w)", "hashtag "),
    (r"(?<!\w)[~≈][ ]?(?=[0-9])", "about "),
    (rf"[{re.escape(''.join(words.SYMBOLS))}]", lambda m: f" {words.SYMBOLS[m[0]]} "),
    (r"(?<=[^\W\d])/(?=[^\W\d])", " "),
    (r"[_|\\~*#^{}\[\]<>]+", " "),
    # The numbers that are left, also inside names (MP3), but not in dates such as 11/23.
    (
        rf"(?<![0-9/.,])(?<![0-9]-)(?:(?<!\w)-)?(?:{_NUMBER}(?:\.[0-9]+)*|\.[0-9]+)(?!/[0-9])",
        lambda m: f" {number(m[0])} ",
    ),
    # What the words above left behind.
    (r"\s+(?=[.,;:!?…%)’'](?:\s|$))|\s{2,}|(?<=\()\s+", lambda m: " " if m[0].strip(" ") or m.end() < len(m.string) and m.string[m.end()] not in ".,;:!?…%)’'" else ""),
)
