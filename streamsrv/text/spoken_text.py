"""A written text, what is said for it, and which characters of one belong to which of the other. Pure."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from streamsrv.text.traced import TracedText


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the written text and what is said for it. Either may be empty, not both."""

    written_start: int
    written_end: int
    spoken_start: int
    spoken_end: int
    is_verbatim: bool
    """Whether the characters of both belong together one by one; if not, it is said as a whole ("$3")."""


@dataclass(frozen=True)
class SpokenText:
    """A written text and what is said for it. The pieces follow one another without gaps, and cover both texts."""

    written: str
    spoken: str
    """What a voice is given; empty if there is nothing to say."""
    pieces: tuple[Piece, ...]

    def written_end(self, spoken_end: int) -> int:
        """Return how many characters of the written text have been said when `spoken[:spoken_end]` has been said.

        A piece that is not verbatim counts when all of it has been said: "three dol" says nothing of "$3".
        """
        index = bisect_right(self._spoken_starts, spoken_end) - 1
        if index < 0:
            return 0
        piece = self.pieces[index]
        if spoken_end >= piece.spoken_end:
            return piece.written_end
        return piece.written_start + (spoken_end - piece.spoken_start if piece.is_verbatim else 0)

    def spoken_at(self, written: int) -> float:
        """Return where in the spoken text an offset of the written text is: between two characters, or inside one.

        Inside a piece that is not verbatim, in proportion.
        """
        index = bisect_right(self._written_starts, written) - 1
        if index < 0:
            return 0.0
        piece = self.pieces[index]
        length = piece.written_end - piece.written_start
        share = min(1.0, (written - piece.written_start) / length) if length else 1.0
        return piece.spoken_start + share * (piece.spoken_end - piece.spoken_start)

    @cached_property
    def _spoken_starts(self) -> list[int]:
        return [piece.spoken_start for piece in self.pieces]

    @cached_property
    def _written_starts(self) -> list[int]:
        return [piece.written_start for piece in self.pieces]


def as_written(text: str) -> SpokenText:
    """Return a text that is said as it is written."""
    return SpokenText(text, text, (Piece(0, len(text), 0, len(text), True),) if text else ())


def silent(written: str) -> SpokenText:
    """Return a text of which nothing is said."""
    return SpokenText(written, "", (Piece(0, len(written), 0, 0, False),) if written else ())


def spoken_from(written: str, traced: TracedText) -> SpokenText:
    """Return what is said for `written`, made of it by substitutions."""
    if not traced:
        return silent(written)
    return SpokenText(written, traced.text, tuple(_pieces(len(written), traced)))


def _pieces(written_length: int, traced: TracedText) -> Iterator[Piece]:
    written = spoken = 0
    for run in _runs(traced):
        if run.start > written:
            yield Piece(written, run.start, spoken, spoken, False)  # not said
        yield Piece(run.start, run.end, spoken, run.spoken_end, run.is_verbatim)
        written, spoken = run.end, run.spoken_end
    if written < written_length:
        yield Piece(written, written_length, spoken, spoken, False)


@dataclass(slots=True)
class _Run:
    """Characters up to `spoken_end`, and what they stand for."""

    start: int
    end: int
    spoken_end: int
    is_verbatim: bool


def _runs(traced: TracedText) -> list[_Run]:
    """Return the characters in runs: verbatim ones together, and those together whose spans overlap."""
    runs: list[_Run] = []
    for index in range(len(traced.text)):
        start, end = traced.span(index)
        overlaps = index + 1 < len(traced.text) and traced.span(index + 1)[0] < end
        run = _Run(start, end, index + 1, end - start == 1 and not overlaps)
        while runs and runs[-1].end > run.start:
            last = runs.pop()
            run = _Run(min(last.start, run.start), max(last.end, run.end), index + 1, False)
        if runs and runs[-1].end == run.start and _continues(runs[-1], run):
            runs[-1].end, runs[-1].spoken_end = run.end, run.spoken_end
        else:
            runs.append(run)
    return runs


def _continues(last: _Run, run: _Run) -> bool:
    """Whether both are verbatim, or both were added."""
    return (last.is_verbatim and run.is_verbatim) or (last.start == last.end == run.end)
