"""Hibari's voice, whose model also tells when it says each word."""

from collections.abc import AsyncIterator

import numpy as np
import pytest

from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.tts.base import SpeechOptions, SpokenWord, Synthesizer
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler

TEXT = "It costs three dollars, and no more. Doctor Smith's well-known friend pays."
PAUSE_MS = 300
"""More than the pause after a sentence."""


@pytest.fixture(scope="module")
def voice():
    entry = load_catalogue()["hibari"]
    if lacking := needs(entry, ModelStore()):
        pytest.skip(f"hibari is not ready: {lacking[0]}")
    scheduler = Scheduler(1)
    yield load_engine(entry, LoadContext(scheduler, {}))
    scheduler.close()


async def spoken(voice: Synthesizer, text: str, speed: float = 1.0) -> tuple[np.ndarray, list[SpokenWord]]:
    chunks = [chunk async for chunk in _stream(voice, text, speed)]
    return np.concatenate([chunk.pcm for chunk in chunks]), [word for chunk in chunks for word in chunk.words]


def _stream(voice: Synthesizer, text: str, speed: float) -> AsyncIterator:
    return voice.stream(text, SpeechOptions(speed=speed))


def duration_ms(voice: Synthesizer, pcm: np.ndarray) -> float:
    return 1000 * len(pcm) / voice.sample_rate


async def test_every_word_of_the_text_has_a_time(voice):
    pcm, words = await spoken(voice, TEXT)
    assert [word.text for word in words] == TEXT.split()
    times = [ms for word in words for ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert words[0].start_ms < 60
    assert 0 < duration_ms(voice, pcm) - words[-1].end_ms < PAUSE_MS + 100


async def test_sentences_follow_one_another_in_time(voice):
    _, words = await spoken(voice, TEXT)
    ends_sentence, begins_sentence = words[6], words[7]
    assert begins_sentence.start_ms - ends_sentence.end_ms >= 200


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
async def test_word_times_follow_the_pace(voice, speed: float):
    pcm, words = await spoken(voice, TEXT, speed)
    assert [word.text for word in words] == TEXT.split()
    assert words[-1].start_ms < words[-1].end_ms <= duration_ms(voice, pcm)
    assert duration_ms(voice, pcm) - words[-1].end_ms < (PAUSE_MS + 100) / min(speed, 1)


async def test_the_audio_is_that_of_its_package(voice):
    from hibari import Hibari

    from streamsrv.engines.tts.hibari_voice.model import HibariModel
    from streamsrv.engines.tts.hibari_voice.phonemes import joined

    ours, theirs = HibariModel("heart"), Hibari()
    [sentence] = ours.sentences("It is well-known, isn't it?")
    words = ours.words(sentence)
    assert [joined(words)] == theirs.phonemize(sentence)
    samples, _ = ours.speak(words, 1.0, seed=0)
    np.testing.assert_array_equal(samples, theirs.from_phonemes(joined(words), 1.0, 0))
