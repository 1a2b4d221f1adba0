"""XTTS in its process behind the server, with a tiny model of random weights; run by `.ci/torch`."""

import asyncio
import os
import signal
import wave
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_xtts import LANGUAGES, SPEAKERS, make_tiny_xtts, narrow_vocoder

from rest import post_json
from serving import RunningServer, serving
from streamsrv.audio.files import read_audio
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.model_entry import ModelEntry
from streamsrv.engines.tts import xtts
from streamsrv.engines.tts.base import ReferenceVoice, SpeechChunk, SpeechOptions
from streamsrv.engines.tts.failover.synthesizer import FallbackSynthesizer
from streamsrv.engines.tts.process.synthesizer import ProcessSynthesizer
from streamsrv.errors import Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import fake_engines

if find_spec("TTS") is None:
    pytest.skip("needs streamsrv[xtts]; .ci/torch runs these tests", allow_module_level=True)

PATIENCE_S = 600
"""Seconds that the packages may take to be imported on a machine that is busy."""
FIRST, SECOND, THIRD = SPEAKERS
TEXT = "one two three four five six seven"
RECORDING = Path(__file__).parents[2] / "fixtures" / "is_the_front_door_locked.flac"
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(scope="module")
def synthesizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessSynthesizer]:
    with pytest.MonkeyPatch.context() as patch, narrow_vocoder():
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setattr(xtts, "MODULE", "tiny_xtts")
        folder = make_tiny_xtts(tmp_path_factory.mktemp("tiny-random-xtts"))
        options = {"folder": str(folder), "device": "cpu", "streams": 3, "top_k": 1}
        entry = ModelEntry("tiny", "synthesizer", "xtts", options=options)
        yield load_engine(entry, LoadContext(Scheduler(0), {}))


@pytest.fixture(scope="module")
def server(synthesizer: ProcessSynthesizer) -> Iterator[RunningServer]:
    engines = fake_engines(synthesizer=FallbackSynthesizer({"": [synthesizer]}))
    with serving(engines) as running:
        asyncio.run_coroutine_threadsafe(synthesizer.warm_up(), running.loop).result(PATIENCE_S)
        yield running
        asyncio.run_coroutine_threadsafe(synthesizer.aclose(), running.loop).result(60)


@pytest.fixture
def run(server: RunningServer) -> Run:
    """Runs a coroutine on the server's event loop, where the process belongs."""
    return lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, server.loop).result(PATIENCE_S)


async def chunks_of(
    synthesizer: ProcessSynthesizer, text: str, voice: str = FIRST, most: int = 1000
) -> list[NDArray[np.int16]]:
    found: list[NDArray[np.int16]] = []
    stream: AsyncIterator[SpeechChunk]
    async with aclosing(synthesizer.stream(text, SpeechOptions(voice=voice))) as stream:
        async for chunk in stream:
            found.append(chunk.pcm)
            if len(found) == most:
                break
    return found


def test_the_process_says_what_it_has_loaded(server: RunningServer, synthesizer: ProcessSynthesizer):
    assert [(voice.name, voice.gender) for voice in synthesizer.voices] == [
        (FIRST, "female"),
        (SECOND, "male"),
        (THIRD, ""),
    ]
    assert synthesizer.voices[0].languages == {code.partition("-")[0] for code in LANGUAGES}
    assert (synthesizer.sample_rate, synthesizer.clones_voices) == (24_000, True)
    assert (synthesizer.min_speed, synthesizer.max_speed) == (0.25, 4.0)


def test_segments_at_the_same_time_are_what_they_are_alone(run: Run, synthesizer: ProcessSynthesizer):
    wanted = [("yes", FIRST), (TEXT, SECOND), ("yes", THIRD), ("perhaps", FIRST)]

    async def together() -> list[list[NDArray[np.int16]]]:
        return await asyncio.gather(*(chunks_of(synthesizer, *each) for each in wanted))

    alone = [run(chunks_of(synthesizer, *each)) for each in wanted]
    for one, other in zip(alone, run(together()), strict=True):
        assert len(one) > 1
        np.testing.assert_allclose(np.concatenate(one), np.concatenate(other), atol=1)


def test_closed_streams_make_room_for_the_next_ones(run: Run, synthesizer: ProcessSynthesizer):
    for _ in range(8):
        assert len(run(chunks_of(synthesizer, TEXT, most=1))) == 1
    assert run(chunks_of(synthesizer, "yes"))


def test_a_wrong_voice_is_the_callers_fault_and_a_text_without_words_is_silence(
    run: Run, synthesizer: ProcessSynthesizer
):
    with pytest.raises(Rejected, match="voice: 'Alloy'; accepted: Ana Florence"):
        run(chunks_of(synthesizer, "yes", "Alloy"))
    assert run(chunks_of(synthesizer, "...")) == []


async def test_speech_is_streamed_over_http(server: RunningServer):
    asked = {"model": "any", "voice": SECOND, "input": "Hello there. I am here.", "response_format": "pcm"}
    answer = await post_json(server, "/audio/speech", asked)
    assert (answer.status, answer.headers["transfer-encoding"]) == (200, "chunked")
    assert len(answer.body) > 20_000


def test_a_recording_is_spoken_with(run: Run, synthesizer: ProcessSynthesizer, tmp_path: Path):
    pcm = np.tile(read_audio(RECORDING, 24_000), 4)
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(pcm.tobytes())

    async def spoken(options: SpeechOptions) -> NDArray[np.int16]:
        return np.concatenate([chunk.pcm async for chunk in synthesizer.stream(TEXT, options)])

    cloned = run(spoken(SpeechOptions(reference=ReferenceVoice("voice-1", path))))
    named = run(spoken(SpeechOptions(voice=FIRST)))
    assert cloned.size > 1000
    assert cloned.size != named.size or np.abs(cloned.astype(int) - named).max() > 2


def test_a_process_that_is_killed_ends_its_segments_with_an_error(run: Run, synthesizer: ProcessSynthesizer):
    async def kill_in_a_segment() -> None:
        async with aclosing(synthesizer.stream(TEXT, SpeechOptions(voice=FIRST))) as stream:
            await anext(stream)
            os.kill(synthesizer.pids[0], signal.SIGKILL)
            async for _ in stream:
                pass

    with pytest.raises(Unavailable, match="tiny"):
        run(kill_in_a_segment())
