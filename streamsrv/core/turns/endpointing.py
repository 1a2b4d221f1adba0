"""Decides how long a pause must last to end the turn, from the words and the sound of the speech. Pure.

One formula of three pieces of evidence: how likely a language model finds it that the words end here, as recognised and
without marks, and how done the voice sounds to an end-of-turn model. It has no rules of a language.
`benchmarks/turn_taking.py` measures the result on pauses inside recorded speech, and how well coefficients that were
fitted on some speakers work for others.
"""

import math
from dataclasses import dataclass
from typing import Literal

from streamsrv.engines.turn.base import WordsEnding

Eagerness = Literal["low", "medium", "high", "auto"]

BASE_MS = 803.0
"""The limit at medium eagerness if the evidence speaks neither for the end nor against it."""
MAX_SCORE = 0.588
"""Evidence beyond this, either way, changes nothing more: the limit is between 446 and 1446 ms."""
INTERCEPT, VOICE, AS_RECOGNIZED, PLAIN = 0.412, 1.149, 0.0883, 0.0704
"""Coefficients of the score, fitted on one set of recorded speech; docs/measurements.md has the results on others."""
NO_VOICE = 0.31
"""Evidence of the voice where no model hears it."""
NO_WORDS = 0.001
"""Probability of an end where no model judges the words."""
NOTHING_KNOWN = -0.13
"""The score where nobody judges words or voice: a silence of 914 ms."""
MIN_PROBABILITY = 1e-7
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
    words: WordsEnding | None = None
    """How likely this text is the end of the turn; None: it is not judged, or not yet."""
    voice: float | None = None
    """How done the speaker sounds (0..1) to the end-of-turn model (`Calibrated.evidence`), if there is one."""
    recognizer_probability: float | None = None
    """The recogniser's own probability (0..1) that the speaker is done, if it judges that: `Transcript.end_of_turn`."""


def pause_limit_ms(evidence: Evidence, eagerness: Eagerness = "auto", pace: float = 1.0) -> int:
    """Return how long this pause must last to end the turn. Call again when the evidence changes.

    `pace` is the factor of this speaker: above 1 for one whose pauses inside turns are long.
    """
    score = min(max(done_score(evidence), -MAX_SCORE), MAX_SCORE)
    longest = MAX_WAIT_MS[eagerness]
    limit = BASE_MS * math.exp(-score) * pace * longest / MAX_WAIT_MS["medium"]
    return round(min(max(limit, MIN_MS), longest))


def done_score(evidence: Evidence) -> float:
    """Return how much speaks for the end of the turn: above 0 more than against it."""
    if evidence.words is None and evidence.voice is None and evidence.recognizer_probability is None:
        return NOTHING_KNOWN
    words = evidence.words or WordsEnding(NO_WORDS, NO_WORDS)
    judged = AS_RECOGNIZED * _logit(words.as_recognized) + PLAIN * _logit(words.plain)
    return INTERCEPT + VOICE * _voice(evidence) + judged


def ends_caption(speech_ms: int, pause_ms: int) -> bool:
    """Whether this pause ends a caption's turn of `speech_ms`, so that viewers get final text."""
    return any(speech_ms >= spoken_ms and pause_ms >= limit_ms for spoken_ms, limit_ms in CAPTION_PAUSES_MS)


def _voice(evidence: Evidence) -> float:
    """The mean of those who judge the voice."""
    judges = [value for value in (evidence.voice, evidence.recognizer_probability) if value is not None]
    return sum(judges) / len(judges) if judges else NO_VOICE


def _logit(probability: float) -> float:
    likely = min(max(probability, MIN_PROBABILITY), 1 - MIN_PROBABILITY)
    return math.log(likely / (1 - likely))
