"""Every real recogniser is killed in the middle of real speech, with another real one behind it.

The transcript has no more word errors than what was shown of the first one and the second one's own transcript have
together: a word that is lost or doubled where one follows the other would be one more.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from test_recognizers import BECKETT, SPEECH_DBFS, TWO_CITIES, frames

from recordings import recording
from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import level_dbfs
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions, RecognitionStream, Recognizer, StatelessSession, Transcript
from streamsrv.engines.asr.fallback import FallbackRecognizer
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.word_errors import count_word_errors, normalized_words, prefix_distances

CATALOGUE = load_catalogue()
STAND_INS = ("moonshine-tiny", "moonshine-base", "whisper-tiny.en")
RECORDINGS = {"beckett.wav": (BECKETT, 6.0), "two_cities.wav": (TWO_CITIES, 20.0)}
"""The text of each recording, and the second at which the recogniser is killed."""
ENGLISH = RecognitionOptions(language="en")

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Watched:
    """`recognizer`, whose streams die after `seconds` of audio, and whose final transcripts are in `finals`."""

    def __init__(self, recognizer: Recognizer, seconds: float = math.inf) -> None:
        self.name = recognizer.name
        self.abilities = recognizer.abilities
        self.warm_up = recognizer.warm_up
        self.aclose = recognizer.aclose
        self.samples_left = seconds * SPEECH_RATE_HZ
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


@pytest.fixture(scope="module", params=[entry.name for entry in CATALOGUE.entries("recognizer")])
def recognizer(request: pytest.FixtureRequest, loader: EngineLoader) -> Recognizer:
    entry = CATALOGUE[request.param]
    if entry.languages and "en" not in entry.languages:
        pytest.skip(f"{entry.name} does not know the language of the recordings")
    if lacking := loader.needs(entry):
        pytest.skip(f"{entry.name} needs {', '.join(map(str, lacking))}")
    return loader.load(entry)


@pytest.fixture(scope="module")
def stand_in(recognizer: Recognizer, loader: EngineLoader) -> Recognizer:
    for name in STAND_INS:
        if name != recognizer.name and not loader.needs(CATALOGUE[name]):
            return loader.load(CATALOGUE[name])
    pytest.skip(f"no other recogniser than {recognizer.name} is ready to take its place")


async def speak(stream: RecognitionStream, pcm: NDArray[np.int16]) -> list[Transcript]:
    """Push in pieces and wait for a transcript after each, as a listener in real time would see one; return all."""
    heard: list[Transcript] = []
    pieces = list(frames(pcm, [2 * SPEECH_RATE_HZ]))
    for piece in pieces:
        for frame in frames(piece):
            stream.push(frame, speech=level_dbfs(frame) > SPEECH_DBFS)
            await asyncio.sleep(0)
        if piece is not pieces[-1]:
            heard.append(await anext(aiter(stream)))
    stream.finish()
    return heard + [transcript async for transcript in stream]


@pytest.mark.parametrize("name", ["beckett.wav", pytest.param("two_cities.wav", marks=pytest.mark.slow)])
async def test_no_word_is_lost_or_doubled(recognizer: Recognizer, stand_in: Recognizer, name: str):
    reference, seconds = RECORDINGS[name]
    pcm = read_audio(recording(name), SPEECH_RATE_HZ)
    second = Watched(stand_in)
    chain = FallbackRecognizer([Watched(recognizer, seconds), second])
    async with asyncio.timeout(300), aclosing(chain.connect()) as session, aclosing(session.open(ENGLISH)) as stream:
        *interim, final = await speak(stream, pcm)
    own_errors = count_word_errors(reference, second.finals[0].text).errors
    shown = [transcript.stable for transcript in interim[: int(seconds / 2)]][-1]
    shown_errors = min(prefix_distances(normalized_words(shown), normalized_words(reference)))
    errors = count_word_errors(reference, final.text).errors
    assert errors <= shown_errors + own_errors, (shown, second.finals[0].text, final.text)
    assert all(after.startswith(before) for before, after in pairwise([each.stable for each in interim]))
    assert final.text.startswith(shown)
    assert (final.model, final.instead_of is not None) == (stand_in.name, True)
    assert [word.text for word in final.words] == final.text.split()
    times = [ms for word in final.words for ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[-1] <= len(pcm) / 16
