"""Every real recogniser is killed in the middle of real speech, with another real one behind it.

What was shown of the first one stays, and the rest is the end of what the second one heard. Of all places where that
could begin, it begins where the fewest words are wrong: a word that is lost or doubled would be one more. Where both
understood too different words to find that place, all is what the second one heard.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from test_recognizers import SLOW, Speech, english, korean, pieces, transcripts_of

from streamsrv.engines.asr.base import RecognitionOptions, RecognitionStream, Recognizer, StatelessSession, Transcript
from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.word_errors import normalized_words, prefix_distances
from streamsrv.text.words import join_words, split_words

CATALOGUE = load_catalogue()
STAND_INS = ("moonshine-tiny", "moonshine-base", "whisper-tiny.en", "whisper-base")
PIECE_S = 2

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Watched:
    """`recognizer`, whose streams die after so many `samples` of audio, and whose final transcripts are in `finals`."""

    def __init__(self, recognizer: Recognizer, samples: float = math.inf) -> None:
        self.name = recognizer.name
        self.abilities = recognizer.abilities
        self.warm_up = recognizer.warm_up
        self.aclose = recognizer.aclose
        self.samples_left = samples
        self.finals: list[Transcript] = []
        self._recognizer = recognizer

    def connect(self) -> StatelessSession:
        session = self._recognizer.connect()
        return StatelessSession(lambda options: _WatchedStream(self, session.open(options)))


class _WatchedStream:
    def __init__(self, watched: Watched, stream: RecognitionStream) -> None:
        self._watched = watched
        self._stream = stream
        self.finish = stream.finish
        self.aclose = stream.aclose

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        self._watched.samples_left -= len(pcm)
        if self._watched.samples_left < 0:
            raise Unavailable(f"{self._watched.name} was killed.")
        self._stream.push(pcm, speech=speech)

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        async for transcript in self._stream:
            if transcript.is_final:
                self._watched.finals.append(transcript)
            yield transcript


@pytest.fixture(scope="module")
def loader() -> Iterator[EngineLoader]:
    scheduler = Scheduler(2)
    yield EngineLoader(CATALOGUE, ModelStore(), scheduler)
    scheduler.close()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(entry.name, marks=[pytest.mark.slow] if entry.name in SLOW else [])
        for entry in CATALOGUE.entries("recognizer")
    ],
)
def recognizer(request: pytest.FixtureRequest, loader: EngineLoader) -> Recognizer:
    entry = CATALOGUE[request.param]
    if lacking := loader.needs(entry):
        pytest.skip(f"{entry.name} needs {', '.join(map(str, lacking))}")
    return loader.load(entry)


@pytest.fixture(scope="module")
def speech(recognizer: Recognizer) -> Speech:
    known = recognizer.abilities.languages
    return english() if not known or "en" in known else korean()


@pytest.fixture(scope="module")
def stand_in(recognizer: Recognizer, speech: Speech, loader: EngineLoader) -> Recognizer:
    for name in STAND_INS:
        entry = CATALOGUE[name]
        if name != recognizer.name and speech.language in entry.languages and not loader.needs(entry):
            return loader.load(entry)
    pytest.skip(f"no other recogniser than {recognizer.name} is ready to take its place")


def letters(text: str) -> list[str]:
    """Korean is spaced in several ways, so its letters are counted, not its words."""
    return [*"".join(filter(str.isalnum, text))]


@pytest.mark.parametrize("length", ["short", pytest.param("long", marks=pytest.mark.slow)])
async def test_no_word_is_lost_or_doubled(recognizer: Recognizer, stand_in: Recognizer, speech: Speech, length: str):
    pcm, text = (speech.short, speech.short_text) if length == "short" else (speech.long, speech.long_text)
    parts = [*pieces(pcm, PIECE_S)]
    killed_after = int(0.7 * len(parts))
    first, second = Watched(recognizer, sum(map(len, parts[:killed_after]))), Watched(stand_in)
    chain, options = FallbackRecognizer([first, second]), RecognitionOptions(language=speech.language)
    async with asyncio.timeout(300), aclosing(chain.connect()) as session, aclosing(session.open(options)) as stream:
        *interim, final = [transcript async for transcript in transcripts_of(stream, pcm, PIECE_S)]
    shown, alone = interim[killed_after - 1].stable, second.finals[0].text
    words = letters if speech.language == "ko" else normalized_words

    def errors(heard: str) -> int:
        return prefix_distances(words(text), words(heard))[-1]

    rest = split_words(alone)
    cuts = [join_words((shown, *rest[cut:])) for cut in range(len(rest) + 1)]
    assert errors(final.text) <= min(map(errors, cuts)), (shown, alone, final.text)
    assert all(after.startswith(before) for before, after in pairwise([each.stable for each in interim]))
    assert final.text.startswith(shown) or final.text == alone
    assert (final.model, final.instead_of is not None) == (stand_in.name, True)
    assert "".join(word.text for word in final.words) == "".join(final.text.split())
    times = [ms for word in final.words for ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[-1] <= len(pcm) / 16
