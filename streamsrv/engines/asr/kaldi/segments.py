"""Turns the results of a Kaldi recogniser into transcripts. Pure."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamsrv.engines.asr.base import Transcript, Word
from streamsrv.engines.asr.windows.agreement import Agreement
from streamsrv.text.words import join_words

_NUMBER = re.compile(r"\[(\d+)\]")
"""How the Korean model writes a spoken number."""
_NOISE = re.compile(r"[<\[][^<>\[\]]*[>\]]")
"""How models write a noise or an unknown word."""
_AGREEMENT_STEP_MS = 500
"""New audio between two results that must agree on a word: results of the same step of the model always agree."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a recogniser made of its audio up to `fed_ms`, in ms of the audio that it was fed in this utterance."""

    texts: tuple[str, ...]
    fed_ms: float
    ends_segment: bool = False
    """Whether the text is Kaldi's result for a segment, which does not change; the next text is of a new segment."""
    words: tuple[Word, ...] = ()
    """Of a segment that ended, with times in ms of that audio."""


def read_partial(answer: str, fed_ms: float) -> Heard:
    """Read the JSON of `PartialResult`."""
    return Heard(tuple(filter(None, map(_spelled, json.loads(answer)["partial"].split()))), fed_ms)


def read_result(answer: str, fed_ms: float, begin_s: float) -> Heard:
    """Read the JSON of `Result` or `FinalResult`; `begin_s` is the time of the utterance's first sample in it."""
    words: list[Word] = []
    for each in json.loads(answer).get("result", ()):
        if text := _spelled(each["word"]):
            words.append(_word(text, each, begin_s))
    return Heard(tuple(word.text for word in words), fed_ms, ends_segment=True, words=tuple(words))


def _word(text: str, found: dict[str, Any], begin_s: float) -> Word:
    start, end = (round((found[edge] - begin_s) * 1000) for edge in ("start", "end"))
    return Word(text, start, end, found.get("conf"))


def _spelled(word: str) -> str:
    """Return the word as it is shown: a number without its brackets; empty for a noise."""
    return _NOISE.sub("", _NUMBER.sub(r"\1", word))


class Segments:
    """Makes the transcripts of one utterance. `time` maps ms of the fed audio to ms of the stream.

    A word is stable when two results agree on it, half a second apart, or when its segment has ended.
    """

    def __init__(self, language: str, time: Callable[[float], int]) -> None:
        self._language = language
        self._time = time
        self._agreement = Agreement()
        self._agreed_ms = 0.0
        self._stable = ""
        self._words: list[Word] = []
        self._newest: tuple[str, ...] = ()

    def accept(self, heard: Heard, *, at_pause: bool) -> Transcript | None:
        """Take the next result; return the new transcript, or None if it has nothing new."""
        is_news = at_pause or heard.ends_segment or heard.texts != self._newest
        self._newest = heard.texts
        if heard.ends_segment:
            self._append(self._agreement.close(heard.texts))
            self._keep(heard.words)
            self._newest = ()
        elif at_pause or heard.fed_ms - self._agreed_ms >= _AGREEMENT_STEP_MS:
            self._append(self._agreement.accept(heard.texts, complete=at_pause))
            self._agreed_ms = heard.fed_ms
        return self._transcript(at_pause=at_pause) if is_news else None

    def final(self) -> Transcript:
        """Return the final transcript: the results of all segments."""
        words = tuple(self._words)
        text = join_words(tuple(word.text for word in words))
        return Transcript(text, words=words, language=self._language, is_final=True, at_pause=True)

    def _transcript(self, *, at_pause: bool) -> Transcript:
        tentative = join_words(self._agreement.after_stable(self._newest))
        return Transcript(self._stable, tentative, language=self._language, at_pause=at_pause)

    def _append(self, words: tuple[str, ...]) -> None:
        self._stable = join_words((self._stable, *words))

    def _keep(self, words: tuple[Word, ...]) -> None:
        """Keep words with their times in the stream, in order."""
        for word in words:
            start = max(self._time(word.start_ms), self._words[-1].end_ms if self._words else 0)
            end = max(self._time(word.end_ms), start)
            self._words.append(Word(word.text, start, end, word.confidence))
