"""Reads text out in one language, by rules that are applied in order. Pure.

Each rule leaves words, or simpler numbers for a later rule.
"""

import re
from functools import cache

from streamsrv.text.numbers import year
from streamsrv.text.reading import units
from streamsrv.text.reading.amounts import UNSPACED_LANGUAGES, Amounts
from streamsrv.text.reading.calendar import Calendar, word_before
from streamsrv.text.reading.grammar import fraction, native_korean, written_ordinal
from streamsrv.text.reading.locales import SpokenLocale, spoken_locale
from streamsrv.text.reading.patterns import (
    AFTER,
    BEFORE,
    INTERNATIONAL_NUMBER,
    LONG_NUMBER,
    PLAINER_CHARACTERS,
    START,
    address_rules,
    any_of,
    full_stop,
    rule,
)
from streamsrv.text.traced import Rule, TracedText

_Match = re.Match[str]
_HALVES = {"½": "5", "¼": "25", "¾": "75"}
_SIGN = r"(?:(?<![\w)])-)?"
_NOUN = re.compile(r"[ ]([^\W\d_]{3,30})(?![^\W\d_])")
_NOT_COUNTED = frozenset(
    """alla che com con dei del der des die est est fue las los mas mit non para per pero plus por pour puis qui que sem
    sin son sur und una uno vom von était""".split()
)
_KOREAN_COUNTERS = "시(?!속)|개(?!월)|명|살|마리|번|장|권|병|잔|그루|송이|켤레"
_GERMAN_DETERMINERS = (
    "am|im|vom|zum|zur|beim|der|die|das|dem|den|des|jeder|jede|jedes|jeden|jedem|ab|seit|ihr|ihre|sein|seine|mein|meine"
)


class Reader:
    """The rules of one language."""

    def __init__(self, locale: SpokenLocale) -> None:
        self._locale = locale
        self._phrases = locale.phrases
        self._amounts = Amounts(locale)
        self._number = self._amounts.number_pattern()
        self._space = "" if locale.language in UNSPACED_LANGUAGES else " "
        self._currencies = self._currency_signs()
        self._rules: tuple[Rule, ...] = (
            *PLAINER_CHARACTERS,
            *self._addresses(),
            *self._telephone_numbers(),
            *self._ranges(),
            *Calendar(locale, self._amounts).rules(),
            *self._ordinals(),
            *self._quantities(),
            *self._abbreviations(),
            *self._symbols(),
            *self._numbers(),
        )

    def read_out(self, text: TracedText) -> TracedText:
        """Return the text as it is spoken."""
        return text.apply(self._rules).strip()

    def _currency_signs(self) -> dict[str, str]:
        """Return the signs and codes of currencies, to codes."""
        signs = {**units.CURRENCIES, **{code: code for code in units.CURRENCY_CODES}}
        if self._locale.language == "zh":
            signs |= {"¥": "CNY", "￥": "CNY"}
        return signs

    def _addresses(self) -> tuple[Rule, ...]:
        words = self._phrases.addresses
        return address_rules(dict(zip(".@-_", words, strict=True))) if words else ()

    def _telephone_numbers(self) -> tuple[Rule, ...]:
        if not self._amounts.has_words:
            return ()
        plus = self._phrases.symbols.get("+", "")

        def international(match: _Match) -> str:
            return f"{plus}{self._space}{self._amounts.digits(match[0])}"

        def digits(match: _Match) -> str:
            return self._amounts.digits(match[0])

        return (
            rule(INTERNATIONAL_NUMBER, international),
            rule(r"(?<![\w.-])(?:[0-9]{1,3}[ ])?\([0-9]{2,5}\)[ ]?[0-9]{3,5}(?:[ -][0-9]{2,5}){0,3}(?![\w-])", digits),
            rule(rf"{START}0[0-9](?:[ .-][0-9]{{2}}){{4}}{AFTER}(?![.,][0-9])", digits),
            rule(
                rf"{START}(?<![0-9][ ])0[0-9]{{1,4}}(?:[ ]?[/-][ ]?|[ ])[0-9]{{3,8}}(?:[ -][0-9]{{2,5}}){{0,3}}{AFTER}",
                digits,
            ),
            rule(r"(?<![\w.-])(?:[0-9]{3}[ -]){2}[0-9]{3,4}(?![\w-]|[ ][0-9])", digits),
            rule(LONG_NUMBER, digits),
        )

    def _ranges(self) -> tuple[Rule, ...]:
        until = self._phrases.until
        if not until or until == "-":
            return ()
        to = f"{self._space}{until}{self._space}"
        end = r"(?>[0-9][0-9.,:]*(?:%|°[CF]?)?)"
        return (
            rule(rf"([$€£])({end})(?:[–-]|[ ]–[ ])\1?(?={end})", rf"\2{to}\1"),
            rule(rf"{BEFORE}(?<![.-])({end})(?:[–-]|[ ]–[ ]|[~～〜](?=[0-9]))(?={end}(?!-))", rf"\1{to}"),
        )

    def _quantities(self) -> tuple[Rule, ...]:
        locale, amounts = self._locale, self._amounts
        per = rf"(?:/(?P<per>{any_of(locale.per)}){AFTER})?"
        scale = rf"(?:[ ]?(?P<scale>{any_of(locale.scales)})(?!\w))?"
        signs = {sign for sign in self._currencies if not sign[-1].isalpha()}
        names = any_of(self._currencies.keys() - signs)
        number = rf"(?P<number>{self._number})"

        def money(match: _Match) -> str:
            sign, written, scale, symbol, per = match.group("sign", "number", "scale", "symbol", "per")
            return amounts.money(sign, written, scale, self._currencies[symbol], per)

        def quantity(match: _Match) -> str:
            return amounts.quantity(*match.group("sign", "number", "unit", "per"))

        def half(match: _Match) -> str:
            return f"{match[1] or '0'}{locale.decimal}{_HALVES[match[2]]}"

        english = rule(r"(?<![0-9.,])([0-9]{1,3}(?:,[0-9]{3})+)\.([0-9]+)(?![0-9]|[.,][0-9])", self._swap_marks)
        unwritten_cents = rule(r"(?<=[0-9])[.,][-–—](?![0-9\w])", "")
        percent = (rule(rf"%[ ]?({self._number})", r"\1 %"),) if locale.language == "tr" else ()

        def part(match: _Match) -> str:
            return fraction(match[1], match[2], locale.language) or match[0]

        return (
            rule(rf"{START}([1-9][0-9]?)/(10|[2-9])(?![\w/]|[.,][0-9])", part),
            *((english, unwritten_cents) if locale.decimal == "," else ()),
            *percent,
            rule(rf"(?:([0-9]{{1,9}})[ ]?)?([{''.join(_HALVES)}])", half),
            rule(rf"{START}(?P<sign>-?)(?P<symbol>{any_of(signs)})[ ]?{number}{scale}{per}", money),
            rule(rf"{BEFORE}(?P<sign>)(?P<symbol>{names})[ ]?{number}{scale}{per}", money),
            rule(rf"{START}(?P<sign>-?){number}{scale}[ ]?(?P<symbol>{any_of(signs)}|(?:{names}){AFTER}){per}", money),
            rule(
                rf"{START}(?P<sign>{_SIGN}){number}[ ]?(?P<unit>{any_of([*units.RATES, *locale.units])}){AFTER}{per}",
                quantity,
            ),
        )

    def _swap_marks(self, match: _Match) -> str:
        """Write a number of English style in that of this language."""
        return f"{match[1].replace(',', '')}{self._locale.decimal}{match[2]}"

    def _ordinals(self) -> tuple[Rule, ...]:
        pattern, language = self._phrases.ordinal, self._locale.language
        if language == "zh":
            return (rule(rf"{START}(?<!第)2(?=[个位只条张本天年杯瓶种件台辆])", "两"),)
        if language == "ko":
            return (
                rule(rf"{START}([1-9][0-9]?)[ ]?(?={_KOREAN_COUNTERS})", lambda match: native_korean(int(match[1]))),
            )
        if not pattern:
            return ()
        before = rf"(?i:\b(?:{_GERMAN_DETERMINERS}))[ ]" if language == "de" else START
        if language == "de":
            return (
                rule(rf"{START}([1-9][0-9]{{0,3}})er{AFTER}", lambda match: f"{year(match[1], 'de')}er"),
                rule(
                    rf"({before})([0-9]{{1,3}}){pattern}",
                    lambda match: [
                        (match[1], 1),
                        (written_ordinal(match[2], "", "de", match[1].strip().lower()), 2),
                    ],
                ),
            )
        return (
            rule(
                rf"{START}([0-9]{{1,4}})({pattern})",
                lambda match: written_ordinal(match[1], match[2], language, word_before(match)),
            ),
        )

    def _abbreviations(self) -> tuple[Rule, ...]:
        known = self._phrases.abbreviations

        def written_out(match: _Match) -> str:
            return known[match[1]] + full_stop(match)

        def initials(match: _Match) -> str:
            return match[0].replace(".", "").upper() + full_stop(match)

        dot = f" {self._phrases.addresses[0]} " if self._phrases.addresses else "."
        return (
            rule(rf"(?<![\w.])({any_of(known)})(?!\w)", written_out),
            rule(r"(?<![\w.])(?:[A-Z]\.){2,9}", initials),
            rule(r"(?<=[A-Za-z0-9]{2})\.(?=[a-z]{2,}\b)", dot),
        )

    def _symbols(self) -> tuple[Rule, ...]:
        symbols = dict(self._phrases.symbols)
        by = symbols.pop("x", "")
        words = {sign: word for sign, word in symbols.items() if sign not in ":^" and not sign.isalpha()}
        space = self._space
        if not words:
            return ()
        ratio = symbols.get(":", "-")
        rules = [
            rule(rf"{START}([0-9]{{1,4}}):(?=[0-9]{{1,4}}(?![\w:]))", rf"\1{space}{ratio}{space}".replace(" - ", "-")),
            rule(r"(?<!\w)#(?=[^\W\d])", f"{space}hashtag{space}"),
            rule(r"(?<=[\w)])\^(?=[\w(])", f"{space}{symbols.get('^', ' ')}{space}"),
            rule(r"(?<=\w)([²³])", lambda match: f"{space}{symbols.get('^', '')} {'2' if match[0] == '²' else '3'}"),
            rule(r"[-=]+>", "→"),
            rule(r"(?<=[0-9])\s*\*\s*(?=[0-9])", "×"),
            rule(r"(?<=[0-9])[ ]?/[ ]?(?=[0-9])", "÷" if "÷" in words else "/"),
            rule(rf"[{re.escape(''.join(words))}]", lambda match: f"{space}{words[match[0]]}{space}"),
            rule(r"(?<=[^\W\d])/(?=[^\W\d])", " "),
            rule(r"[_|\\~*#^{}\[\]$]", " "),
        ]
        return (rule(r"(?<=[0-9])[ ]?[xх×][ ]?(?=[0-9])", f"{space}{by}{space}"), *rules)

    def _numbers(self) -> tuple[Rule, ...]:
        spaces = (rule(r"\s+", " "), rule(r" (?=[.,;:!?…)](?: |$))|(?<=\() ", ""))
        if not self._amounts.has_words:
            return spaces
        dot = f" {self._phrases.addresses[0]} " if self._phrases.addresses else "."

        def version(match: _Match) -> str:
            return match[0] if self._amounts.is_number(match[0]) else match[0].replace(".", dot)

        suffix = (rule(r"(?<=[0-9])['’](?=[a-zçğıöşü])", ""),) if self._locale.language == "tr" else ()
        return (
            *suffix,
            rule(r"(?<![0-9.])[0-9]{1,9}(?:\.[0-9]{1,9}){2,9}(?![0-9])", version),
            rule(rf"(?<![0-9])(?<![0-9]/)({_SIGN})({self._number})(?!/[0-9])", self._plain_number),
            *spaces,
        )

    def _plain_number(self, match: _Match) -> str:
        """Read a number, with spaces between it and adjacent letters (`MP3`), and as the noun after it demands."""
        before, after = match.string[: match.start()][-1:], match.string[match.end() :][:1]
        noun = _NOUN.match(match.string, match.end())
        spoken = self._amounts.number(match[2], self._counted(match[2], noun), match[1])
        is_suffixed = self._locale.language == "tr" and after.isalpha()
        return self._space * before.isalnum() + spoken + self._space * (after.isalnum() and not is_suffixed)

    def _counted(self, number: str, noun: _Match | None) -> str:
        """Return the word after a number if it may be what the number counts; longer numbers may be years."""
        if noun is None or len(number) > 3 or noun[1] in _NOT_COUNTED:
            return ""
        return noun[1] if self._locale.language != "de" or noun[1].istitle() else ""


@cache
def reader(language: str) -> Reader | None:
    """Return the reader of a language by its ISO 639-1 code; None if CLDR does not know it."""
    locale = spoken_locale(language)
    return None if locale is None else Reader(locale)
