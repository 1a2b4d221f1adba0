"""Changes the text of a caption and keeps the times of the words that stay. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from streamsrv.engines.asr.base import RecognizedUtterance, Word
from streamsrv.engines.asr.windows.utterance import estimate_words
from streamsrv.engines.asr.windows.window import Span
from streamsrv.text.replacements import Edit, applied
from streamsrv.text.words import split_words


def edited(utterance: RecognizedUtterance, edits: Sequence[Edit]) -> RecognizedUtterance:
    """Return the utterance with edits of its text, which are in order and do not overlap.

    New words share the time of those that they replace.
    """
    if not edits:
        return utterance
    text = applied(utterance.text, edits)
    places = _places(utterance)
    if places is None:
        words = _spread(text, utterance.start_ms, utterance.end_ms) if utterance.words else ()
    else:
        words = tuple(_words(utterance, places, edits))
    return replace(utterance, text=text.strip(), words=words)


def corrected(utterance: RecognizedUtterance, text: str) -> RecognizedUtterance:
    """Return the utterance with another text; words at its beginning and end that stay keep their times."""
    before, after = utterance.words, split_words(text)
    if not before:
        return replace(utterance, text=text, words=_spread(text, utterance.start_ms, utterance.end_ms))
    written = [word.text for word in before]
    head = _common(written, after)
    tail = _common(written[head:][::-1], after[head:][::-1])
    if head + tail == len(written):  # words were only added: a neighbour gives them some of its time
        head, tail = (head - 1, tail) if head else (0, tail - 1)
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    middle = tuple(estimate_words(new, (Span(old[0].start_ms, old[-1].end_ms),)))
    return replace(utterance, text=text, words=(*before[:head], *middle, *before[len(before) - tail :]))


def _words(utterance: RecognizedUtterance, places: Sequence[tuple[int, int]], edits: Sequence[Edit]) -> Iterator[Word]:
    """Yield the words that stay, and in place of each group of changed words, the new ones."""
    waiting = list(reversed(edits))
    index = 0
    while index < len(places):
        start, end = places[index]
        if not waiting or waiting[-1].start >= end:
            yield utterance.words[index]
            index += 1
            continue
        first, own = index, list[Edit]()
        while waiting and waiting[-1].start < end:
            own.append(waiting.pop())
            while index + 1 < len(places) and places[index + 1][0] < own[-1].end:
                index += 1
            end = max(places[index][1], own[-1].end)
        start = min(start, own[0].start)
        text = applied(utterance.text[start:end], [Edit(at - start, to - start, new) for at, to, new in own])
        yield from _spread(text, utterance.words[first].start_ms, utterance.words[index].end_ms)
        index += 1


def _spread(text: str, start_ms: int, end_ms: int) -> tuple[Word, ...]:
    return tuple(estimate_words(split_words(text), (Span(start_ms, end_ms),)))


def _places(utterance: RecognizedUtterance) -> list[tuple[int, int]] | None:
    """Return where each word is in the text; None if the words are not those of the text."""
    places = _found(utterance.text, [word.text for word in utterance.words])
    letters = sum(not character.isspace() for character in utterance.text)
    covered = sum(not character.isspace() for start, end in places for character in utterance.text[start:end])
    return places if len(places) == len(utterance.words) and covered == letters else None


def _found(text: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where the words are in the text, one after the other, up to the first that is not there."""
    places, at = list[tuple[int, int]](), 0
    for word in words:
        start = text.find(word, at)
        if start < 0:
            break
        at = start + len(word)
        places.append((start, at))
    return places


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many words both begin with."""
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
