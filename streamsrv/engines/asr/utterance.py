"""One utterance as its window is decoded again and again: audio and hypotheses in, transcripts out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.asr.agreement import Agreement
from streamsrv.engines.asr.base import Transcript, Word
from streamsrv.engines.asr.window import Excerpt, RecognitionWindow, Span, WindowLimits
from streamsrv.text.words import join_words, split_words


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a decoder heard in a window; `language` as ISO 639-1, where it knows it."""

    text: str
    language: str | None = None
    is_cut: bool = False
    """Whether a loop was cut from the text: the decoder's own, or a speaker's who says the same again and again."""


class Utterance:
    """Joins the window, which chooses the audio, and the agreement, which chooses the stable words.

    The final transcript is made of the newest hypothesis of every part of the audio, not of the stable words.
    """

    def __init__(self, limits: WindowLimits | None = None) -> None:
        self.window = RecognitionWindow(limits)
        self._agreement = Agreement()
        self._stable = ""
        self._frozen = ""
        self._frozen_words: list[Word] = []
        self._newest: tuple[str, ...] = ()
        self._language: str | None = None

    def push(self, pcm: NDArray[np.int16], *, speech: bool) -> Transcript | None:
        """Take mono PCM at 16 kHz; return a transcript when a pause made text stable."""
        self.window.push(pcm, speech=speech)
        if not self.window.is_final:
            return None
        self._freeze(continues=False)
        return self._transcript(at_pause=True)

    def accept(self, excerpt: Excerpt, hypothesis: Hypothesis) -> Transcript:
        """Take what the decoder heard in `excerpt`."""
        self.window.accept(excerpt)
        self._newest = split_words(hypothesis.text)
        self._language = hypothesis.language or self._language
        self._append(self._agreement.accept(self._newest, complete=excerpt.complete))
        if self.window.is_final:
            self._freeze(continues=excerpt.is_head)
        return self._transcript(at_pause=excerpt.complete and self.window.would_settle(excerpt))

    def final(self) -> Transcript:
        """The transcript of all that was accepted, with estimated word times."""
        words = (*self._frozen_words, *estimate_words(self._newest, self.window.spans()))
        text = join_words((self._frozen, *self._newest))
        return Transcript(text, words=words, language=self._language, is_final=True, at_pause=True)

    def _freeze(self, *, continues: bool) -> None:
        self._append(self._agreement.close(self._newest, continues=continues))
        self._frozen = join_words((self._frozen, *self._newest))
        self._frozen_words += estimate_words(self._newest, self.window.drop())
        self._newest = ()

    def _append(self, words: tuple[str, ...]) -> None:
        self._stable = join_words((self._stable, *words))

    def _transcript(self, *, at_pause: bool) -> Transcript:
        tentative = join_words(self._agreement.tentative)
        return Transcript(self._stable, tentative, language=self._language, at_pause=at_pause)


def estimate_words(words: Sequence[str], speech: Sequence[Span]) -> tuple[Word, ...]:
    """Spread words over the stretches of speech they were heard in, by their number of letters."""
    if not words or not speech:
        return ()
    letters = [0, *accumulate(len(word) + 1 for word in words)]
    heard = [0, *accumulate(span.end_ms - span.start_ms for span in speech)]
    edges = np.array(letters) * (heard[-1] / letters[-1])
    times_heard = [ms for span in pairwise(heard) for ms in span]
    times = [ms for span in speech for ms in (span.start_ms, span.end_ms)]
    # A word that ends where a pause begins belongs before it, the next one after it: hence a little inside the edges.
    starts: NDArray[np.float64] = np.interp(edges[:-1] + 0.1, times_heard, times)
    ends: NDArray[np.float64] = np.interp(edges[1:] - 0.1, times_heard, times)
    return tuple(Word(word, round(start), round(end)) for word, start, end in zip(words, starts, ends, strict=True))
