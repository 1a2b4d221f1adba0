"""Turns the tokens of a transducer, with their times, into words and transcripts. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from streamsrv.engines.asr.base import TokenLogprob, Transcript, Word
from streamsrv.engines.asr.windows.agreement import Agreement
from streamsrv.text.words import join_words, split_words

SPACE = "\u2581"
"""What SentencePiece writes for the space before a word."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text, with `SPACE` where a word begins, and when the model heard it, in ms of the model's audio."""

    text: str
    ms: float
    logprob: float | None = None


def read_tokens(
    texts: Sequence[str], seconds: Sequence[float], logprobs: Sequence[float], start_ms: float = 0
) -> tuple[Token, ...]:
    """Return the tokens of a result that has them in lists; some models give no log-probabilities."""
    known = logprobs if len(logprobs) == len(texts) else [None] * len(texts)
    found = zip(texts, seconds, known, strict=True)
    return tuple(Token(text, start_ms + s * 1000, None if p is None else min(p, 0.0)) for text, s, p in found)


def token_logprobs(tokens: Sequence[Token]) -> tuple[TokenLogprob, ...]:
    """Return what a transcript tells of tokens whose log-probabilities are known."""
    known = [(token.text.replace(SPACE, " "), token.logprob) for token in tokens]
    return tuple(TokenLogprob(text, logprob) for text, logprob in known if logprob is not None)


def read_words(tokens: Sequence[Token], time: Callable[[float], int], token_ms: float) -> tuple[Word, ...]:
    """Return the words of the tokens. `time` maps ms of the model's audio to ms of the stream; tokens last `token_ms`.

    The confidence of a word is the geometric mean of the probabilities of its tokens.
    """
    texts = [token.text.replace(SPACE, " ") for token in tokens]
    text = "".join(texts)
    ends = list(accumulate(map(len, texts)))
    words: list[Word] = []
    index = position = earliest = 0
    for word in split_words(text):
        begin = text.index(word, position)
        position = begin + len(word)
        while ends[index] <= begin:
            index += 1
        last = index
        while ends[last] < position:
            last += 1
        own = tokens[index : last + 1]
        start = max(time(own[0].ms), earliest)
        earliest = max(time(own[-1].ms + token_ms), start)
        words.append(Word(word, start, earliest, _confidence(own)))
    return tuple(words)


def _confidence(tokens: Sequence[Token]) -> float | None:
    known = [token.logprob for token in tokens if token.logprob is not None]
    return math.exp(sum(known) / len(known)) if known else None


class TokenTranscripts:
    """Makes the transcripts of one utterance from its tokens. A segment is what one state of the model has heard.

    `grows`: tokens are only added (greedy search), so whole words are stable; else those on which two results agree.
    """

    def __init__(self, time: Callable[[float], int], token_ms: float, *, grows: bool) -> None:
        self._time = time
        self._token_ms = token_ms
        self._grows = grows
        self._agreement = Agreement()
        self._closed: list[Token] = []  # of earlier segments
        self._closed_words: tuple[Word, ...] = ()
        self._tokens: Sequence[Token] = ()
        self._words: tuple[Word, ...] = ()
        self._stable = ""

    def accept(self, tokens: Sequence[Token], *, at_pause: bool) -> Transcript | None:
        """Take all tokens of the segment so far; return the new transcript, or None if it has nothing new."""
        is_news = at_pause or list(tokens) != list(self._tokens)
        self._tokens = tokens
        self._words = read_words(tokens, self._time, self._token_ms)
        if not is_news:
            return None
        texts = tuple(word.text for word in self._words)
        if self._grows:
            count = len(texts) if at_pause else max(len(texts) - 1, 0)
            self._stable = join_words((*self._closed_texts, *texts[:count]))
            tentative = texts[count:]
        else:
            self._stable = join_words((self._stable, *self._agreement.accept(texts, complete=at_pause)))
            tentative = self._agreement.tentative
        return Transcript(self._stable, join_words(tentative), at_pause=at_pause)

    def close_segment(self) -> None:
        """Keep the words of the segment: the next tokens are those of a new one."""
        if not self._grows:
            texts = tuple(word.text for word in self._words)
            self._stable = join_words((self._stable, *self._agreement.close(texts)))
        self._closed += self._tokens
        self._closed_words += self._words
        self._tokens, self._words = (), ()

    def final(self, *, logprobs: bool) -> Transcript:
        """Return the final transcript of all tokens."""
        words = self._closed_words + self._words
        text = join_words(tuple(word.text for word in words))
        known = token_logprobs([*self._closed, *self._tokens]) if logprobs else ()
        return Transcript(text, words=words, logprobs=known, is_final=True, at_pause=True)

    @property
    def _closed_texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self._closed_words)
