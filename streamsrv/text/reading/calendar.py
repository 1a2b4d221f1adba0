"""Says dates and times of day in one language. Pure."""

import re

from streamsrv.text.numbers import ordinal, year
from streamsrv.text.reading.amounts import Amounts
from streamsrv.text.reading.grammar import (
    YEARS_BY_HUNDREDS,
    day_of_month,
    hour_of_day,
    polish_year,
    year_of_date,
)
from streamsrv.text.reading.locales import SpokenLocale
from streamsrv.text.reading.patterns import AFTER, START, any_of, full_stop, rule
from streamsrv.text.traced import Parts, Rule

_Match = re.Match[str]
_DAY = r"0?[1-9]|[12][0-9]|3[01]"
_MONTH = r"0?[1-9]|1[0-2]"
_YEAR = r"[12][0-9]{3}"
_TOKEN = re.compile(r"'([^']*)'|(d+)\.?|(M+)|(y+)|\.")
_WORD_BEFORE = re.compile(r"([^\W\d_]+)[ ]*\Z")
_CASES = {"года": "g", "году": "p", "год": "n"}


class Calendar:
    """Dates and times of one language in words."""

    def __init__(self, locale: SpokenLocale, amounts: Amounts) -> None:
        self._locale = locale
        self._amounts = amounts
        self._language = locale.language

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules for dates, years and times, which leave words."""
        return (*self._numeric_dates(), *self._named_dates(), *self._years(), *self._times())

    def _numeric_dates(self) -> list[Rule]:
        last = rf"{AFTER}(?![.,/-][0-9])"
        rules = [
            rule(rf"{START}({_YEAR})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(?:T(?=[0-9]{{2}}:)|{last})", self._iso),
            rule(rf"{START}({_YEAR})/({_MONTH})/({_DAY}){last}", self._iso),
        ]
        if self._language not in ("ja", "zh", "ko", "hu"):
            rules.append(rule(rf"{START}({_DAY})([./-])({_MONTH})\2({_YEAR}){last}", self._numeric))
            rules.append(rule(rf"{START}({_DAY})/(0[1-9]){last}", self._day_and_month))
        elif self._language == "ko":
            rules.append(rule(rf"{START}({_YEAR})\.[ ]({_MONTH})\.[ ]({_DAY})(?:\.|{last})", self._iso))
        return rules

    def _iso(self, match: _Match) -> str:
        return self._date(match, match[1], match[2], match[3]) + (" " if match[0].endswith("T") else "")

    def _numeric(self, match: _Match) -> str:
        return self._date(match, match[4], match[3], match[1])

    def _day_and_month(self, match: _Match) -> str:
        link = " de " if self._language in ("es", "pt") else " "
        return f"{day_of_month(match[1], self._language, word_before(match))}{link}{self._locale.month(int(match[2]))}"

    def _date(self, match: _Match, year_digits: str, month: str, day: str) -> str:
        spoken = {
            2: day_of_month(day, self._language, word_before(match)),
            3: self._locale.month(int(month)),
            4: year_of_date(year_digits, self._language),
        }

        def fill(token: _Match) -> str:
            if token.lastindex is None or token.lastindex == 1:
                return "года" if token[1] == "г" else token[1] or ""
            return str(int(month)) if token[0] == "M" else spoken[token.lastindex]

        written = _TOKEN.sub(fill, self._locale.date_pattern)
        if self._language in ("ja", "zh", "ko"):  # their months are numbers
            written = re.sub(r"[0-9]+", lambda digits: self._amounts.number(digits[0]), written)
        return f"{written} roku" if self._language == "pl" else written

    def _named_dates(self) -> list[Rule]:
        if self._language in ("ja", "zh", "ko", "hu"):
            return []
        months = any_of(self._locale.months)
        dot = r"(?:\.(?=[ ][0-9a-zà-žа-я]))?"  # of an abbreviation; at the end of a sentence it stays
        return [
            rule(
                rf"{START}({_DAY})(?:\.|er|º|°|\.º|-го|-е)?([ ]+(?:(?:de|di|d)[ ]+|d['’])?)({months}){AFTER}{dot}"
                rf"(?:(,?[ ]+(?:del?[ ]+)?)({_YEAR}){AFTER}([ ]*(?:г\.|года|roku|r\.))?)?",
                self._named,
            )
        ]

    def _named(self, match: _Match) -> Parts:
        month = self._locale.month(self._locale.months[match[3]])
        parts = [(day_of_month(match[1], self._language, word_before(match)), 1), (match[2], 2), (month, 3)]
        if match[5]:
            parts += [(match[4], 4), (year_of_date(match[5], self._language), 5)]
            if self._language in ("pl", "ru"):
                word = " roku" if self._language == "pl" else " года"
                parts += [(word + full_stop(match), 6 if match[6] else 5)]
        return parts

    def _years(self) -> list[Rule]:
        match self._language:
            case "ru":
                return [rule(rf"{START}({_YEAR})[ ]*(года|году|год|г\.)(?!\w)", self._russian_year)]
            case "pl":
                return [rule(rf"{START}({_YEAR})[ ]*(roku|rok|r\.)(?!\w)", _read_polish_year)]
            case "zh":
                return [rule(rf"{START}({_YEAR})(?=年)", lambda match: year_of_date(match[1], "zh"))]
            case language if language in YEARS_BY_HUNDREDS:
                reading = (
                    rf"{START}(1[1-9][0-9]{{2}})(?![\w:/%°€$]|[.,][0-9]|[ ]?(?:{any_of(self._locale.units)}){AFTER})"
                )
                return [rule(reading, lambda match: year(match[1], language))]
            case _:
                return []

    def _russian_year(self, match: _Match) -> str:
        word = match[2]
        if word == "г.":
            word = "году" if word_before(match) in ("в", "о") else "года"
        return f"{ordinal(match[1], 'ru', case=_CASES[word])} {word}{full_stop(match)}"

    def _times(self) -> list[Rule]:
        word = self._locale.phrases.clock_word
        time = r"([01]?[0-9]|2[0-4])"
        minute = r"([0-5][0-9])"
        rules = [
            rule(rf"{START}{time}:{minute}(?::{minute})?(?![0-9:])Z?{AFTER}(?:{word or '(?!)'})?", self._time),
        ]
        if self._language in ("fr", "pt", "es"):
            rules.append(rule(rf"{START}{time}[ ]?h[ ]?{minute}()(?![0-9:]){AFTER}", self._time))
        if word:
            rules.append(rule(rf"{START}{time}(?:\.{minute})?(){word}", self._time))
        return rules

    def _time(self, match: _Match) -> str:
        phrases = self._locale.phrases
        hour, minute, second = int(match[1]), int(match[2] or 0), int(match[3] or 0)
        words = {"h": hour_of_day(hour, self._language, word_before(match)), "m": self._amounts.number(str(minute))}
        words["hours"] = self._amounts.quantity("", str(hour), "hour", None)
        if phrases.clock:
            spoken = (phrases.clock if minute else phrases.full_hour).format(**words)
        else:
            spoken = " ".join(
                [words["hours"], *([self._amounts.quantity("", str(minute), "minute", None)] if minute else [])]
            )
        return f"{spoken} {self._amounts.quantity('', str(second), 'second', None)}" if second else spoken


def _read_polish_year(match: _Match) -> str:
    word = "rok" if match[2] == "rok" else "roku"
    return f"{polish_year(match[1], word == 'roku')} {word}{full_stop(match)}"


def word_before(match: _Match) -> str:
    """Return the word before a match, in lower case; empty if there is none."""
    word = _WORD_BEFORE.search(match.string, max(0, match.start() - 30), match.start())
    return word[1].lower() if word else ""
