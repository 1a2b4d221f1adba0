"""Cuts an answer into short speakable texts, each given to the synthesiser at once. Pure.

Numbers, symbols and abbreviations grow when they are read out. So the bound is on the text that a voice gets: what is
too long is cut again, if need be in the middle of a word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from streamsrv.core.answers.segmenter import Segment, Segmenter, breaks_number
from streamsrv.text.cutting import cut_before
from streamsrv.text.speakable import speakable

MAX_SPOKEN = 400
"""Characters given to the synthesiser at once."""

MAX_PIECE = 200
"""Characters cut at once, because cutting takes time: a server may give a whole long answer at once."""

_NUMBER_AT_START = re.compile(r"[0-9.,]*[0-9]")
_NUMBER_AT_END = re.compile(r"[0-9][0-9.,]*(?=\s*$)")


@dataclass(frozen=True, slots=True)
class SpokenSegment:
    """A piece of the answer with the whitespace after it, and its speakable text."""

    text: str
    spoken: str
    """The speakable text; empty if there is nothing to speak."""
    ends_sentence: bool


class SpokenSegmenter:
    """Cuts one answer. `language` is the language of the voice. The joined texts of all segments are the text fed."""

    def __init__(self, language: str) -> None:
        self._segmenter = Segmenter()
        self._language = language
        self._in_number = False  # what was cut last goes on with digits

    def feed(self, text: str) -> list[SpokenSegment]:
        """Take more of the answer; return the segments that are now certain."""
        return [spoken for segment in self._segmenter.feed(text) for spoken in self._speak(segment)]

    def finish(self) -> list[SpokenSegment]:
        """End the answer: return the remaining segments."""
        return [spoken for segment in self._segmenter.finish() for spoken in self._speak(segment)]

    def _speak(self, segment: Segment) -> Iterator[SpokenSegment]:
        rest = segment.text
        while rest:
            end, spoken = self._fit(rest, segment.breaks_number)
            is_last = end == len(rest)
            self._in_number = segment.breaks_number if is_last else breaks_number(rest[:end], rest[end:])
            yield SpokenSegment(rest[:end], spoken, segment.ends_sentence and is_last)
            rest = rest[end:]

    def _fit(self, text: str, breaks_at_end: bool) -> tuple[int, str]:
        """The longest beginning of a text that is not too long when it is spoken, about; and how it is spoken."""
        end = len(text)
        while True:
            breaks = breaks_at_end if end == len(text) else breaks_number(text[:end], text[end:])
            spoken = speakable(_spell(text[:end], start=self._in_number, end=breaks), self._language)
            if len(spoken) <= MAX_SPOKEN or end == 1:
                return end, spoken
            end = cut_before(text, max(1, min(end - 1, end * MAX_SPOKEN // len(spoken))))


def pieces(text: str) -> list[str]:
    """Return a text in pieces of at most `MAX_PIECE` characters."""
    return [text[start : start + MAX_PIECE] for start in range(0, len(text), MAX_PIECE)]


def _spell(text: str, *, start: bool, end: bool) -> str:
    """Write a number that is only partly in the text digit by digit, because the part has another value."""
    if start:
        text = _NUMBER_AT_START.sub(_digits, text, count=1) if _NUMBER_AT_START.match(text) else text
    return _NUMBER_AT_END.sub(_digits, text) if end else text


def _digits(number: re.Match[str]) -> str:
    return " ".join(filter(str.isdigit, number[0]))
