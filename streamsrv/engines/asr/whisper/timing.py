"""Turns the alignment of a Whisper decoder into words with times and tokens with log-probabilities. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from streamsrv.engines.asr.base import TokenLogprob, Word
from streamsrv.text.words import split_words

MS_PER_STEP = 20
"""What one step of the encoder's output stands for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One or more tokens that together are whole characters. Times are ms since the start of the window."""

    text: str
    start_ms: int
    end_ms: int
    logprob: float
    """The sum over its tokens."""


def read_pieces(
    texts: Sequence[str],
    tokens: Sequence[Sequence[int]],
    path: Sequence[tuple[int, int]],
    probabilities: Sequence[float],
) -> list[Piece]:
    """Return the pieces of a text, whose texts and tokens are given in order.

    `path`: the index of a token and the step of the encoder at which it is heard, in order, the last one being the end
    of the text. `probabilities`: of each token.
    """
    begins: dict[int, int] = {}
    for index, step in path:
        begins.setdefault(index, step * MS_PER_STEP)
    last = max(begins.values(), default=0)
    pieces: list[Piece] = []
    first = 0
    for text, part in zip(texts, tokens, strict=True):
        after = first + len(part)
        logprob = sum(math.log(max(probability, 1e-10)) for probability in probabilities[first:after])
        pieces.append(Piece(text, begins.get(first, last), begins.get(after, last), logprob))
        first = after
    return pieces


def words_of(pieces: Sequence[Piece]) -> tuple[Word, ...]:
    """Return the words of the text, split as `split_words` does; punctuation does not make a word longer."""
    text = "".join(piece.text for piece in pieces)
    ends: list[int] = []
    for piece in pieces:
        ends.append((ends[-1] if ends else 0) + len(piece.text))
    words: list[Word] = []
    at = index = 0
    for word in split_words(text):
        begin = text.index(word, at)
        at = begin + len(word)
        while ends[index] <= begin:
            index += 1
        last = next(number for number, end in enumerate(ends) if end >= at)
        part = pieces[index : last + 1]
        spoken = [piece for piece in part if any(map(str.isalnum, piece.text))] or part
        confidence = math.exp(sum(piece.logprob for piece in part) / len(part))
        words.append(Word(word, spoken[0].start_ms, spoken[-1].end_ms, round(confidence, 3)))
    return tuple(words)


def logprobs_of(pieces: Sequence[Piece]) -> tuple[TokenLogprob, ...]:
    """Return the log-probability of each piece."""
    return tuple(TokenLogprob(piece.text, piece.logprob) for piece in pieces)
