"""Decides how long a pause must last to end the turn, from the words and the sound of the speech. Pure.

After "the weather in" a pause is a search for words; after "what time is it?" it is the end of the turn. Each ending of
a text has limits, between which the end-of-turn model decides, or the recogniser if it judges that, or both together.
An earlier pause in the turn is a lower bound.
`benchmarks/turn_taking.py` measures the result on pauses inside recorded speech, and `benchmarks/fit_pauses.py` how
well numbers chosen on some speakers work for others.
"""

from dataclasses import dataclass
from typing import Literal

from streamsrv.core.turns.sentence_endings import Ending, ending_of

Eagerness = Literal["low", "medium", "high", "auto"]

COMPLETE = (Ending.ANSWER, Ending.QUESTION, Ending.COMMAND)
MAY_GO_ON = (Ending.UNMARKED, Ending.FRAGMENT, Ending.CALL)
ITEMS = (Ending.LISTING, Ending.NUMBER, Ending.SPELLING)
MUST_GO_ON = (Ending.CLAUSE, Ending.DEPENDENT, Ending.OPEN, Ending.HESITATION)

LIMITS_MS: dict[Ending, tuple[int, int, int]] = {
    **dict.fromkeys(COMPLETE, (600, 400, 240)),
    Ending.STATEMENT: (1000, 650, 550),
    Ending.UNKNOWN: (1000, 1000, 500),
    **dict.fromkeys(MAY_GO_ON, (1200, 1200, 400)),
    **dict.fromkeys(ITEMS, (1500, 1500, 1500)),
    **dict.fromkeys(MUST_GO_ON, (1500, 1500, 750)),
}
"""The limits at medium eagerness, by the end-of-turn model's probability that the speaker is done: 0, 0.5 (or no
model) and 1, interpolated in between. If words and voice disagree, the limit is in between, except in a list, where
each item may sound like the last. docs/measurements.md tells how the limits were chosen."""
MAX_FOR_EARLIER_PAUSE_MS = 700
"""An earlier pause in the turn raises the limit to its own length, but not beyond this: a speaker who went on after
such a pause may do so again."""
MAX_WAIT_MS = {"low": 8_000, "medium": 4_000, "auto": 4_000, "high": 2_000}
"""The longest waits of `semantic_vad` in OpenAI's API reference; the limits are scaled in the same proportion."""
MIN_MS = 150
CAPTION_PAUSES_MS = ((10_000, 250), (13_000, 96), (16_000, 32))
"""Pairs for captions: after so much speech (first, in ms), a pause of this length (second, in ms) ends the turn."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the turn in a pause."""

    text: str = ""
    """The newest transcript of this turn."""
    at_pause: bool = False
    """The text covers all speech before the pause (`Transcript.at_pause`); else its last words may be missing."""
    language: str | None = "en"
    """ISO 639-1 code of the text."""
    turn_probability: float | None = None
    """The end-of-turn model's probability (0..1) that the speaker is done, if there is a model."""
    recognizer_probability: float | None = None
    """The recogniser's own probability (0..1) that the speaker is done, if it judges that: `Transcript.end_of_turn`."""
    longest_pause_ms: int = 0
    """The longest pause that this turn has had before this one."""


def pause_limit_ms(evidence: Evidence, eagerness: Eagerness = "auto") -> int:
    """Return how long this pause must last to end the turn. Call again when the evidence changes."""
    limit = max(_limit_ms(evidence), min(evidence.longest_pause_ms, MAX_FOR_EARLIER_PAUSE_MS))
    longest = MAX_WAIT_MS[eagerness]
    return round(min(max(limit * longest / MAX_WAIT_MS["medium"], MIN_MS), longest))


def ends_caption(speech_ms: int, pause_ms: int) -> bool:
    """Whether this pause ends a caption's turn of `speech_ms`, so that viewers get final text."""
    return any(speech_ms >= spoken_ms and pause_ms >= limit_ms for spoken_ms, limit_ms in CAPTION_PAUSES_MS)


def _limit_ms(evidence: Evidence) -> float:
    ending = ending_of(evidence.text) if evidence.language == "en" else Ending.UNKNOWN
    if not evidence.at_pause and ending in (*COMPLETE, Ending.STATEMENT):
        ending = Ending.UNKNOWN
    not_done, undecided, done = LIMITS_MS[ending]
    towards_done = 2 * _probability(evidence, ending) - 1
    return undecided + abs(towards_done) * ((done if towards_done > 0 else not_done) - undecided)


def _probability(evidence: Evidence, ending: Ending) -> float:
    """Return the probability that the speaker is done: the mean of those who judge it, 0.5 if nobody does.

    Where the words must go on, a confident recogniser does not make the wait shorter: it has seen the same words.
    """
    model, recognizer = evidence.turn_probability, evidence.recognizer_probability
    if recognizer is None:
        return 0.5 if model is None else model
    if ending in MUST_GO_ON:
        return min(recognizer, 0.5 if model is None else model)
    return recognizer if model is None else (model + recognizer) / 2
