"""The varieties of languages that `espeak-ng --voices` lists. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from streamsrv.text.languages import normalize_language

_ROW = re.compile(r"\s*(?P<priority>\d+)\s+(?P<tag>\S+)\s+\S+\s+(?P<name>\S+)\s+\S+\s*(?P<others>.*)")
_OTHER = re.compile(r"\((\S+) (\d+)\)")
_PREFERRED: Mapping[str, str] = {"en": "en-us", "fr": "fr-fr", "zh": "cmn-latn-pinyin"}
"""The tags of languages that no tag names alone. The plain `cmn` of version 1.51 reads characters as English."""
_LEFT_OUT = ("ja",)
"""Languages that the command does not speak well enough to be understood: it reads no Japanese characters but kana."""


@dataclass(frozen=True, slots=True)
class Variety:
    """A language as it is spoken somewhere: `tag` is the command's name of it, such as `en-gb`."""

    tag: str
    name: str
    languages: Mapping[str, int]
    """ISO 639-1 codes of the languages that it stands for, with its place in the order for that language."""


def read_varieties(listed: str) -> list[Variety]:
    """Return the varieties of languages with an ISO 639-1 code, in the order of the list, each tag once."""
    found: dict[str, Variety] = {}
    for line in listed.splitlines()[1:]:
        if (row := _ROW.fullmatch(line)) and row["tag"] not in found:
            tags = [(row["tag"], row["priority"]), *_OTHER.findall(row["others"])]
            languages: dict[str, int] = {}
            for tag, priority in tags:
                code = normalize_language(tag)
                if code is not None and code not in _LEFT_OUT:
                    languages[code] = min(int(priority), languages.get(code, int(priority)))
            if languages:
                found[row["tag"]] = Variety(row["tag"], row["name"].replace("_", " "), languages)
    return list(found.values())


def best_varieties(varieties: Iterable[Variety]) -> dict[str, Variety]:
    """Return for each ISO 639-1 code the variety that speaks the language when nobody asks for another one."""
    best: dict[str, Variety] = {}
    for variety in varieties:
        for code in variety.languages:
            known = best.get(code)
            if known is None or _place(variety, code) < _place(known, code):
                best[code] = variety
    return best


def _place(variety: Variety, code: str) -> tuple[bool, int]:
    return variety.tag != _PREFERRED.get(code, code), variety.languages[code]


def choices(varieties: Sequence[Variety]) -> list[Variety]:
    """Return the varieties among which a user can choose: those of languages with several, without those of scripts."""
    written = [variety for variety in varieties if "latn" not in variety.tag and variety.tag != "cmn"]
    counts: dict[str, int] = {}
    for variety in written:
        for code in variety.languages:
            counts[code] = counts.get(code, 0) + 1
    return [variety for variety in written if any(counts[code] > 1 for code in variety.languages)]
