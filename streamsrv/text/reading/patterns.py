"""What numbers, addresses and telephone numbers look like, whatever the language. Pure."""

import re
from collections.abc import Iterable, Mapping

from streamsrv.text.traced import Reading, Rule

_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
BEFORE = rf"(?<![^\W{_UNSPACED}])"
"""No letter or digit precedes. Letters of scripts without spaces may."""
AFTER = rf"(?![^\W{_UNSPACED}])"
"""No letter or digit follows."""
START = rf"{BEFORE}(?<![.,:/])(?<![0-9]-)"
"""A number begins here."""
_TOP_DOMAINS = "com org net edu gov io ai dev app info uk de fr eu es it pt nl pl ru tr jp cn kr br ch at be tv".split()


def any_of(texts: Iterable[str]) -> str:
    """Return a pattern for any of the texts, the longest first; one that matches nothing if there is none."""
    return "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True)) or r"(?!)"


def rule(pattern: str, reading: Reading) -> Rule:
    return re.compile(pattern), reading


def full_stop(match: re.Match[str]) -> str:
    """Return the full stop of an abbreviation at the end of the text, which also ends the sentence; else nothing."""
    rest = match.string[match.end() : match.end() + 9].strip(" \"'”’»“)]")
    return "." if match[0].endswith(".") and not rest else ""


PLAINER_CHARACTERS = (
    rule(r"[\u00a0\u2002-\u200a\u202f]", " "),
    rule(r"[\u2010\u2011\u2212]", "-"),
    rule(r"[₀-₉]", lambda match: str(ord(match[0]) - ord("₀"))),
)


def address_rules(symbols: Mapping[str, str]) -> tuple[Rule, ...]:
    """Return rules for e-mail and web addresses, whose symbols are said as `symbols` says."""

    def read(match: re.Match[str]) -> str:
        parts: list[str] = re.findall(r"[^\W_]+|[\W_]", match[1])
        return " ".join(symbols.get(part, part) for part in parts)

    return (
        rule(r"(?:mailto:)?(?<![\w.+-])([\w.+-]{1,64}+@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})", read),
        rule(
            r"\b(?:https?|ftp|wss?)://(?:[^\s/@]{0,64}@)?(?:www\.)?([\w.-]{0,252}\w)"
            r"(?:[:/?#](?:[^\s<>\"']*[^\s<>\"'.,;:!?)\]}])?)?",
            read,
        ),
        rule(
            rf"(?<![\w.@/-])(?:www\.)?((?:[A-Za-z0-9][\w-]{{0,62}}\.){{1,8}}(?:{any_of(_TOP_DOMAINS)}))(?![\w-])(?:/(?:\S*[\w/])?)?",
            read,
        ),
        rule(r"\b[a-z]{1,20}://", " "),
    )


INTERNATIONAL_NUMBER = BEFORE + r"(?<![.-])\+[0-9](?:[ ().-]{0,2}[0-9]){6,16}(?![\w-])"
"""A telephone number that begins with a plus."""
LONG_NUMBER = rf"{START}(?>[0-9]{{7,}})(?<!000)(?![\w-]|[.,][0-9])"
"""A number so long that it names something."""
