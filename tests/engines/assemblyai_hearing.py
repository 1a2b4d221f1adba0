"""A recogniser of AssemblyAI's streaming API whose provider is the protocol server, and what is said to it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import numpy as np
import pytest
from assemblyai_server import KEY, AssemblyAIServer
from numpy.typing import NDArray

from recordings import recording
from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import level_dbfs
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr import assemblyai
from streamsrv.engines.asr.assemblyai import AssemblyAIRecognizer
from streamsrv.engines.asr.base import RecognitionOptions, RecognitionSession, Recognizer, Transcript
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader, LoadContext
from streamsrv.engines.model_entry import ModelEntry
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.word_errors import count_word_errors

BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
EVER_TRIED = 1600 * 16
"""Samples of its first sentence."""
Connect = Callable[..., AssemblyAIRecognizer]


async def hear(
    session: RecognitionSession, pcm: NDArray[np.int16], options: RecognitionOptions | None = None
) -> list[Transcript]:
    """Give all of the audio at once, in frames of 32 ms, and return the transcripts."""
    async with aclosing(session.open(options or RecognitionOptions(language="en"))) as stream, asyncio.timeout(60):
        for start in range(0, len(pcm), 512):
            frame = pcm[start : start + 512]
            stream.push(frame, speech=level_dbfs(frame) > -45)
            await asyncio.sleep(0)
        stream.finish()
        return [transcript async for transcript in stream]


def assert_said(transcripts: list[Transcript], text: str = BECKETT) -> None:
    assert transcripts[-1].is_final
    assert not count_word_errors(text, transcripts[-1].text).errors, transcripts[-1].text


@contextmanager
def moonshine_tiny() -> Iterator[Recognizer]:
    """The recogniser of the server; skips the test if its package or its weights are missing."""
    catalogue, scheduler = load_catalogue(), Scheduler(2)
    loader = EngineLoader(catalogue, ModelStore(), scheduler)
    if lacking := loader.needs(catalogue["moonshine-tiny"]):
        pytest.skip(f"moonshine-tiny needs {', '.join(map(str, lacking))}")
    yield loader.load(catalogue["moonshine-tiny"])
    scheduler.close()


def connecting(server: AssemblyAIServer) -> Connect:
    """Loads the recogniser for a server, with options of the entry."""

    def connect(key: str = KEY, **options: Any) -> AssemblyAIRecognizer:
        scheduler: Any = None  # it has no blocking calls
        # A slow machine is no fault of the provider.
        patient = {"stall_deadline_s": 120.0, "final_deadline_s": 120.0}
        entry = ModelEntry("remote", "recognizer", "assemblyai", options={"base_url": server.url, **patient, **options})
        return assemblyai.load(entry, LoadContext(scheduler, {}, key))

    return connect


def read_beckett() -> NDArray[np.int16]:
    return read_audio(recording("beckett.wav"), SPEECH_RATE_HZ)
