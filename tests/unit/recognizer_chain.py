"""Chains of recognisers that fail where a test wants, in virtual time, and what is said to them."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import wraps
from itertools import pairwise
from typing import Any

import numpy as np

from streamsrv.engines.asr.base import RecognitionOptions, Transcript
from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer, FallbackStream
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.observer import NoObserver
from streamsrv.testing.mortal_recognizer import WORD_MS, MortalRecognizer, spoken, word_of
from streamsrv.testing.virtual_loop import run_in_virtual_time
from streamsrv.text.words import bare, split_words

ANY = RecognitionOptions()
FRAME = 512


def virtual(test: Any) -> Any:
    """Run an async test in virtual time."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_in_virtual_time(test(*args, **kwargs))

    return run


@dataclass
class Watching(NoObserver):
    """Notes what is reported of recognisers."""

    calls: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    fallbacks: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def called(self, stage, model) -> None:
        self.calls.append(model)

    def failed(self, stage, model, reason) -> None:
        self.failures.append((model, reason))

    def fell_back(self, stage, model, to) -> None:
        self.fallbacks.append((model, to))

    def recognized(self, model, seconds) -> None:
        self.seconds[model] = self.seconds.get(model, 0.0) + seconds


def chain(*recognizers: MortalRecognizer, observer: Watching | None = None) -> FallbackRecognizer:
    breakers = Breakers(asyncio.get_running_loop().time)
    return FallbackRecognizer(recognizers, breakers, "chain", observer or Watching())


def speech(numbers: Sequence[int], pause_ms: int = 160) -> np.ndarray:
    """Each number as a word, with a pause after it."""
    return np.concatenate([part for number in numbers for part in (spoken(number), spoken(0, pause_ms))])


async def speak(stream: FallbackStream, pcm: np.ndarray, *, live: bool = True) -> None:
    """Push audio in frames, at the speed of speech or all at once."""
    for start in range(0, len(pcm), FRAME):
        frame = pcm[start : start + FRAME]
        stream.push(frame, speech=bool(frame.any()))
        if live:
            await asyncio.sleep(len(frame) / 16_000)


async def hear(stream: FallbackStream) -> list[Transcript]:
    return [transcript async for transcript in stream]


async def recognize(
    recognizer: FallbackRecognizer, pcm: np.ndarray, *, live: bool = True, options: RecognitionOptions = ANY
) -> list[Transcript]:
    """All transcripts of one utterance in a session of its own."""
    async with aclosing(recognizer.connect()) as session, aclosing(session.open(options)) as stream:
        hearing = asyncio.create_task(hear(stream))
        await speak(stream, pcm, live=live)
        stream.finish()
        return await hearing


def bare_words(text: str) -> list[str]:
    return [bare(word) for word in split_words(text)]


def check_nothing_lost(transcripts: Sequence[Transcript], numbers: Sequence[int], pause_ms: int = 160) -> None:
    """No word is lost or doubled, no stable word is taken back, and each word has its own time."""
    *interim, final = transcripts
    assert final.is_final
    assert bare_words(final.text) == [word_of(number) for number in numbers]
    shown = [*(transcript.stable for transcript in interim), final.text]
    for before, after in pairwise(shown):
        assert after.startswith(before), (before, after)
    starts = [index * (WORD_MS + pause_ms) for index in range(len(numbers))]
    assert all(abs(word.start_ms - start) <= 80 for word, start in zip(final.words, starts, strict=True))
    assert [bare(word.text) for word in final.words] == [word_of(number) for number in numbers]


async def all_closed(*recognizers: MortalRecognizer) -> None:
    await asyncio.sleep(10)
    for recognizer in recognizers:
        assert recognizer.closed == recognizer.opened
        assert recognizer.sessions == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
