"""Tracks how much of a text one voice has said, so that another one can go on at the next word. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE
from streamsrv.engines.tts.base import SpeechChunk, SpokenWord
from streamsrv.engines.tts.shaping.segment import FADE_MS, faded_out
from streamsrv.text.word_timing import estimate_words

MIN_LEAD_MS = 600
"""Audio that a listener still has while the end of what has come is held back: so nobody waits for it."""
MAX_HELD_MS = 1000
"""Longest end that is held back: words are shorter."""
LETTER_MS = 65.0
"""Time of a letter or digit, until it is known from a voice's own speech."""

_FRAME_MS = 10
_MIN_PAUSE_FRAMES = 4
_QUIET = 10 ** (-38 / 20) * FULL_SCALE
_CLAUSE_ENDS = ".,;:!?…。、，；：！？"
_CLAUSE_PAUSE_MS = 120
"""A pause that is longer is at a mark, if there is one near."""
_NEAR = 0.25
"""Share of the time so far by which a mark may be away from where it is expected."""


@dataclass(frozen=True, slots=True)
class _PlacedWord:
    """A word of the text: where it ends there, and when it ends in the speech."""

    end: int
    end_ms: float


class SpokenPart:
    """The speech of one voice for `text`, at `sample_rate`. `letter_ms`: how long a letter of the voice is.

    Audio is released as it comes, but where that costs no time its end is held back to the end of a word, which is
    known from the times of words, or else is a pause. So a voice that breaks off does so between words.
    """

    def __init__(self, text: str, language: str, sample_rate: int, letter_ms: float = LETTER_MS) -> None:
        self._text = text
        self._language = language
        self._rate = sample_rate
        self._letter_ms = letter_ms
        self._words: list[SpokenWord] = []
        self._told = 0  # words that were released
        self._fade = sample_rate * FADE_MS // 1000
        self._held: NDArray[np.int16] = np.zeros(0, np.int16)  # always the last samples, which may have to fade out
        self._released = 0
        self._ends_at_a_word = True  # what was released
        self._pause_ms = 0.0  # duration of the pause at which it ends

    @property
    def released_ms(self) -> float:
        """Audio that was released, in ms."""
        return self._ms(self._released)

    @property
    def times_words(self) -> bool:
        """Whether the voice tells the times of its words."""
        return bool(self._words)

    @property
    def has_begun(self) -> bool:
        """Whether anything was released."""
        return self._released > 0

    def feed(self, chunk: SpeechChunk, ahead_ms: float) -> SpeechChunk | None:
        """Take audio; return what is to be heard now. `ahead_ms`: audio that a listener still has."""
        self._words += chunk.words
        self._held = np.concatenate([self._held, chunk.pcm])
        boundary, pause_ms = self._last_boundary()
        ready = boundary or 0
        lead_ms = max(ahead_ms, 0.0) + self._ms(ready)
        if lead_ms < MIN_LEAD_MS or self._ms(len(self._held) - ready) > MAX_HELD_MS:
            ready, boundary = len(self._held) - self._fade, None
        if ready <= 0:
            return None
        self._ends_at_a_word, self._pause_ms = boundary is not None, pause_ms
        return self._release(self._held[:ready])

    def finish(self) -> SpeechChunk | None:
        """The voice has said the whole text: return the rest."""
        chunk = self._release(self._held)
        rest = tuple(self._words[self._told :])
        self._told = len(self._words)
        chunk = SpeechChunk(chunk.pcm, chunk.words + rest)
        return chunk if chunk.pcm.size or chunk.words else None

    def break_off(self) -> tuple[SpeechChunk | None, str]:
        """The voice has failed: return what may still be heard of it, up to the end of a word, and the text left."""
        if not self._released:
            return None, self._text
        boundary, pause_ms = self._last_boundary()
        if boundary:
            self._ends_at_a_word, self._pause_ms = True, pause_ms
        cut = boundary or 0
        left = self._text[self._said_until(self.released_ms + self._ms(cut)) :].lstrip()
        ending = self._release(faded_out(self._held[: cut + self._fade], self._fade))
        return (ending if ending.pcm.size or ending.words else None), left

    def mean_letter_ms(self) -> float | None:
        """Return how long a letter was in the whole speech; None: it is too short to tell."""
        letters = sum(map(str.isalnum, self._text))
        return self.released_ms / letters if letters >= 10 else None

    def _release(self, pcm: NDArray[np.int16]) -> SpeechChunk:
        self._held = self._held[len(pcm) :]
        self._released += len(pcm)
        words = [word for word in self._words[self._told :] if word.end_ms <= self.released_ms + 1]
        self._told += len(words)
        return SpeechChunk(pcm, tuple(words))

    def _last_boundary(self) -> tuple[int | None, float]:
        """Return the last end of a word in what is held, in samples, and the duration of a pause there."""
        if self._words:
            ends = [round(word.end_ms * self._rate / 1000) - self._released for word in self._words]
            inside = [end for end in ends if 0 < end <= len(self._held)]
            return (max(inside) if inside else None), 0.0
        return _last_pause(self._held, self._rate)

    def _said_until(self, at_ms: float) -> int:
        """Return where the text ends whose words are complete in so much of the speech."""
        if self._words:
            said = [word for word in _placed(self._text, self._words) if word.end_ms <= at_ms + 1]
            return said[-1].end if said else 0
        letters = sum(map(str.isalnum, self._text))
        whole_ms = round(letters * self._letter_ms)
        words = _placed(self._text, estimate_words(self._text, whole_ms, language=self._language))
        if not self._ends_at_a_word:
            said = [word for word in words if word.end_ms <= at_ms]
            return said[-1].end if said else 0
        return self._nearest(words, at_ms)

    def _nearest(self, words: Sequence[_PlacedWord], at_ms: float) -> int:
        """Return the end of the word that ends at about this time, where the voice made a pause."""
        near = list(words)
        if self._pause_ms >= _CLAUSE_PAUSE_MS:
            at_marks = [word for word in words if self._text[: word.end].rstrip("\"'”’)]»")[-1:] in _CLAUSE_ENDS]
            near = [word for word in at_marks if abs(word.end_ms - at_ms) <= _NEAR * at_ms] or near
        return min(near, key=lambda word: abs(word.end_ms - at_ms)).end if near else 0

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self._rate


def _placed(text: str, words: Sequence[SpokenWord]) -> list[_PlacedWord]:
    """Return where words end in the text that they were spoken for, as far as they are found there."""
    placed: list[_PlacedWord] = []
    at = 0
    for word in words:
        found = text.find(word.text, at)
        if found < 0:
            continue
        at = found + len(word.text)
        while at < len(text) and not (text[at].isalnum() or text[at].isspace()):
            at += 1  # the marks after a word belong to it
        placed.append(_PlacedWord(at, word.end_ms))
    return placed


def _last_pause(pcm: NDArray[np.int16], rate: int) -> tuple[int | None, float]:
    """Return the middle of the last pause in samples, and its duration in ms; None: there is none."""
    step = rate * _FRAME_MS // 1000
    count = len(pcm) // step
    frames = pcm[: count * step].reshape(count, step).astype(np.float32)
    quiet = np.sqrt((frames**2).mean(axis=1)) < _QUIET if count else np.zeros(0, np.bool_)
    end = count
    while end:
        start = end
        while start and quiet[start - 1]:
            start -= 1
        if end - start >= _MIN_PAUSE_FRAMES:
            return (start + end) // 2 * step, float((end - start) * _FRAME_MS)
        end = min(start, end - 1)
    return None, 0.0
