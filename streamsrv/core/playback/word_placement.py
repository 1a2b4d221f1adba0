"""Finds when each written word of a segment is spoken, from what is known of its speech. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streamsrv.engines.tts.base import SpokenWord
from streamsrv.text.spoken_text import SpokenText
from streamsrv.text.word_timing import WRITTEN_WORD

_BARE = re.compile(r"\w(?:.*\w)?", re.DOTALL)
LOOK_AHEAD = 60
"""Characters: a voice may read a text in other words than it was given, so a word may be missing in it."""


@dataclass(frozen=True, slots=True)
class WrittenWord:
    """A word of the written text. `end`: the number of characters up to its end; times in ms of the segment's audio."""

    text: str
    end: int
    start_ms: int
    end_ms: int


def place_words(speech: SpokenText, words: Sequence[SpokenWord], *, complete: bool = True) -> list[WrittenWord]:
    """Return the written words with the times that a voice has told for the words that it has spoken.

    "three dollars" is written "$3": that begins with "three" and ends with "dollars". What is written and not spoken
    (emoji) takes no time. Unless all of the segment was spoken (`complete`), the words end where those of the voice do.
    """
    anchors = list(_anchors(speech.spoken, words))
    if not anchors:
        return []
    last = anchors[-1][0]
    spans = [match.span() for match in WRITTEN_WORD.finditer(speech.written)]
    spans = [span for span in spans if complete or speech.spoken_at(_end_of_sound(speech.written, *span)) <= last]
    spoken = [(speech.spoken_at(start), speech.spoken_at(end)) for start, end in spans]
    return _timed(speech.written, spans, spoken, anchors)


def find_words(written: str, words: Sequence[SpokenWord]) -> list[WrittenWord]:
    """Return the words of a written text, which are given in order and as they are written, with their places."""
    found: list[WrittenWord] = []
    end = 0
    for word in words:
        end = written.index(word.text, end) + len(word.text)
        found.append(WrittenWord(word.text, end, word.start_ms, word.end_ms))
    return found


def _anchors(text: str, words: Sequence[SpokenWord]) -> Iterator[tuple[int, int]]:
    """Yield positions in the text with their times (ms), both rising."""
    lower = text.lower()
    position = ms = 0
    for word in words:
        bare = _BARE.search(word.text)
        wanted = (bare[0] if bare else word.text).lower()
        found = lower.find(wanted, position, position + LOOK_AHEAD + len(wanted))
        if not wanted or found < 0:
            continue
        for at, time_ms in ((found, word.start_ms), (found + len(wanted), word.end_ms)):
            ms = max(ms, time_ms)
            yield at, ms
        position = found + len(wanted)


def _end_of_sound(text: str, start: int, end: int) -> int:
    """Return where a word ends without its marks; where it begins if it has nothing but marks."""
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return end


def _timed(
    written: str,
    spans: Sequence[tuple[int, int]],
    positions: Sequence[tuple[float, float]],
    anchors: Sequence[tuple[int, int]],
) -> list[WrittenWord]:
    known_at, known_ms = zip(*anchors, strict=True)
    times = np.interp(np.array(positions, np.float64).reshape(-1), known_at, known_ms).reshape(-1, 2)
    return [
        WrittenWord(written[start:end], end, round(begins), round(ends))
        for (start, end), (begins, ends) in zip(spans, times.tolist(), strict=True)
    ]
