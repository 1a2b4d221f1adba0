"""Says numbers, quantities and sums of money in one language. Pure."""

import re
from decimal import Decimal
from typing import Any, cast

import num2words

from streamsrv.text.numbers import NUMBER_LANGUAGES, decimal_number, digit_by_digit, number_language, whole_number
from streamsrv.text.reading import units
from streamsrv.text.reading.grammar import counting
from streamsrv.text.reading.locales import SpokenLocale

UNSPACED_LANGUAGES = frozenset({"ja", "zh"})
"""Languages without spaces between words."""
_FRACTIONS_OF_TEN = frozenset({"cs", "hu", "ru", "uk"})
"""Languages that say 3.5 as three wholes and five tenths."""
_JOINED_BY_AND = frozenset({"de", "es", "fr", "it", "nl", "pt", "sv", "da", "no"})
"""Languages that say "and" between euros and cents."""


class Amounts:
    """Numbers of one language in words."""

    def __init__(self, locale: SpokenLocale) -> None:
        self._locale = locale
        self.language = locale.language
        self.has_words = self.language in NUMBER_LANGUAGES
        converter: Any = cast("Any", num2words).CONVERTER_CLASSES.get(number_language(self.language))
        self.minus = locale.phrases.minus or _word(getattr(converter, "negword", ""))
        self._point = locale.phrases.decimal_point or _word(getattr(converter, "pointword", ""))
        self._space = "" if self.language in UNSPACED_LANGUAGES else " "
        self._group = re.compile(rf"[{re.escape(locale.groups)}](?=[0-9]{{3}}(?![0-9]))")

    def number_pattern(self) -> str:
        """Return a pattern for a number as this language writes it, with thousands and a fraction."""
        decimal, groups = re.escape(self._locale.decimal), re.escape(self._locale.groups)
        other = "" if self._locale.decimal == "." else r"|\.[0-9]{1,2}(?![0-9.])"
        return (
            rf"(?>(?:[0-9]{{1,3}}(?:[{groups}][0-9]{{3}})+(?![0-9])|[0-9]+)"
            rf"(?:(?:{decimal}[0-9]+{other})(?![.,][0-9]))?)"
        )

    def is_number(self, written: str) -> bool:
        """Whether a text is one number, with its thousands separated."""
        return re.fullmatch(self.number_pattern(), written) is not None

    def value(self, written: str) -> Decimal:
        """Return the value of a number that `number_pattern` matches."""
        whole, fraction = self._parts(written)
        return Decimal(f"{whole}.{fraction}" if fraction else whole)

    def number(self, written: str, noun: str = "", sign: str = "") -> str:
        """Return the words for a number, before a noun if one is given (in the singular)."""
        if not self.has_words:
            return sign + written
        whole, fraction = self._parts(written)
        spoken = counting(whole_number(whole, self.language), noun, self._locale.phrases.feminine, self.language)
        if fraction:
            spoken = self._decimal(whole, fraction)
        return f"{self.minus}{self._space}{spoken}" if sign else spoken

    def digits(self, written: str) -> str:
        """Return the digits of a text one by one."""
        spoken = digit_by_digit(written, self.language)
        return spoken.replace(" ", "").replace(",", "，") if self.language in UNSPACED_LANGUAGES else spoken

    def quantity(self, sign: str, written: str, unit: str, per: str | None) -> str:
        """Return a number of a unit (of CLDR), per another unit (a symbol or name) if one is given."""
        value = self.value(written)
        if rate := units.RATES.get(unit):
            counted, per_unit = self._counted(sign, written, value, rate[0]), rate[1]
        else:
            counted = self._counted(sign, written, value, self._locale.units.get(unit, unit))
            per_unit = self._locale.per[per] if per else ""
        return self._tight(self._locale.rate(counted, per_unit) if per_unit else counted)

    def money(self, sign: str, written: str, scale: str | None, code: str, per: str | None) -> str:
        """Return a sum of a currency."""
        locale = self._locale
        whole, fraction = self._parts(written)
        if scale:
            power = locale.scales[scale]
            words = self.number(written, locale.scale(Decimal(1), power), sign)
            name = locale.currency(Decimal(10**power), code)
            link = "d'" if self.language == "fr" and name.startswith("e") else locale.phrases.scale_link.lstrip()
            spoken = f"{words}{self._space}{locale.scale(self.value(written), power)}{self._space}{link}{name}"
        else:
            hundredths = int(fraction.ljust(2, "0")) if len(fraction) in (1, 2) else 0
            name = locale.hundredths(hundredths, code) if hundredths else ""
            if (fraction and int(fraction) and not name) or len(fraction) > 2:
                spoken = self._of(written, locale.currency(self.value(written), code), sign)
            else:
                spoken = self._whole_and_hundredths(sign, whole, hundredths, name, code)
        return self._tight(locale.rate(spoken, locale.per[per]) if per else spoken)

    def _whole_and_hundredths(self, sign: str, whole: str, hundredths: int, name: str, code: str) -> str:
        parts: list[str] = []
        if not hundredths or whole.strip("0"):
            noun = self._locale.currency(Decimal(1), code)
            parts.append(self._of(whole, self._locale.currency(Decimal(whole), code), sign, noun))
        if hundredths:
            noun = self._locale.hundredths(1, code)
            parts.append(self._of(str(hundredths), name, "" if parts else sign, noun))
        link = f" {self._locale.conjunction} " if self.language in _JOINED_BY_AND else self._space
        return link.join(parts)

    def _of(self, written: str, name: str, sign: str, noun: str = "") -> str:
        return f"{self.number(written, noun or name, sign)}{self._space}{name}"

    def _counted(self, sign: str, written: str, value: Decimal, unit: str) -> str:
        return self._locale.unit(value, unit, self.number(written, self._locale.unit_name(unit), sign))

    def _decimal(self, whole: str, fraction: str) -> str:
        if self.language in _FRACTIONS_OF_TEN and (spoken := decimal_number(whole, fraction, self.language)):
            return spoken
        point = self._point or "."
        return self._space.join([whole_number(whole, self.language), point, self.digits(fraction)])

    def _parts(self, written: str) -> tuple[str, str]:
        plain = self._group.sub("", written)
        whole, _, fraction = plain.replace(self._locale.decimal, ".").partition(".")
        return whole, fraction

    def _tight(self, spoken: str) -> str:
        return spoken.replace(" ", "") if self.language in UNSPACED_LANGUAGES else spoken


def _word(word: object) -> str:
    """Return a word of num2words; empty if it has none, or one that is no word."""
    return word.strip() if isinstance(word, str) and word.strip().isalpha() else ""
