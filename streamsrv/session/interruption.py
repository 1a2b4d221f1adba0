"""Speech while a reply plays: does the user interrupt, or only murmur along? Pure."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum, auto

BACKCHANNELS = frozenset(
    """ah aha alright cool exactly gotcha hm hmm huh indeed kay m mhm mm mmhm mmm mhmm nice oh ok okay ooh right sure
    true uh uhhuh um wow yea yeah yep yes yup""".split()
)
"""Words that mean "go on" when they are all that is said."""

CERTAIN_MS = 900
"""Speech that goes on for this long is no murmur, whatever the recogniser makes of it."""
NOISE_MS = 200
"""A sound shorter than this, in which no word is found, was a click or a cough."""
WORDS_DUE_MS = 400
"""Words of a short sound are known this long after it, if it has any."""
ECHO_SHARE = 0.8
"""From this share of words that were just played, what was heard is our own voice."""
ECHO_QUIETER_DB = 6.0
"""One word that was just played is our own voice if it is this much quieter than the user is, else the user's."""
RECENT_WORDS = 4
"""Words by which an echo that is recognised may lag behind what is played."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


class Verdict(Enum):
    UNDECIDED = auto()
    INTERRUPTED = auto()
    """The user wants to speak: stop the reply."""
    DISREGARDED = auto()
    """A backchannel, a noise or our own echo: the reply goes on."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Speech that began while a reply played."""

    text: str
    """What was recognised of it so far."""
    at_pause: bool
    """Whether that is all of it (`Transcript.at_pause`)."""
    speech_ms: int
    """How long it lasted until now."""
    pause_ms: int
    """How long it has been silent since."""
    playing: str
    """The words of the reply that were played."""
    is_over: bool = False
    """Whether the reply has been played to its end by now: then "yes" may be an answer."""
    quieter_db: float | None = None
    """How much quieter it is than the user's turns so far; None: there were none."""


def judge(overlap: Overlap) -> Verdict:
    """Judge speech that began while a reply played."""
    words, speech_ms, pause_ms = _WORD.findall(overlap.text.casefold()), overlap.speech_ms, overlap.pause_ms
    if _is_echo(words, overlap):
        return Verdict.DISREGARDED if overlap.at_pause else Verdict.UNDECIDED
    if words and (overlap.is_over or any(word not in BACKCHANNELS for word in words)):
        return Verdict.INTERRUPTED
    if pause_ms and overlap.at_pause:
        return Verdict.DISREGARDED
    is_late = pause_ms >= WORDS_DUE_MS and not overlap.is_over  # a recogniser may be slow, an answer must not be lost
    if is_late and not words and speech_ms < NOISE_MS:
        return Verdict.DISREGARDED
    return Verdict.INTERRUPTED if speech_ms >= CERTAIN_MS else Verdict.UNDECIDED


def _is_echo(words: list[str], overlap: Overlap) -> bool:
    """Whether most of the words were just played, in the same order; one word alone must be quiet, too."""
    played = _WORD.findall(overlap.playing.casefold())
    if len(words) == 1:
        is_quiet = overlap.quieter_db is None or overlap.quieter_db >= ECHO_QUIETER_DB
        return words[0] in played[-RECENT_WORDS:] and (is_quiet or not overlap.at_pause)
    blocks = SequenceMatcher(a=words, b=played, autojunk=False).get_matching_blocks()
    return bool(words) and sum(block.size for block in blocks) >= ECHO_SHARE * len(words)
