"""The phonemes of words, cut to what the model takes at once, and the times of the words in its speech. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from streamsrv.engines.tts.base import SpokenWord
from streamsrv.text.cutting import cut_text

_CLAUSE_ENDS = ",;:—.!?…"


@dataclass(frozen=True, slots=True)
class PhonemeWord:
    """A word of the text, with its marks, and its phonemes, which may hold spaces and marks, too."""

    text: str
    phonemes: str


def phoneme_words(tokens: Iterable[tuple[str, str, bool]]) -> list[PhonemeWord]:
    """Join tokens (text, phonemes, whether a space follows) to words; those without phonemes are left out."""
    words: list[PhonemeWord] = []
    text = phonemes = ""
    for token, sound, ends_word in tokens:
        text, phonemes = text + token, phonemes + sound
        if ends_word:
            words.append(PhonemeWord(text, phonemes.strip()))
            text = phonemes = ""
    words.append(PhonemeWord(text, phonemes.strip()))
    return [word for word in words if word.phonemes]


def joined(words: Iterable[PhonemeWord]) -> str:
    """Return the phonemes of words as one text for the model."""
    return " ".join(word.phonemes for word in words)


def cut_words(words: Iterable[PhonemeWord], max_phonemes: int) -> Iterator[list[PhonemeWord]]:
    """Yield the words in groups of at most `max_phonemes`, cut after a clause if there is one."""
    group: list[PhonemeWord] = []
    for word in (part for whole in words for part in _parts(whole, max_phonemes)):
        if group and len(joined([*group, word])) > max_phonemes:
            end = _last_clause(group) or len(group)
            yield group[:end]
            group = group[end:]
        group.append(word)
    if group:
        yield group


def word_times(
    words: Sequence[PhonemeWord], frames: Sequence[int], frame_ms: float, known: Collection[str]
) -> list[SpokenWord]:
    """Return when each word is spoken. `frames`: durations of a leading pause, and then of each `known` phoneme.

    A word ends with its last sound: the pause at a mark after it belongs to no word.
    """
    durations = iter(frames)
    at = next(durations, 0)
    times: list[SpokenWord] = []
    for index, word in enumerate(words):
        start = end = None
        for phoneme in word.phonemes:
            if phoneme in known:
                duration = next(durations, 0)
                if phoneme.isalpha():
                    start, end = at if start is None else start, at + duration
                at += duration
        if start is not None and end is not None:
            times.append(SpokenWord(word.text, round(start * frame_ms), round(end * frame_ms)))
        if index + 1 < len(words) and " " in known:
            at += next(durations, 0)
    return times


def _parts(word: PhonemeWord, max_phonemes: int) -> list[PhonemeWord]:
    if len(word.phonemes) <= max_phonemes:
        return [word]
    return [PhonemeWord(word.text, part) for part in cut_text(word.phonemes, max_phonemes)]


def _last_clause(words: Sequence[PhonemeWord]) -> int:
    """Return how many of the words there are up to the end of the last clause; 0: no clause ends."""
    return max((index for index, word in enumerate(words, 1) if word.phonemes[-1] in _CLAUSE_ENDS), default=0)
