"""Joins what two recognisers heard of one utterance: words are neither lost nor doubled where one follows the other.

Pure.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from streamsrv.engines.asr.base import Transcript, Word
from streamsrv.text.words import alignment_distances, bare, join_words, split_words

MAX_ALIGNED_WORDS = 32
"""Words at the end of the stable text that are searched for in the other transcript."""
MAX_DRIFT_WORDS = 32
"""How many more or fewer words the other recogniser may have found."""
MAX_DIFFERING = 0.5
"""Share of the searched words that may differ in the place where they are found in a final transcript."""
MAX_DIFFERING_INTERIM = 0.25
"""The same in an interim transcript, which may not reach that place yet: repeated phrases are no less similar."""
MAX_BEHIND_WORDS = 4
"""An interim transcript with still fewer words than were shown does not reach the end of those."""
MAX_SKIPPED_WORDS = 16
"""Words skipped in a search for the next common word."""


def continuation(stable: str, text: str) -> str:
    """Return the part of `text` that follows the words most similar to `stable`.

    Searches only for the last `MAX_ALIGNED_WORDS` of the stable text, and only within `MAX_DRIFT_WORDS` of the position
    they would have if both recognisers had found as many words. So the time does not grow with the text.
    """
    words = split_words(text)
    _, heard = _find_end(split_words(stable), words)
    return join_words(words[heard:])


class Seam:
    """Continues `shown`, the stable text of recognisers that failed, with the transcripts of their replacement.

    The replacement hears the utterance from its start. Its words are shown from where `shown` ends; until it is known
    where that is, none are.
    """

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._known = split_words(shown)
        self._begin: int | None = None  # the replacement's first stable word that was not shown

    def interim(self, transcript: Transcript) -> Transcript:
        """Return what to show for an interim transcript of the replacement. Stable text only grows."""
        if not self._known:
            return transcript
        words = split_words(transcript.stable)
        if self._begin is None:
            end = self._find_interim(words)
            if end is None or end == len(words):
                all_words = split_words(transcript.text)
                end = self._find_interim(all_words)
                rest = "" if end is None else join_words(all_words[end:])
                return replace(transcript, stable=self._shown, tentative=rest, words=(), expected=None)
            self._begin = end
        stable = join_words((self._shown, *words[self._begin :]))
        return replace(transcript, stable=stable, words=(), expected=None)

    def final(self, transcript: Transcript) -> Transcript:
        """Return the final transcript: the shown words, and what the replacement heard after them.

        Where their end is not found, because the recognisers understood different words, it is what the replacement
        heard of the whole utterance, unless that is less than what was shown.
        """
        if not self._known:
            return transcript
        words = split_words(transcript.text)
        end = self._find(words, MAX_DIFFERING)
        if end is None:
            if len(words) >= len(self._known):
                return transcript
            end = len(words)
        cut = _timed_words_in(words[:end], transcript.words)
        times = (*timed(self._known, transcript.words[:cut]), *transcript.words[cut:]) if transcript.words else ()
        return replace(transcript, stable=join_words((self._shown, *words[end:])), words=times)

    def _find_interim(self, words: Sequence[str]) -> int | None:
        reaches_end = len(words) + MAX_BEHIND_WORDS >= len(self._known)
        return self._find(words, MAX_DIFFERING_INTERIM) if reaches_end else None

    def _find(self, words: Sequence[str], max_differing: float) -> int | None:
        """Return how many of `words` were shown; None: not known."""
        distance, end = _find_end(self._known, words)
        return end if distance <= max(1, max_differing * min(len(self._known), MAX_ALIGNED_WORDS)) else None


def _find_end(known: Sequence[str], words: Sequence[str]) -> tuple[int, int]:
    """Return after how many of `words` the last of the `known` words are, and by how many edits they differ there."""
    tail = known[-MAX_ALIGNED_WORDS:]
    is_cut = len(tail) < len(known)
    first = max(0, len(known) - len(tail) - MAX_DRIFT_WORDS)
    nearby = words[first : len(known) + MAX_DRIFT_WORDS]
    distances = alignment_distances(tail, nearby, starts_anywhere=is_cut)
    ends = range(first, first + len(distances))
    end = min(ends, key=lambda end: (distances[end - first], abs(end - len(known))))
    return distances[end - first], min(end, len(words))


def _timed_words_in(words: Sequence[str], times: Sequence[Word]) -> int:
    """Return how many timed words these words are; an engine may time longer or shorter pieces than words."""
    letters = sum(map(len, words))
    lengths = accumulate(len("".join(word.text.split())) for word in times)
    return sum(length <= letters for length in lengths)


def timed(words: Sequence[str], heard: Sequence[Word]) -> tuple[Word, ...]:
    """Give `words` the times of the same words in `heard`; words that differ share the time of those in their place."""
    if not words or not heard:
        return ()
    pairs = [(-1, -1), *_common(words, heard), (len(words), len(heard))]
    result: list[Word] = []
    for (word, time), (next_word, next_time) in pairwise(pairs):
        if time >= 0:
            result.append(replace(heard[time], text=words[word]))
        differing, instead = words[word + 1 : next_word], heard[time + 1 : next_time]
        if len(differing) == len(instead):
            result += [replace(there, text=here) for here, there in zip(differing, instead, strict=True)]
        elif differing:
            before_ms = heard[time].end_ms if time >= 0 else heard[0].start_ms
            after_ms = heard[next_time].start_ms if next_time < len(heard) else heard[-1].end_ms
            start_ms = instead[0].start_ms if instead else before_ms
            end_ms = instead[-1].end_ms if instead else after_ms
            result += _spread(differing, start_ms, max(start_ms, end_ms))
    return tuple(result)


def _common(words: Sequence[str], heard: Sequence[Word]) -> list[tuple[int, int]]:
    """Return the positions of words that are the same in both, in order. Skips as few words as it can at each step."""
    wanted, found = [bare(word) for word in words], [bare(word.text) for word in heard]
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while i < len(wanted) and j < len(found):
        skip = next(
            (
                (skipped, total - skipped)
                for total in range(MAX_SKIPPED_WORDS)
                for skipped in range(total + 1)
                if i + skipped < len(wanted)
                and j + total - skipped < len(found)
                and wanted[i + skipped] == found[j + total - skipped]
            ),
            None,
        )
        if skip is not None:
            i, j = i + skip[0], j + skip[1]
            pairs.append((i, j))
        i, j = i + 1, j + 1
    return pairs


def _spread(words: Sequence[str], start_ms: int, end_ms: int) -> list[Word]:
    """Spread words over a time by their number of letters."""
    letters = [0, *accumulate(len(word) for word in words)]
    edges = [start_ms + (end_ms - start_ms) * count // letters[-1] for count in letters]
    return [Word(word, begin, end) for word, (begin, end) in zip(words, pairwise(edges), strict=True)]
