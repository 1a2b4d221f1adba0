"""NeMo's toolkit, with a tiny model that has learnt four recordings by heart; run by `.ci/torch`."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib.util import find_spec

import pytest
import pytest_asyncio
from tiny_nemo_checks import (
    BOOKS,
    FILES,
    LOCK,
    LOCKED,
    PATIENCE_S,
    TEXTS,
    StreamingChecks,
    final_of,
    heard,
    opened,
    push_all,
    spoken,
)

from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.nemo import NemoRecognizer, load
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler

if find_spec("nemo") is None:
    pytest.skip("needs streamsrv[nemo]; .ci/torch runs these tests", allow_module_level=True)

pytestmark = pytest.mark.asyncio(loop_scope="module")

TINY = ModelEntry("tiny", "recognizer", "nemo", languages=("en",), requires=("nemo", "torch"))
STREAMS = 8
LOAD_S = 600
"""Seconds that the toolkit may take to be imported on a machine that is busy."""


def loaded(**options: object) -> NemoRecognizer:
    given = {"model": str(FILES / "tiny.nemo"), "device": "cpu", "right_context": 1, "streams": STREAMS, **options}
    return load(replace(TINY, options=given), LoadContext(Scheduler(0), {}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recognizer() -> AsyncIterator[NemoRecognizer]:
    recognizer = loaded()
    async with asyncio.timeout(LOAD_S):
        await recognizer.warm_up()
    yield recognizer
    await recognizer.aclose()


class TestStreaming(StreamingChecks):
    """The .nemo file in NeMo's streaming pipeline."""


async def test_the_process_says_what_it_has_loaded(recognizer: NemoRecognizer):
    model = recognizer.process.model
    assert model is not None
    assert (model.chunk_samples, model.token_ms, model.device) == (2560, 80.0, "cpu")
    assert recognizer.process.pid != os.getpid()


async def test_slots_are_freed_by_streams_that_were_closed(recognizer: NemoRecognizer):
    for _ in range(3):
        streams = [recognizer.connect().open(RecognitionOptions()) for _ in range(STREAMS)]
        for stream in streams:
            await push_all(stream, spoken(BOOKS))
        async with asyncio.timeout(PATIENCE_S):
            await anext(aiter(streams[-1]))
        for stream in streams:
            await stream.aclose()
    assert (await heard(recognizer, spoken(LOCKED))).text == TEXTS[LOCKED]


async def test_the_text_is_that_of_the_whole_recording(recognizer: NemoRecognizer):
    """What the model says to whole recordings is what it was trained to say (`make_tiny_nemo.py`)."""
    pcm = spoken(*TEXTS)
    assert (await heard(recognizer, pcm)).text == " ".join(TEXTS.values())


async def test_the_process_is_killed_in_an_utterance_and_the_next_one_works(recognizer: NemoRecognizer):
    """The last test, because the next process takes long to start."""
    pid = recognizer.process.pid
    assert pid is not None
    async with opened(recognizer) as stream:
        await push_all(stream, spoken(BOOKS))
        async with asyncio.timeout(PATIENCE_S):
            await anext(aiter(stream))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(Unavailable, match="The process of tiny has ended"):
            await final_of(stream)
    async with asyncio.timeout(LOAD_S):
        while recognizer.process.model is None:
            await asyncio.sleep(0.1)
    assert (await heard(recognizer, spoken(LOCK))).text == TEXTS[LOCK]


async def test_a_right_context_that_the_model_lacks_is_refused():
    recognizer = loaded(right_context=3)
    async with asyncio.timeout(LOAD_S):
        with pytest.raises(Unavailable, match="its option right_context: 3; accepted by this model: 6, 1"):
            await recognizer.warm_up()
    await recognizer.aclose()
