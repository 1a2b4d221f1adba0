"""What Unicode's CLDR knows of each language, read with Babel: separators, months, units, currencies. Pure."""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, cached_property, lru_cache
from typing import Any, cast

import num2words
from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal, get_currency_name
from babel.units import UnknownUnitError, format_compound_unit, format_unit

from streamsrv.text.numbers import number_language
from streamsrv.text.reading import units
from streamsrv.text.reading.phrases import NO_PHRASES, PHRASES, Phrases

_PLAIN = "0.#########"  # how Babel writes numbers here, for them to be replaced by words
_SPACES = "\u00a0\u2009\u202f"
_CONVERTERS = cast("Any", num2words).CONVERTER_CLASSES
_MAX_DIGITS = 18


class SpokenLocale:
    """One language, as far as it is needed to read text out. Raises `UnknownLocaleError`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.phrases: Phrases = PHRASES.get(language, NO_PHRASES)
        self._locale = Locale.parse(language)
        symbols = cast("dict[str, Any]", self._locale.number_symbols)
        latin = cast("dict[str, str]", symbols.get("latn", symbols))
        self.decimal = latin.get("decimal", ".")
        group = latin.get("group", ",")
        self.groups = f" {_SPACES}" if group in _SPACES else group + _SPACES
        """The characters that may separate the thousands."""

    @cached_property
    def months(self) -> Mapping[str, int]:
        """The names of the months as they are written in dates, and their abbreviations, to 1 to 12."""
        found: dict[str, int] = {}
        for form in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                names = cast("dict[int, str]", self._locale.months[form][width])
                found |= {name.rstrip("."): month for month, name in names.items()}
        found |= {name.capitalize(): month for name, month in found.items()}
        return {name: month for name, month in found.items() if not name[:1].isdigit()}

    def month(self, number: int) -> str:
        """Return the name of a month as it is said in a date."""
        return str(self._locale.months["format"]["wide"][number])

    @cached_property
    def date_pattern(self) -> str:
        """The order of a date, such as `d. MMMM y` or `d 'de' MMMM 'de' y`."""
        return str(self._locale.date_formats["long"].pattern)

    @cached_property
    def conjunction(self) -> str:
        """The word for "and"."""
        return str(self._locale.list_patterns["standard"]["end"]).replace("{0}", "").replace("{1}", "").strip(" ,،、")

    @cached_property
    def units(self) -> Mapping[str, str]:
        """The symbols of units to their names in CLDR: those used everywhere, and those of this language."""
        found = dict(units.UNITS)
        for unit in dict.fromkeys(units.UNITS.values()):
            for length in ("short", "narrow"):
                for value in (1, 2, 5):
                    symbol = self._pattern(unit, Decimal(value), length).replace("{0}", "").strip(f" {_SPACES}")
                    if len(symbol) > 2 or (symbol and not symbol.isascii()):
                        found.setdefault(symbol, unit)
        return found

    @cached_property
    def per(self) -> Mapping[str, str]:
        """What may follow a slash to its unit in CLDR: symbols and names."""
        found = {symbol: unit for symbol, unit in self.units.items() if unit in units.PER}
        for unit in units.PER:
            found[self.unit_name(unit)] = unit
        return {name: unit for name, unit in found.items() if name}

    @cached_property
    def scales(self) -> Mapping[str, int]:
        """The words for millions and more, long and short, to the power of ten."""
        found: dict[str, int] = {}
        for width in ("long", "short"):
            formats = cast("dict[str, Any]", self._locale.compact_decimal_formats.get(width, {}))
            for by_power in formats.values():
                for power, pattern in cast("dict[str, Any]", by_power).items():
                    word = re.sub(r"[0'¤]", "", pattern.pattern).strip(f" {_SPACES}")
                    if len(power) in (7, 10, 13) and word:
                        found.setdefault(word, len(power) - 1)
        return found

    def scale(self, value: Decimal, power: int) -> str:
        """Return the word for a power of ten, after a number."""
        formats = cast("dict[str, Any]", self._locale.compact_decimal_formats["long"])
        by_power = formats.get(self._locale.plural_form(_short(value))) or formats["other"]
        return re.sub(r"[0'¤]", "", by_power[str(10**power)].pattern).strip(f" {_SPACES}")

    def unit_name(self, unit: str) -> str:
        """Return the name of one of a unit; empty if there is none."""
        return self._pattern(unit, Decimal(1)).replace("{0}", "").strip(f" {_SPACES}")

    def unit(self, value: Decimal, unit: str, words: str) -> str:
        """Return a quantity, such as "five kilometers"."""
        pattern = self._pattern(unit, value)
        if unit == "percent" and "%" in pattern:
            pattern = self.phrases.percent
        if "{0}" not in pattern:  # Arabic has words for one and two hours
            pattern = self._pattern(unit, Decimal(5))
        if self.phrases.per and "/" in pattern:
            counted, _, per = pattern.partition("/")
            pattern = self.phrases.per.replace("{0}", counted).replace("{1}", per)
        return pattern.replace("{0}", words)

    def _pattern(self, unit: str, value: Decimal, length: str = "long") -> str:
        return _unit_pattern(self._locale, unit, str(_short(value)), length)

    def rate(self, counted: str, per: str) -> str:
        """Return "{counted} per {unit}"."""
        pattern = _compound_pattern(self._locale, per)
        if self.phrases.per and ("/" in pattern or not pattern):
            return self.phrases.per.replace("{0}", counted).replace("{1}", self.unit_name(per))
        return pattern.replace("{0}", counted) if pattern else counted

    def currency(self, value: Decimal, code: str) -> str:
        """Return the name of an amount of a currency, in the plural that fits the value."""
        if names := self.phrases.currencies.get(code, ()) or self._forms(code, 0):
            return names[self._form(value, len(names))]
        name = get_currency_name(code, _short(value), self._locale)
        return name.lower() if self.language == "pt" else name  # CLDR has capitals there

    def hundredths(self, value: int, code: str) -> str:
        """Return the name of so many hundredths of a currency; empty if it has none, or none is known."""
        if code in self.phrases.hundredths:
            return self.phrases.hundredths[code][value != 1]
        names = self._forms(code, 1)
        return names[self._form(Decimal(value), len(names))] if names else ""

    def _forms(self, code: str, part: int) -> tuple[str, ...]:
        """Return num2words' forms of the name of a currency, or of its hundredth, one and several; or nothing.

        Some languages of num2words have the forms of English.
        """
        known: dict[str, dict[str, Any]] = {
            language: getattr(_CONVERTERS.get(language), "CURRENCY_FORMS", {})
            for language in (number_language(self.language), "en")
        }
        own, english = known.values() if len(known) > 1 else (known["en"], {})
        forms = own.get(code)
        if not forms or isinstance(forms[0], str) or len(forms[part]) < 2 or own.get("GBP") == english.get("GBP", ""):
            return ()
        return tuple(str(form) for form in forms[part])

    def _form(self, value: Decimal, count: int) -> int:
        plural = self._locale.plural_form(_short(value))
        if count < 3:
            return int(plural != "one")
        return {"one": 0, "few": 1}.get(plural, 1 if value != value.to_integral_value() else 2)


def _short(value: Decimal) -> Decimal:
    """Return a number of few digits with the same plural: Babel computes with 28 digits at most, and else raises."""
    if len(value.as_tuple().digits) <= _MAX_DIGITS:
        return value
    whole, _, fraction = f"{value:f}".partition(".")
    return Decimal(f"1{whole[-9:]}.{fraction[:9]}" if fraction else f"1{whole[-9:]}")


@lru_cache(maxsize=4096)
def _unit_pattern(locale: Locale, unit: str, value: str, length: str) -> str:
    try:
        number = Decimal(value)
        written = format_unit(number, unit, cast("Any", length), format=_PLAIN, locale=locale)
        return written.replace(format_decimal(number, format=_PLAIN, locale=locale), "{0}", 1)
    except UnknownUnitError:
        return ""


@lru_cache(maxsize=1024)
def _compound_pattern(locale: Locale, per: str) -> str:
    return format_compound_unit("{0}", denominator_unit=per, locale=locale) or ""


@cache
def spoken_locale(language: str) -> SpokenLocale | None:
    """Return a language by its ISO 639-1 code; None if CLDR does not know it."""
    try:
        return SpokenLocale(language)
    except (UnknownLocaleError, ValueError, KeyError):
        return None
