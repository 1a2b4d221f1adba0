"""Speech while a reply plays: does the user interrupt, or only murmur along? Pure."""

import re
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

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


class Verdict(Enum):
    UNDECIDED = auto()
    INTERRUPTED = auto()
    """The user wants to speak: stop the reply."""
    DISREGARDED = auto()
    """A backchannel, a noise or our own echo: the reply goes on."""


def judge(*, text: str, at_pause: bool, speech_ms: int, pause_ms: int, playing: str) -> Verdict:
    """Judge speech that began while a reply plays.

    `text` is what was recognised of it so far, `at_pause` whether that is all of it; `speech_ms` how long the speech
    lasted until now, `pause_ms` how long it has been silent since; `playing` the words of the reply that were played.
    """
    words = _WORD.findall(text.casefold())
    if _is_echo(words, playing):
        return Verdict.DISREGARDED if at_pause else Verdict.UNDECIDED
    if any(word not in BACKCHANNELS for word in words):
        return Verdict.INTERRUPTED
    if pause_ms and at_pause:
        return Verdict.DISREGARDED
    if pause_ms >= WORDS_DUE_MS and not words and speech_ms < NOISE_MS:
        return Verdict.DISREGARDED
    return Verdict.INTERRUPTED if speech_ms >= CERTAIN_MS else Verdict.UNDECIDED


def _is_echo(words: list[str], playing: str) -> bool:
    """Whether most of the words, and more than one, were just played, in the same order."""
    played = _WORD.findall(playing.casefold())
    blocks = SequenceMatcher(a=words, b=played, autojunk=False).get_matching_blocks()
    return len(words) > 1 and sum(block.size for block in blocks) >= ECHO_SHARE * len(words)
