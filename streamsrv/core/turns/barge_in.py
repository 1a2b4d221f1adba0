"""Speech while a reply plays: does the user interrupt, or is it a backchannel, a noise or an echo? Pure."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum, auto

BACKCHANNELS = frozenset(
    """ah aha alright cool exactly gotcha hm hmm huh indeed kay m mhm mm mmhm mmm mhmm nice oh ok okay ooh right sure
    true uh uhhuh um wow yea yeah yep yes yup""".split()
)
"""Words that mean "go on" when they are all that is said."""
BACKCHANNEL_PHRASES = frozenset(("i see", "got it", "go on"))
"""Phrases that do, alone or among such words."""

STOPS = frozenset("cancel enough hey hold no pause quiet silence stop wait".split())
"""Words that call for silence."""
CERTAIN_MS = 900
"""Speech that lasts this long is not a backchannel, whatever the recogniser finds in it."""
NOISE_MS = 200
"""A sound shorter than this, in which no word is found, was a click or a cough."""
WORDS_DUE_MS = 400
"""Words of a short sound are known this long after it, if it has any."""
ECHO_SHARE = 0.8
"""From this share of words that were just played, what was heard is our own voice."""
ECHO_QUIETER_DB = 6.0
"""One word that was just played is our own voice if it is this much quieter than the user is, else the user's."""
ECHO_OUTLASTS_HOLD_MS = 450
"""An echo ends within this time after playback is held: buffers and the room delay it. A person goes on."""
OVER_ECHO_DB = 3.0
"""Speech over an echo is this much louder than that was at most."""
ECHO_OVER_MS = 250
"""After this much silence it has ended."""
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
    since_hold_ms: int | None = None
    """How long it lasted after the reply was held; None: the reply was not held."""
    over_echo_db: float | None = None
    """How much louder it is than the loudest echo of this reply; None: the reply is not known to have any."""


def classify(overlap: Overlap) -> Verdict:
    """Classify speech that began while a reply played."""
    verdict = _classify_words(overlap)
    if verdict is Verdict.INTERRUPTED and _may_be_echo(overlap):
        return Verdict.DISREGARDED if overlap.pause_ms >= ECHO_OVER_MS else Verdict.UNDECIDED
    return verdict


def _classify_words(overlap: Overlap) -> Verdict:
    words, speech_ms, pause_ms = _words(overlap.text), overlap.speech_ms, overlap.pause_ms
    if _is_echo(words, overlap):
        return Verdict.DISREGARDED if overlap.at_pause else Verdict.UNDECIDED
    if words and (overlap.is_over or not _is_backchannel(words)):
        return Verdict.INTERRUPTED
    if pause_ms and overlap.at_pause:
        return Verdict.DISREGARDED
    is_late = pause_ms >= WORDS_DUE_MS and not overlap.is_over  # a recogniser may be slow, an answer must not be lost
    if is_late and not words and speech_ms < NOISE_MS:
        return Verdict.DISREGARDED
    return Verdict.INTERRUPTED if speech_ms >= CERTAIN_MS else Verdict.UNDECIDED


def _may_be_echo(overlap: Overlap) -> bool:
    """Whether it may be an echo that its words do not show: it ended with the reply that was held.

    If the reply is not held any more because of its echo, speech that is no louder than the echo counts as echo.
    Speech as loud as the user, and a call to stop that the reply does not contain, are not an echo.
    """
    if overlap.since_hold_ms is None:
        is_like_echo = overlap.over_echo_db is not None and overlap.over_echo_db < OVER_ECHO_DB
    else:
        is_like_echo = overlap.since_hold_ms <= ECHO_OUTLASTS_HOLD_MS
    if not is_like_echo:
        return False
    calls = STOPS.intersection(_words(overlap.text)).difference(_words(overlap.playing))
    return _is_quiet(overlap) and not calls


def _is_backchannel(words: list[str]) -> bool:
    others = [word for word in words if word not in BACKCHANNELS]
    return not others or " ".join(others) in BACKCHANNEL_PHRASES


def _is_echo(words: list[str], overlap: Overlap) -> bool:
    """Whether most of the words were just played, in the same order; one word alone must be quiet, too."""
    played = _words(overlap.playing)
    if len(words) == 1:
        return words[0] in played[-RECENT_WORDS:] and (_is_quiet(overlap) or not overlap.at_pause)
    blocks = SequenceMatcher(a=words, b=played, autojunk=False).get_matching_blocks()
    return bool(words) and sum(block.size for block in blocks) >= ECHO_SHARE * len(words)


def _is_quiet(overlap: Overlap) -> bool:
    """Whether it is as quiet as an echo, as far as we know how loud the user is."""
    return overlap.quieter_db is None or overlap.quieter_db >= ECHO_QUIETER_DB


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
