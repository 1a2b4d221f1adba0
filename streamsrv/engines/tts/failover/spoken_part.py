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
CHOICE_MS = 600
"""Audio that is held back if it costs nothing, so that there are several pauses to choose from."""
MAX_HELD_MS = 1500
"""Longest end that is held back: words are shorter."""
LETTER_MS = 65.0
"""Time of a letter or digit, until it is known from a voice's own speech."""
LAST_WORDS_MS = 40.0
"""By which words before the last ones end sooner than at a steady pace, because the last ones are drawn out."""

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


@dataclass(frozen=True, slots=True)
class _Pause:
    """A place in what is held where it may be cut, in samples, and how long it is quiet there."""

    at: int
    duration_ms: float


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
        self._pause: _Pause | None = None  # at which what was released ends

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
        ready, self._pause = self._to_release(max(ahead_ms, 0.0))
        return self._release(self._held[:ready]) if ready > 0 else None

    def _to_release(self, ahead_ms: float) -> "tuple[int, _Pause | None]":
        """Return how many of the held samples are to be heard now, and the pause at which they end, if they do."""
        pauses = [pause for pause in self._pauses() if ahead_ms + self._ms(pause.at) >= MIN_LEAD_MS]
        pauses = [pause for pause in pauses if self._ms(len(self._held) - pause.at) <= MAX_HELD_MS]
        early = [pause for pause in pauses if self._ms(len(self._held) - pause.at) >= CHOICE_MS]
        if best := (early if early and not self._words else pauses)[-1:]:
            return best[0].at, best[0]
        is_early = ahead_ms < MIN_LEAD_MS or self._ms(len(self._held)) > MAX_HELD_MS
        return (len(self._held) - self._fade, None) if is_early else (0, self._pause)

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
        cut, end = self._best_cut()
        ending = self._release(faded_out(self._held[: cut + self._fade], self._fade))
        return (ending if ending.pcm.size or ending.words else None), self._text[end:].lstrip()

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

    def _pauses(self) -> "list[_Pause]":
        """Return where what is held may be cut: at ends of words, or else at pauses."""
        if not self._words:
            return _pauses(self._held, self._rate)
        ends = [round(word.end_ms * self._rate / 1000) - self._released for word in self._words]
        return [_Pause(end, 0.0) for end in ends if 0 < end <= len(self._held)]

    def _best_cut(self) -> tuple[int, int]:
        """Return how many of the held samples to add to what was released, and where the text said then ends."""
        if self._words and (told := _placed(self._text, self._words)):
            cut = max((pause.at for pause in self._pauses()), default=0)
            at_ms = self.released_ms + self._ms(cut)
            said = [word for word in told if word.end_ms <= at_ms + 1]
            return cut, said[-1].end if said else 0
        letters = sum(map(str.isalnum, self._text))
        whole_ms = round(letters * self._letter_ms)
        words = _placed(self._text, estimate_words(self._text, whole_ms, language=self._language))
        here = [_Pause(0, self._pause.duration_ms)] if self._pause is not None else []
        pauses = _pauses(self._held, self._rate)  # also of a voice that told words which are not in the text
        cuts = [(*self._nearest(words, pause), pause) for pause in (*here, *pauses)]
        if cuts and words:
            _, end, pause = min(cuts, key=lambda cut: cut[0])
            return pause.at, end
        said = [word for word in words if word.end_ms <= self.released_ms]
        return 0, said[-1].end if said else 0

    def _nearest(self, words: "Sequence[_PlacedWord]", pause: "_Pause") -> tuple[float, int]:
        """Return the end of the word that ends about where a pause is, and by how many ms the two are apart.

        A long pause is rather at a mark than at a closure inside a word, and counts as nearer.
        """
        at_ms = self.released_ms + self._ms(pause.at) + LAST_WORDS_MS
        near = list(words)
        if pause.duration_ms >= _CLAUSE_PAUSE_MS:
            at_marks = [word for word in words if self._text[: word.end].rstrip("\"'”’)]»")[-1:] in _CLAUSE_ENDS]
            near = [word for word in at_marks if abs(word.end_ms - at_ms) <= _NEAR * at_ms] or near
        distance, end = min(((abs(word.end_ms - at_ms), word.end) for word in near), default=(0.0, 0))
        return distance - min(pause.duration_ms, _CLAUSE_PAUSE_MS), end

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


def _pauses(pcm: NDArray[np.int16], rate: int) -> list[_Pause]:
    """Return the pauses that are long enough to be one between words, by their middles."""
    step = rate * _FRAME_MS // 1000
    count = len(pcm) // step
    frames = pcm[: count * step].reshape(count, step).astype(np.float32)
    quiet = np.concatenate([[False], np.sqrt((frames**2).mean(axis=1)) < _QUIET, [False]])
    turns = np.flatnonzero(np.diff(quiet.astype(np.int8))).reshape(-1, 2).tolist()
    return [
        _Pause((start + end) // 2 * step, float((end - start) * _FRAME_MS))
        for start, end in turns
        if end - start >= _MIN_PAUSE_FRAMES
    ]
