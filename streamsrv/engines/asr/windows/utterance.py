"""Turns the audio and the successive hypotheses of one utterance into transcripts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import TokenLogprob, Transcript, Word
from streamsrv.engines.asr.windows.agreement import Agreement
from streamsrv.engines.asr.windows.window import RecognitionWindow, Span, WindowLimits, WindowSnapshot
from streamsrv.text.words import join_words, split_words


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The text that a decoder found in a window; `language` as an ISO 639-1 code, if it knows it."""

    text: str
    language: str | None = None
    is_cut: bool = False
    """Whether repeated words were cut from the text: a loop of the decoder, or words that the speaker repeats."""
    words: tuple[Word, ...] = ()
    """The words of `text` as `split_words` gives them, with times in ms since the start of the window; empty if the
    decoder has none."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """If `RecognitionOptions.logprobs` asked for them."""
    is_sure_of_language: bool = False
    """Whether `language` was detected with certainty, so that it holds for the rest of the utterance."""

    def of_parts(self, parts: Sequence["Hypothesis"], cuts: Sequence[int]) -> "Hypothesis":
        """Return the hypothesis of a window from those of its parts, which begin at its start and at samples `cuts`."""
        words: list[Word] = []
        for part, begin in zip(parts, (0, *cuts), strict=True):
            ms = begin * 1000 // SPEECH_RATE_HZ
            words += [replace(word, start_ms=word.start_ms + ms, end_ms=word.end_ms + ms) for word in part.words]
        text = join_words(tuple(part.text for part in parts))
        logprobs = tuple(logprob for part in parts for logprob in part.logprobs)
        language = self.language or next((part.language for part in parts if part.language), None)
        return replace(self, text=text, words=tuple(words), logprobs=logprobs, language=language)


class Utterance:
    """Combines the window, which chooses the audio to decode, and the agreement, which chooses the stable words.

    The final transcript consists of the newest hypothesis of each part of the audio, not of the stable words.
    """

    def __init__(self, limits: WindowLimits | None = None) -> None:
        self.window = RecognitionWindow(limits)
        self._agreement = Agreement()
        self._stable = ""
        self._frozen = ""
        self._frozen_words: list[Word] = []
        self._frozen_logprobs: list[TokenLogprob] = []
        self._newest: tuple[str, ...] = ()
        self._newest_words: tuple[Word, ...] = ()
        self._newest_logprobs: tuple[TokenLogprob, ...] = ()
        self._language: str | None = None

    def push(self, pcm: NDArray[np.int16], *, speech: bool) -> Transcript | None:
        """Take mono PCM at 16 kHz; return a transcript if a pause made text stable."""
        self.window.push(pcm, speech=speech)
        if not self.window.is_final:
            return None
        self._freeze(continues=False)
        return self._transcript(at_pause=True)

    def accept(self, snapshot: WindowSnapshot, hypothesis: Hypothesis) -> Transcript:
        """Take the decoder's hypothesis for `snapshot`; return the new transcript."""
        self.window.accept(snapshot)
        self._newest = split_words(hypothesis.text)
        spans = [snapshot.in_stream(word.start_ms, word.end_ms) for word in hypothesis.words]
        self._newest_words = tuple(
            replace(word, start_ms=span.start_ms, end_ms=span.end_ms)
            for word, span in zip(hypothesis.words, spans, strict=True)
        )
        self._newest_logprobs = hypothesis.logprobs
        self._language = hypothesis.language or self._language
        self._append(self._agreement.accept(self._newest, complete=snapshot.ends_in_pause))
        if self.window.is_final:
            self._freeze(continues=snapshot.is_head)
        return self._transcript(at_pause=snapshot.ends_in_pause and self.window.would_settle(snapshot))

    def final(self) -> Transcript:
        """Return the final transcript of all accepted audio. Word times that the decoder did not give are estimated."""
        words = (*self._frozen_words, *self._timed_words(self.window.spans()))
        logprobs = (*self._frozen_logprobs, *self._newest_logprobs)
        text = join_words((self._frozen, *self._newest))
        return Transcript(text, words=words, language=self._language, is_final=True, at_pause=True, logprobs=logprobs)

    def _freeze(self, *, continues: bool) -> None:
        self._append(self._agreement.close(self._newest, continues=continues))
        self._frozen = join_words((self._frozen, *self._newest))
        self._frozen_words += self._timed_words(self.window.drop())
        self._frozen_logprobs += self._newest_logprobs
        self._newest = self._newest_words = self._newest_logprobs = ()

    def _timed_words(self, speech: Sequence[Span]) -> tuple[Word, ...]:
        return self._newest_words or estimate_words(self._newest, speech)

    def _append(self, words: tuple[str, ...]) -> None:
        self._stable = join_words((self._stable, *words))

    def _transcript(self, *, at_pause: bool) -> Transcript:
        tentative = join_words(self._agreement.tentative)
        expected = join_words((self._frozen, *self._newest)) if at_pause else None
        return Transcript(self._stable, tentative, language=self._language, at_pause=at_pause, expected=expected)


def estimate_words(words: Sequence[str], speech: Sequence[Span]) -> tuple[Word, ...]:
    """Spread words over the spans of speech in which they were heard, by their number of letters."""
    if not words or not speech:
        return ()
    letters = [0, *accumulate(len(word) + 1 for word in words)]
    heard = [0, *accumulate(span.end_ms - span.start_ms for span in speech)]
    edges = np.array(letters) * (heard[-1] / letters[-1])
    times_heard = [ms for span in pairwise(heard) for ms in span]
    times = [ms for span in speech for ms in (span.start_ms, span.end_ms)]
    # Times are taken a little inside the edges, so that a word at a pause ends before it and the next begins after it.
    starts: NDArray[np.float64] = np.interp(edges[:-1] + 0.1, times_heard, times)
    ends: NDArray[np.float64] = np.interp(edges[1:] - 0.1, times_heard, times)
    return tuple(Word(word, round(start), round(end)) for word, start, end in zip(words, starts, ends, strict=True))
