"""Distil-Whisper through the real converter and the real loading code, on a tiny model with random weights.

It has 128 mel bands and a decoder of two layers, as distil-large-v3 has, and writes letters at random. It shows that
such a model loads, decodes, streams, times words and keeps its limits. `fixtures/make_tiny_distil_whisper.py` made it.
"""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("faster_whisper", reason="needs streamsrv[whisper]")

from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions, Transcript
from streamsrv.engines.asr.faster_whisper import load
from streamsrv.engines.asr.whisper.decoder import WhisperDecoder
from streamsrv.engines.asr.whisper.model import OpenedModel, open_model
from streamsrv.engines.asr.whisper.model_files import ModelFacts, ModelFiles
from streamsrv.engines.asr.windows.incremental import Decode, IncrementalRecognizer
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.inference.scheduler import Priority, Scheduler

FIXTURES = Path(__file__).parents[2] / "fixtures"
TINY_RANDOM = FIXTURES / "tiny-random-distil-whisper"
ENTRY = ModelEntry("tiny-random-distil", "recognizer", "faster_whisper", languages=("en",))
FULL_FRAMES = 3000


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    scheduler = Scheduler(2)
    yield scheduler
    scheduler.close()


@pytest.fixture(scope="module")
def opened() -> OpenedModel:
    return open_model(ModelFiles({}, TINY_RANDOM), "cpu", "auto", 1, print)


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_audio(FIXTURES / "block_books.flac", SPEECH_RATE_HZ)


def recognizer(scheduler: Scheduler, folder: Path = TINY_RANDOM, **options: Any) -> IncrementalRecognizer:
    entry = replace(ENTRY, options={"folder": str(folder), "device": "cpu", **options})
    return load(entry, LoadContext(scheduler, {}))


async def recognize(one: IncrementalRecognizer, pcm: np.ndarray, **options: Any) -> Transcript:
    async with asyncio.timeout(60), aclosing(one.connect().open(RecognitionOptions(**options))) as stream:
        for start in range(0, len(pcm), 512):
            stream.push(pcm[start : start + 512])
            await asyncio.sleep(0)
        stream.finish()
        *_, final = [transcript async for transcript in stream]
    return final


def test_a_tiny_random_model_has_the_sizes_of_its_files(opened):
    assert opened.facts == ModelFacts(width=32, decoder_layers=2, mel_bands=128, tokens=1779)
    assert opened.features(np.zeros(SPEECH_RATE_HZ, np.float32)).shape == (128, 101)


async def test_a_tiny_random_model_streams_with_word_times_and_log_probabilities(scheduler, speech):
    final = await recognize(recognizer(scheduler), speech, logprobs=True)
    assert final.text
    assert (final.is_final, final.language) == (True, "en")
    assert "".join(each.token for each in final.logprobs).strip() == final.text
    assert [word.text for word in final.words] == final.text.split()
    times = [ms for word in final.words for ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert all(0 <= ms <= len(speech) / 16 for ms in times)


async def test_a_tiny_random_model_writes_no_more_than_can_be_said(opened, speech):
    decoder = WhisperDecoder(opened)
    for pcm in (speech[:1600], speech, np.resize(speech, 28 * SPEECH_RATE_HZ)):
        [heard] = decoder.decode([Decode(pcm, RecognitionOptions(), Priority.FINAL, is_complete=True)])
        assert 0 < len(heard.text) <= 10 * len(pcm) / SPEECH_RATE_HZ + 8


@pytest.mark.parametrize("options", [{"prompt": "p" * 2000}, {"keywords": ("k" * 300, "w" * 300)}])
async def test_a_tiny_random_model_takes_hints_of_any_length(scheduler, speech, options):
    assert (await recognize(recognizer(scheduler), speech, **options)).text


async def test_a_tiny_random_model_needs_no_preprocessor_config(scheduler, speech, tmp_path: Path):
    shutil.copytree(TINY_RANDOM, tmp_path, dirs_exist_ok=True)
    (tmp_path / "preprocessor_config.json").unlink()
    assert (await recognize(recognizer(scheduler, tmp_path), speech)).text


class Looping:
    """A model of CTranslate2 that notes how many frames it encodes, and writes a loop if they are few."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.frames: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, features: Any) -> Any:
        self.frames.append(features.shape[-1])
        return self._model.encode(features)

    def generate(self, encoded: Any, prompts: list[list[int]], **options: Any) -> list[Any]:
        if self.frames[-1] == FULL_FRAMES:
            return self._model.generate(encoded, prompts, **options)
        return [SimpleNamespace(sequences_ids=[[66] * 50], scores=[-0.1], no_speech_prob=0.01)]


def test_a_size_whose_short_windows_were_never_measured_gets_the_full_window_when_it_repeats_itself(opened, speech):
    looping = Looping(opened.whisper)
    decoder = WhisperDecoder(replace(opened, whisper=looping))
    [heard] = decoder.decode([Decode(speech, RecognitionOptions(), Priority.FINAL)])
    assert looping.frames[0] < FULL_FRAMES
    assert looping.frames[1:] == [FULL_FRAMES]
    assert len(heard.text) > 20


async def test_a_tiny_random_model_decodes_the_windows_of_several_streams_in_batches(scheduler, speech):
    one = recognizer(scheduler, batch=4)
    together = await asyncio.gather(*(recognize(one, speech[: n * SPEECH_RATE_HZ]) for n in (1, 3, 5)))
    assert all(each.is_final and each.text for each in together)
