"""Estimates how hard a request is, from its last words and the dialogue before them. Pure.

It looks at words only (`signals`), because it runs before each answer and must take no time. What was added up and why
is part of the result, so that a choice can be explained.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streamsrv.engines.llm.base import Message, Tool
from streamsrv.engines.llm.routing import signals
from streamsrv.text.words import split_words

Complexity = Literal["small_talk", "simple", "moderate", "hard"]
Task = Literal["code", "arithmetic", "tools"]
LEVELS: tuple[Complexity, ...] = ("small_talk", "simple", "moderate", "hard")
"""`small_talk`: greetings and chat. `simple`: one fact or command. `moderate`: an explanation, advice, a short text.
`hard`: code, plans, analysis, mathematics."""
TASKS: tuple[Task, ...] = ("code", "arithmetic", "tools")

MODERATE, HARD = 2, 4
"""Points from which on a request is moderate or hard."""
LONG_WORDS, VERY_LONG_WORDS = 18, 60
"""Words of a text from which on it counts as long."""
DEEP_TURNS = 12
"""Turns of the user from which on answers depend on much that was said."""
MAX_CHARACTERS = 1000
"""Characters that are looked at: of a longer text the beginning, which is hard because of its length."""
MANY_NUMBERS = 3
"""Numbers in a text that make a computation one of several steps."""
MIN_WORDS_OF_A_PROBLEM = 12
"""Words of a text from which on numbers in it are those of a problem and not of a plain sum."""
MAX_REST_OF_SMALL_TALK = 2
"""Words that may stand beside a phrase of politeness, whatever they are."""
CODE_FENCE = "```"

_PUNCTUATION = re.compile(r"[^\w\s'+#%*/=×÷&.,-]")
_LAST_POINT = re.compile(r"[.,](?!\d)")
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Assessment:
    """How hard a request is, what it needs, and the reasons: parts of a sentence."""

    complexity: Complexity
    tasks: frozenset[Task] = frozenset()
    reasons: tuple[str, ...] = ()


def assess(messages: Sequence[Message], tools: Sequence[Tool] = ()) -> Assessment:
    """Return how hard the last message of the user is. Without one, the request is `simple`."""
    said = [message.content for message in messages if message.role == "user" and message.content.strip()]
    if not said:
        return Assessment("simple", reasons=("nothing was asked yet",))
    found = _assess_text(said[-1], can_act=bool(tools))
    text = _normal(said[-1])
    if len(said) > 1 and signals.FOLLOW_UP.search(text) and len(text.split()) <= signals.MAX_FOLLOW_UP_WORDS:
        before = _assess_text(said[-2], can_act=bool(tools))
        if _asks_more(found) and LEVELS.index(before.complexity) > LEVELS.index(found.complexity):
            reasons = ("it goes on from a question that was " + before.complexity.replace("_", " "), *found.reasons)
            found = Assessment(before.complexity, found.tasks | before.tasks, reasons)
    if len(said) >= DEEP_TURNS and found.complexity == "simple":
        return Assessment("moderate", found.tasks, (*found.reasons, f"it is turn {len(said)} of the dialogue"))
    return found


def language_of(text: str) -> str:
    """Return the ISO 639-1 code of the language that a text seems to be in; empty if it cannot be told."""
    text = text[:MAX_CHARACTERS].lower()
    if (script := _language_of_script(text)) is not None:
        return script
    words = _LETTERS.findall(text)
    counts = {code: sum(word in known for word in words) for code, known in signals.FUNCTION_WORDS.items()}
    best, second = sorted(counts.values(), reverse=True)[:2]
    return max(counts, key=lambda code: counts[code]) if best > second else ""


def _assess_text(text: str, *, can_act: bool) -> Assessment:
    normal = _normal(text)
    length = len(split_words(normal))
    numbers = len(signals.NUMBER.findall(normal))
    actions = len(signals.ACTION.findall(normal)) if can_act else 0
    if _is_small_talk(normal, length) and not (numbers or actions or CODE_FENCE in text):
        return Assessment("small_talk", reasons=("it wants no information",))
    tasks: set[Task] = set()
    points, reasons = _count_signals(normal)
    worth, reason = _code(text, normal)
    if reason:
        tasks.add("code")
        points = max(points, MODERATE) + worth
        reasons.append(reason)
    worth, reason = _arithmetic(normal, numbers, length)
    if reason:
        tasks.add("arithmetic")
        points += worth
        reasons.append(reason)
    if actions and not tasks & {"code"}:
        tasks.add("tools")
        reasons.append("it asks for an action" if actions == 1 else "it asks for several actions")
        points = points if actions == 1 else max(points, MODERATE)
    if length >= LONG_WORDS or len(text) > MAX_CHARACTERS:
        is_very_long = length >= VERY_LONG_WORDS or len(text) > MAX_CHARACTERS
        points += HARD if is_very_long else MODERATE
        reasons.append("it is long")
    level: Complexity = "hard" if points >= HARD else "moderate" if points >= MODERATE else "simple"
    return Assessment(level, frozenset(tasks), tuple(reasons) or ("it is a short question or command",))


def _count_signals(text: str) -> tuple[int, list[str]]:
    """Return the points of a text and what they are for. Kinds of moderate questions count once."""
    points, reasons, is_moderate = 0, list[str](), False
    for signal in signals.SIGNALS:
        found = len(signal.words.findall(text))
        if not found:
            continue
        reasons.append(f"it asks for {signal.name}")
        if signal.points == 1:
            points += min(found, 2)
        elif signal.points != MODERATE or not is_moderate:
            points += signal.points
        is_moderate = is_moderate or signal.points == MODERATE
    return points, reasons


def _code(text: str, normal: str) -> tuple[int, str]:
    if CODE_FENCE in text:
        return HARD, "it has code"
    if not signals.CODE.search(normal):
        return 0, ""
    return (HARD, "it asks for work on code") if signals.CODE_WORK.search(normal) else (0, "it is about code")


def _arithmetic(text: str, numbers: int, length: int) -> tuple[int, str]:
    if any(signal.name == "mathematics" and signal.words.search(text) for signal in signals.SIGNALS):
        return 0, "it has to be computed"
    if not numbers:
        return 0, ""
    computes, shares = signals.OPERATION.search(text), signals.PERCENTAGE.search(text)
    asks = computes or signals.QUESTION.search(text)
    if numbers >= MANY_NUMBERS and asks and length >= MIN_WORDS_OF_A_PROBLEM:
        return HARD, "it has to be computed in several steps"
    if (shares and (numbers > 1 or computes)) or (computes and length >= MIN_WORDS_OF_A_PROBLEM):
        return MODERATE, "it has to be computed"
    return 0, "it has to be computed" if computes else ""


def _is_small_talk(text: str, length: int) -> bool:
    """Whether a short text is a polite phrase, a question about the other, or neither a question nor a command."""
    if length > signals.MAX_SMALL_TALK_WORDS or signals.CODE.search(text):
        return False
    words = signals.FILLERS.sub(" ", text).strip()
    if not words or signals.ABOUT_THE_OTHER.match(words):
        return True
    if signals.SMALL_TALK.search(words):
        rest = signals.SMALL_TALK.sub(" ", words).split()
        return len(rest) <= MAX_REST_OF_SMALL_TALK or not _is_request(" ".join(rest))
    return not _is_request(words) and not signals.FOLLOW_UP.search(words)


def _is_request(text: str) -> bool:
    return bool(signals.QUESTION.match(text) or signals.COMMAND.match(text))


def _asks_more(found: Assessment) -> bool:
    """Whether a short text may be as hard as what was said before it; thanks are not."""
    return found.complexity != "small_talk"


def _normal(text: str) -> str:
    lower = text[:MAX_CHARACTERS].lower().replace("’", "'")
    return " ".join(_LAST_POINT.sub(" ", _PUNCTUATION.sub(" ", lower)).split())


_SCRIPTS = (
    ("ja", "\u3040", "\u30ff"),
    ("ko", "\uac00", "\ud7af"),
    ("zh", "\u4e00", "\u9fff"),
    ("ru", "\u0400", "\u04ff"),
    ("el", "\u0370", "\u03ff"),
    ("he", "\u0590", "\u05ff"),
    ("ar", "\u0600", "\u06ff"),
    ("hi", "\u0900", "\u097f"),
    ("th", "\u0e00", "\u0e7f"),
)
"""Languages by the range of their characters; of several that are in a text the first."""


def _language_of_script(text: str) -> str | None:
    for code, first, last in _SCRIPTS:
        if any(first <= character <= last for character in text):
            return code
    return None
