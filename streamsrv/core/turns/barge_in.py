"""Classifies speech while a reply plays as an interruption, a backchannel, a noise or an echo. Pure."""

from dataclasses import dataclass
from enum import Enum, auto

from streamsrv.core.turns.echo import echo_share, words_of
from streamsrv.core.turns.overlap_words import HUM, overlap_words

MAX_HUM_MS = 900
"""Longest speech that is a hum if its words match `OverlapWords.misheard_hum`."""
MAX_HUM_WORDS = 2
"""Most words that are a hum if they match that."""
CERTAIN_MS = 900
"""Speech that lasts this long is not a backchannel, whatever its words are."""
CERTAIN_NO_ECHO_MS = 1500
"""Speech that may be the echo of a continuing reply, with too few known words, is not one if it lasts this long."""
NOISE_MS = 200
"""A sound shorter than this, without words, is a click or a cough."""
WORDS_DUE_MS = 400
"""The recogniser has found the words of a short sound this long after it, if it has any."""
ECHO_SHARE = 0.7
"""Least share of the words before a pause that the just played words explain if the speech is an echo."""
ECHO_SHARE_SO_FAR = 0.5
"""The same share while more words may follow, because the recogniser still changes them."""
QUIET_ECHO_SHARE = 0.4
"""The same share for speech that is known to be as quiet as an echo."""
MIN_ECHO_LOSS_DB = 10.0
"""How much softer than the reply an echo is at least; a louder sound is the user's, or a noise."""
ECHO_QUIETER_DB = 6.0
"""An echo is this much quieter than the user. One or two words that were just played are the user's if it is not."""
ECHO_WORDS_LATE_MS = 1000
"""Silence after which an echo gets no more words, even if the recogniser does not report pauses."""
ECHO_RESEMBLES, LOUD_ECHO_RESEMBLES = 0.75, 0.85
"""Resemblance of loudness to the reply's from which speech may be its echo, whatever its first words are; the second
is for speech as loud as the user."""
TAIL_WORDS, TAIL_RESEMBLES = 3, 0.6
"""Number of last words (without the very last, which may be cut off) that show that the user talks over an echo, and
the resemblance of loudness to the reply's below which they do."""
MAX_ECHO_UNTOLD_MS = 4000
"""Length of speech from which its words are always enough to tell whether it is an echo."""
MIN_TELLING_LETTERS = 5
"""Letters of a single word that tells something: a shorter one may be the first syllable of any word."""
LETTERS_OF_A_SYLLABLE = 3
"""Letters that count for one character of a script that writes syllables or words: Chinese, Japanese, Korean."""
ECHO_OUTLASTS_HOLD_MS = 450
"""Longest time that an echo goes on after playback is held (buffers and the room delay it). A person goes on longer."""
OVER_ECHO_DB = 3.0
"""How much louder speech over an echo is than the loudest part of the echo."""
LIKELY_BACKCHANNEL, CERTAIN_FLOOR = 0.7, 0.1
"""Probability of a backchannel, by a model that hears, from which speech is one; and up to which the speaker certainly
takes the floor."""
MAX_BACKCHANNEL_WORDS = 3
"""Most words of speech that is a backchannel because a model finds it likely."""
ECHO_OVER_MS = 250
"""Silence after which an echo has ended."""


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
    """The words recognised so far."""
    at_pause: bool
    """Whether `text` has all words of the speech (`Transcript.at_pause`)."""
    speech_ms: int
    """Length of the speech until now."""
    pause_ms: int
    """Silence since the speech."""
    playing: str
    """The words of the reply that were played from shortly before the speech began until now."""
    is_over: bool = False
    """Whether the reply has been played to its end by now, so that "yes" may be an answer."""
    quieter_db: float | None = None
    """How much quieter the speech is than the user's turns so far; None: there were none."""
    since_hold_ms: int | None = None
    """Length of the speech after the reply was held; None: the reply was not held."""
    below_reply_db: float | None = None
    """In a telephone call, how much softer the speech is than the reply at its loudest; None: not known, or no call."""
    over_echo_db: float | None = None
    """How much louder the speech is than the loudest echo of this reply; None: no echo is known."""
    stable: str = ""
    """The beginning of `text` that the recogniser no longer changes."""
    resembles: float | None = None
    """How closely the loudness of the speech follows the reply's (1: exactly)."""
    language: str | None = None
    """The language of `text`, an ISO 639-1 code; None: it is not known."""
    backchannel: float | None = None
    """Probability (0..1) that the speech is a backchannel, by a model that hears; None: there is no such model."""
    began_after: bool = False
    """Whether the speech began after the reply had been played to its end."""


def classify(overlap: Overlap) -> Verdict:
    """Classify speech that began while a reply played."""
    verdict = _classify_words(overlap)
    if verdict is Verdict.INTERRUPTED and _may_become_echo(overlap):
        return Verdict.UNDECIDED
    if verdict is Verdict.INTERRUPTED and _may_be_echo(overlap):
        return Verdict.DISREGARDED if overlap.pause_ms >= ECHO_OVER_MS else Verdict.UNDECIDED
    return verdict


def _is_echo(overlap: Overlap) -> bool:
    """Whether the words known so far are those of the reply."""
    words = words_of(overlap.text)
    if not words or _calls(overlap) or (overlap.began_after and not _is_known_quiet(overlap)):
        return False
    if _goes_on_in_other_words(overlap):
        return False
    if len(words) <= 2 and _is_known_loud(overlap):
        return False
    if overlap.at_pause and overlap_words(overlap.language).stops.issuperset(words) and not _is_known_quiet(overlap):
        return False
    shares = [echo_share(overlap.text, overlap.playing, overlap.language)]
    if not _is_whole(overlap):  # the last word may be cut off
        shares.append(echo_share(overlap.text.rpartition(" ")[0], overlap.playing, overlap.language))
    if _is_known_quiet(overlap):
        return max(shares) >= QUIET_ECHO_SHARE
    return max(shares) >= (ECHO_SHARE if _is_whole(overlap) else ECHO_SHARE_SO_FAR)


def _classify_words(overlap: Overlap) -> Verdict:
    words, speech_ms, pause_ms = words_of(overlap.text), overlap.speech_ms, overlap.pause_ms
    if _is_echo(overlap):
        return Verdict.DISREGARDED if _is_whole(overlap) else Verdict.UNDECIDED
    if words and (overlap.is_over or not (_is_backchannel(words, overlap) or _sounds_like_backchannel(overlap))):
        return Verdict.INTERRUPTED
    if not words and speech_ms >= NOISE_MS and _takes_floor(overlap):
        return Verdict.INTERRUPTED
    if pause_ms and overlap.at_pause:
        return Verdict.DISREGARDED
    is_late = pause_ms >= WORDS_DUE_MS and not overlap.is_over  # else a slow recogniser may lose an answer
    if is_late and not words and (speech_ms < NOISE_MS or _sounds_like_backchannel(overlap)):
        return Verdict.DISREGARDED
    return Verdict.INTERRUPTED if speech_ms >= CERTAIN_MS else Verdict.UNDECIDED


def _may_become_echo(overlap: Overlap) -> bool:
    """Whether the words so far are too few to rule out an echo, because a recogniser begins with guesses.

    If the reply is held, silence shows it sooner.
    """
    if not overlap.playing or overlap.is_over or overlap.since_hold_ms is not None or _is_whole(overlap):
        return False
    if _calls(overlap) or overlap.speech_ms >= MAX_ECHO_UNTOLD_MS:
        return False
    words = words_of(overlap.text)
    enough = LOUD_ECHO_RESEMBLES if _is_known_loud(overlap) else ECHO_RESEMBLES
    if overlap.resembles is not None and overlap.resembles >= enough:
        stable = overlap.stable
        return len(words_of(stable)) < 2 or echo_share(stable, overlap.playing, overlap.language) >= ECHO_SHARE_SO_FAR
    if _is_known_loud(overlap) or overlap.speech_ms >= CERTAIN_NO_ECHO_MS:
        return False
    return not words or (_is_syllable(words) and not _goes_on(words[0], overlap.language))


def _goes_on_in_other_words(overlap: Overlap) -> bool:
    """Whether the user talks over the echo: other words follow its words, and its loudness differs from the reply's."""
    last = overlap.text.split()[-TAIL_WORDS - 1 : -1]
    sounds_different = overlap.resembles is not None and overlap.resembles < TAIL_RESEMBLES
    if not sounds_different or len(last) < TAIL_WORDS:
        return False
    return echo_share(" ".join(last), overlap.playing, overlap.language) < QUIET_ECHO_SHARE


def _calls(overlap: Overlap) -> bool:
    """Whether the speech tells the assistant to stop, in a word that the reply does not contain."""
    stops = overlap_words(overlap.language).stops
    return not stops.intersection(words_of(overlap.text)).issubset(words_of(overlap.playing))


def _is_whole(overlap: Overlap) -> bool:
    """Whether no more words will come."""
    return (overlap.at_pause and overlap.pause_ms > 0) or overlap.pause_ms >= ECHO_WORDS_LATE_MS


def _may_be_echo(overlap: Overlap) -> bool:
    """Whether the speech may be an echo although its words do not show it, because it ended with the held reply.

    If the reply is no longer held because of its echo, speech that is not louder than the echo counts as echo.
    Speech as loud as the user, or a stop word that the reply does not contain, is not an echo.
    """
    if not overlap.playing:
        return False
    if overlap.since_hold_ms is None:
        is_like_echo = overlap.over_echo_db is not None and overlap.over_echo_db < OVER_ECHO_DB
    else:
        is_like_echo = overlap.since_hold_ms <= ECHO_OUTLASTS_HOLD_MS
    if not is_like_echo:
        return False
    return _is_quiet(overlap) and not _calls(overlap)


def _is_backchannel(words: list[str], overlap: Overlap) -> bool:
    known = overlap_words(overlap.language)
    others = [word for word in words if not _goes_on(word, overlap.language)]
    if not others or " ".join(others) in known.phrases or " ".join(words) in known.phrases:
        return True
    if len(words) > MAX_HUM_WORDS or not known.stops.isdisjoint(words):
        return False
    if _is_syllable(words) and overlap.speech_ms < NOISE_MS:
        return True
    misheard = known.misheard_hum
    is_hum = misheard is not None and all(misheard.fullmatch(word) for word in others)
    return is_hum and overlap.speech_ms <= MAX_HUM_MS


def _goes_on(word: str, language: str | None) -> bool:
    """Whether a word means "go on"."""
    return word in overlap_words(language).backchannels or HUM.fullmatch(word) is not None


def _is_syllable(words: list[str]) -> bool:
    """Whether the words are a single one that is too short to tell anything."""
    letters = sum(LETTERS_OF_A_SYLLABLE if letter >= "\u2e80" else 1 for letter in words[0]) if len(words) == 1 else 0
    return 0 < letters < MIN_TELLING_LETTERS


def _sounds_like_backchannel(overlap: Overlap) -> bool:
    """Whether a model finds a backchannel likely, and its words, if they are known, are few and none that stops."""
    words = words_of(overlap.text)
    is_likely = overlap.backchannel is not None and overlap.backchannel >= LIKELY_BACKCHANNEL
    return is_likely and len(words) <= MAX_BACKCHANNEL_WORDS and overlap_words(overlap.language).stops.isdisjoint(words)


def _takes_floor(overlap: Overlap) -> bool:
    return overlap.backchannel is not None and overlap.backchannel <= CERTAIN_FLOOR


def _is_known_quiet(overlap: Overlap) -> bool:
    """Whether the speech is known to be as quiet as an echo: quieter than the user, or not louder than a known echo."""
    if overlap.quieter_db is not None:
        return _is_quiet(overlap)
    return overlap.over_echo_db is not None and overlap.over_echo_db < OVER_ECHO_DB


def _is_known_loud(overlap: Overlap) -> bool:
    """Whether the speech is known to be as loud as the user."""
    return overlap.quieter_db is not None and not _is_quiet(overlap)


def _is_quiet(overlap: Overlap) -> bool:
    """Whether the speech is as quiet as an echo, or not known to be louder."""
    if overlap.quieter_db is not None:
        return overlap.quieter_db >= ECHO_QUIETER_DB
    return overlap.below_reply_db is None or overlap.below_reply_db >= MIN_ECHO_LOSS_DB
