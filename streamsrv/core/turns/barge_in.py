"""Speech while a reply plays: does the user interrupt, or is it a backchannel, a noise or an echo? Pure."""

import re
from dataclasses import dataclass
from enum import Enum, auto

from streamsrv.core.turns.echo import echo_share, words_of

BACKCHANNELS = frozenset(
    """ah aha alright cool exactly gotcha hm hmm huh indeed kay m mhm mm mmhm mmm mhmm nice oh ok okay ooh right sure
    true uh uhhuh um well wow yea yeah yep yes yup""".split()
)
"""Words that mean "go on" when they are all that is said."""
BACKCHANNEL_PHRASES = frozenset(("i see", "got it", "go on"))
"""Phrases that do, alone or among such words."""

_HUM = re.compile("(?=.*[mhu])[aehimouy']{1,5}")
"""What a recogniser makes of "mm-hmm": "Mum", "Mom", "Ma'am", "You", "Him"."""
MAX_HUM_MS = 900
MAX_HUM_WORDS = 2
"""Such words are a hum if they are all that is said, and said in so short a time."""

STOPS = frozenset("cancel enough hey hold no pause quiet silence stop wait".split())
"""Words that call for silence."""
CERTAIN_MS = 900
"""Speech that lasts this long is not a backchannel, whatever the recogniser finds in it."""
CERTAIN_NO_ECHO_MS = 1500
"""The same where it may be the echo of a reply that goes on, and the recogniser has not told enough words of it."""
NOISE_MS = 200
"""A sound shorter than this, in which no word is found, was a click or a cough."""
WORDS_DUE_MS = 400
"""Words of a short sound are known this long after it, if it has any."""
ECHO_SHARE = 0.7
"""From this share explained by what was just played, all words before a pause are our own voice."""
ECHO_SHARE_SO_FAR = 0.5
"""The same of words to which more will be added: the recogniser still changes them."""
QUIET_ECHO_SHARE = 0.4
"""The same of speech that is known to be as quiet as an echo."""
ECHO_QUIETER_DB = 6.0
"""An echo is this much quieter than the user. One or two words that were just played are the user's if it is not."""
ECHO_WORDS_LATE_MS = 1000
"""After this much silence no more words come of an echo, whether or not the recogniser can tell a pause."""
ECHO_RESEMBLES, LOUD_ECHO_RESEMBLES = 0.75, 0.85
"""Speech whose loudness rises and falls so much as the reply's did may be its echo whatever its first words are; the
second where it is as loud as the user."""
TAIL_WORDS, TAIL_RESEMBLES = 3, 0.6
"""So many last words (but for the very last, which may be cut off) tell that an echo is talked over, if its loudness
rises and falls no more than this as the reply's did."""
MAX_ECHO_UNTOLD_MS = 4000
"""After so much speech its words tell."""
MIN_TELLING_LETTERS = 5
"""One shorter word may be what a recogniser makes of the first syllable of anything."""
ECHO_OUTLASTS_HOLD_MS = 450
"""An echo ends within this time after playback is held: buffers and the room delay it. A person goes on."""
OVER_ECHO_DB = 3.0
"""Speech over an echo is this much louder than that was at most."""
ECHO_OVER_MS = 250
"""After this much silence it has ended."""


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
    """The words of the reply that were played from a little before it began until now."""
    is_over: bool = False
    """Whether the reply has been played to its end by now: then "yes" may be an answer."""
    quieter_db: float | None = None
    """How much quieter it is than the user's turns so far; None: there were none."""
    since_hold_ms: int | None = None
    """How long it lasted after the reply was held; None: the reply was not held."""
    over_echo_db: float | None = None
    """How much louder it is than the loudest echo of this reply; None: the reply is not known to have any."""
    stable: str = ""
    """The beginning of the text that the recogniser does not change any more."""
    resembles: float | None = None
    """How much its loudness rises and falls as the reply's did (1: alike)."""
    began_after: bool = False
    """Whether it began when the reply had been played to its end."""


def classify(overlap: Overlap) -> Verdict:
    """Classify speech that began while a reply played."""
    verdict = _classify_words(overlap)
    if verdict is Verdict.INTERRUPTED and _may_become_echo(overlap):
        return Verdict.UNDECIDED
    if verdict is Verdict.INTERRUPTED and _may_be_echo(overlap):
        return Verdict.DISREGARDED if overlap.pause_ms >= ECHO_OVER_MS else Verdict.UNDECIDED
    return verdict


def _is_echo(overlap: Overlap) -> bool:
    """Whether the words, as far as they are known, are those of the reply."""
    words = words_of(overlap.text)
    if not words or _calls(overlap) or (overlap.began_after and not _is_known_quiet(overlap)):
        return False
    if _goes_on_in_other_words(overlap):
        return False
    if len(words) <= 2 and _is_known_loud(overlap):
        return False
    if overlap.at_pause and STOPS.issuperset(words) and not _is_known_quiet(overlap):
        return False
    shares = [echo_share(overlap.text, overlap.playing)]
    if not _is_whole(overlap):  # the last word may be cut off
        shares.append(echo_share(overlap.text.rpartition(" ")[0], overlap.playing))
    if _is_known_quiet(overlap):
        return max(shares) >= QUIET_ECHO_SHARE
    return max(shares) >= (ECHO_SHARE if _is_whole(overlap) else ECHO_SHARE_SO_FAR)


def _classify_words(overlap: Overlap) -> Verdict:
    words, speech_ms, pause_ms = words_of(overlap.text), overlap.speech_ms, overlap.pause_ms
    if _is_echo(overlap):
        return Verdict.DISREGARDED if _is_whole(overlap) else Verdict.UNDECIDED
    if words and (overlap.is_over or not _is_backchannel(words, speech_ms)):
        return Verdict.INTERRUPTED
    if pause_ms and overlap.at_pause:
        return Verdict.DISREGARDED
    is_late = pause_ms >= WORDS_DUE_MS and not overlap.is_over  # a recogniser may be slow, an answer must not be lost
    if is_late and not words and speech_ms < NOISE_MS:
        return Verdict.DISREGARDED
    return Verdict.INTERRUPTED if speech_ms >= CERTAIN_MS else Verdict.UNDECIDED


def _may_become_echo(overlap: Overlap) -> bool:
    """Whether the words so far are too few to tell that it is no echo: a recogniser begins with guesses.

    Where the reply is held, silence tells that sooner.
    """
    if not overlap.playing or overlap.is_over or overlap.since_hold_ms is not None or _is_whole(overlap):
        return False
    if _calls(overlap) or overlap.speech_ms >= MAX_ECHO_UNTOLD_MS:
        return False
    words = words_of(overlap.text)
    enough = LOUD_ECHO_RESEMBLES if _is_known_loud(overlap) else ECHO_RESEMBLES
    if overlap.resembles is not None and overlap.resembles >= enough:
        stable = overlap.stable
        return len(words_of(stable)) < 2 or echo_share(stable, overlap.playing) >= ECHO_SHARE_SO_FAR
    if _is_known_loud(overlap) or overlap.speech_ms >= CERTAIN_NO_ECHO_MS:
        return False
    return not words or (len(words) == 1 and len(words[0]) < MIN_TELLING_LETTERS and words[0] not in BACKCHANNELS)


def _goes_on_in_other_words(overlap: Overlap) -> bool:
    """Whether somebody talks over the echo: its words are followed by others, and it does not sound like it."""
    last = overlap.text.split()[-TAIL_WORDS - 1 : -1]
    sounds_different = overlap.resembles is not None and overlap.resembles < TAIL_RESEMBLES
    return (
        sounds_different and len(last) == TAIL_WORDS and echo_share(" ".join(last), overlap.playing) < QUIET_ECHO_SHARE
    )


def _calls(overlap: Overlap) -> bool:
    """Whether it calls for silence, in a word that the reply does not contain."""
    return not STOPS.intersection(words_of(overlap.text)).issubset(words_of(overlap.playing))


def _is_whole(overlap: Overlap) -> bool:
    """Whether no more words come."""
    return (overlap.at_pause and overlap.pause_ms > 0) or overlap.pause_ms >= ECHO_WORDS_LATE_MS


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
    return _is_quiet(overlap) and not _calls(overlap)


def _is_backchannel(words: list[str], speech_ms: int) -> bool:
    others = [word for word in words if word not in BACKCHANNELS]
    if not others or " ".join(others) in BACKCHANNEL_PHRASES:
        return True
    if len(words) > MAX_HUM_WORDS or not STOPS.isdisjoint(words):
        return False
    if len(words) == 1 and len(words[0]) < MIN_TELLING_LETTERS and speech_ms < NOISE_MS:
        return True
    return speech_ms <= MAX_HUM_MS and all(_HUM.fullmatch(word) for word in others)


def _is_known_quiet(overlap: Overlap) -> bool:
    """Whether it is known to be as quiet as an echo: quieter than the user, or no louder than this reply's echo was."""
    if overlap.quieter_db is not None:
        return _is_quiet(overlap)
    return overlap.over_echo_db is not None and overlap.over_echo_db < OVER_ECHO_DB


def _is_known_loud(overlap: Overlap) -> bool:
    """Whether it is known to be as loud as the user."""
    return overlap.quieter_db is not None and not _is_quiet(overlap)


def _is_quiet(overlap: Overlap) -> bool:
    """Whether it is as quiet as an echo, as far as we know how loud the user is."""
    return overlap.quieter_db is None or overlap.quieter_db >= ECHO_QUIETER_DB
