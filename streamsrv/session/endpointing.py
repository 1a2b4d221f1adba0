"""How long a pause must last before the turn is over, from what was said and how it sounded. Pure.

After "the weather in" a pause is a search for words; after "what time is it?" it is the end of the turn. Each way a
text can end has a base limit; the end-of-turn model and the speaker's earlier pauses scale it.
`benchmarks/turn_taking.py` measures the result on pauses inside recorded speech.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from streamsrv.session.endings import Ending, ending_of

Eagerness = Literal["low", "medium", "high", "auto"]

LIMIT_MS = {
    Ending.UNKNOWN: 900,
    Ending.OPEN: 1900,
    Ending.HESITATION: 1900,
    Ending.DEPENDENT: 1500,
    Ending.SPELLING: 1500,
    Ending.NUMBER: 1300,
    Ending.LISTING: 1200,
    Ending.UNMARKED: 1100,
    Ending.CALL: 1000,
    Ending.FRAGMENT: 1000,
    Ending.STATEMENT: 700,
    Ending.ANSWER: 400,
    Ending.QUESTION: 400,
    Ending.COMMAND: 400,
}
"""The base limit after each ending, at medium eagerness."""
FACTOR_OF_PROBABILITY = ((0.0, 1.6), (0.1, 1.5), (0.5, 1.0), (0.9, 0.7), (1.0, 0.7))
"""Factors of the limit at some probabilities that the speaker is done; between them it is interpolated."""
SHARE_OF_EARLIER_PAUSE = 0.9
"""The limit is at least this share of the longest earlier pause in the turn: who went on after it may do so again."""
MOST_FOR_EARLIER_PAUSE_MS = 500
"""But earlier pauses do not make the limit longer than this."""
MAX_WAIT_MS = {"low": 8_000, "medium": 4_000, "auto": 4_000, "high": 2_000}
"""The longest waits of `semantic_vad` in OpenAI's API reference; the limits are scaled in the same proportion."""
SHORTEST_MS = 150
CAPTION_PAUSES_MS = ((10_000, 250), (13_000, 96), (16_000, 32))
"""In captions, a pause of so many ms (second) ends a turn once somebody has spoken for so long (first)."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known in a pause."""

    text: str = ""
    """The newest transcript of this turn."""
    at_pause: bool = False
    """The text covers all speech before the pause (`Transcript.at_pause`); else its last words may be missing."""
    language: str | None = "en"
    """Of the text, ISO 639-1."""
    turn_probability: float | None = None
    """What the end-of-turn model says (0..1), if there is one."""
    longest_pause_ms: int = 0
    """The longest pause that this turn has had before this one."""


def pause_limit_ms(evidence: Evidence, eagerness: Eagerness = "auto") -> int:
    """How long this pause must last for the turn to be over. Ask again when the evidence changes."""
    limit = float(_base_limit_ms(evidence))
    if evidence.turn_probability is not None:
        limit *= _interpolate(FACTOR_OF_PROBABILITY, evidence.turn_probability)
    limit = max(limit, min(SHARE_OF_EARLIER_PAUSE * evidence.longest_pause_ms, MOST_FOR_EARLIER_PAUSE_MS))
    longest = MAX_WAIT_MS[eagerness]
    return round(min(max(limit * longest / MAX_WAIT_MS["medium"], SHORTEST_MS), longest))


def ends_caption(speech_ms: int, pause_ms: int) -> bool:
    """Whether a monologue of `speech_ms` is cut in this pause, so that its viewers get final text."""
    return any(speech_ms >= spoken_ms and pause_ms >= limit_ms for spoken_ms, limit_ms in CAPTION_PAUSES_MS)


def _base_limit_ms(evidence: Evidence) -> int:
    if evidence.language != "en":
        return LIMIT_MS[Ending.UNKNOWN]
    limit = LIMIT_MS[ending_of(evidence.text)]
    return limit if evidence.at_pause else max(limit, LIMIT_MS[Ending.UNKNOWN])


def _interpolate(points: tuple[tuple[float, float], ...], x: float) -> float:
    for (left, low), (right, high) in pairwise(points):
        if x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return points[-1][1]
