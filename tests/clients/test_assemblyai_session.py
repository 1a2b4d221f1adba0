"""Whole sessions whose words come from AssemblyAI's protocol, with a local recogniser as the stand-in."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from assemblyai_server import KEY, AssemblyAIServer

from recordings import recording
from serving import RunningServer, serving
from streamsrv.audio.files import read_audio
from streamsrv.engines.asr.base import Recognizer
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.recognizers import Recognizers
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import fake_engines
from streamsrv.testing.word_errors import count_word_errors
from wire import wire

BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
RATE = 24_000
COMPLETED = "conversation.item.input_audio_transcription.completed"


@pytest.fixture(scope="module")
def loader() -> Generator[EngineLoader]:
    scheduler = Scheduler(2)
    loader = EngineLoader(load_catalogue(), ModelStore(), scheduler)
    if lacking := loader.needs(loader.catalogue["moonshine-tiny"]):
        pytest.skip(f"moonshine-tiny needs {', '.join(map(str, lacking))}")
    yield loader
    scheduler.close()


@pytest.fixture
async def provider(loader: EngineLoader) -> AsyncGenerator[AssemblyAIServer]:
    provider = AssemblyAIServer(loader.load(loader.catalogue["moonshine-tiny"]))
    async with provider.running():
        yield provider


@contextmanager
def served(
    loader: EngineLoader, provider: AssemblyAIServer, monkeypatch: pytest.MonkeyPatch
) -> Generator[RunningServer]:
    monkeypatch.setenv("ASSEMBLYAI_API_KEY", KEY)
    options = {"base_url": provider.url, "stall_deadline_s": 120.0, "final_deadline_s": 120.0}
    remote: Recognizer = loader.load(replace(loader.catalogue["assemblyai"], options=options))
    local: Recognizer = loader.load(loader.catalogue["moonshine-tiny"])
    chain = Recognizers([remote, local], Breakers(time.monotonic))
    with serving(replace(fake_engines(), recognizers=chain)) as server:
        yield server


async def transcribe(server: RunningServer, times: int = 1) -> list[dict]:
    """Speak the recording so often, each time as one item, and return what was completed."""
    pcm = read_audio(recording("beckett.wav"), RATE)
    completed: list[dict] = []
    async with wire(f"{server.realtime_url}?intent=transcription") as client, asyncio.timeout(120):
        await client.send("session.update", session={"audio": {"input": {"turn_detection": None}}})
        for _ in range(times):
            for start in range(0, len(pcm), RATE // 10):
                await client.append(np.ascontiguousarray(pcm[start : start + RATE // 10]).tobytes())
            await client.send("input_audio_buffer.commit")
            completed.append(await client.until(COMPLETED))
    await server.without_sessions()
    return completed


async def test_the_words_of_three_items_come_over_one_connection(
    loader: EngineLoader, provider: AssemblyAIServer, monkeypatch: pytest.MonkeyPatch
):
    with served(loader, provider, monkeypatch) as server:
        for event in await transcribe(server, times=3):
            assert not count_word_errors(BECKETT, event["transcript"]).errors, event
    assert len(provider.seen) == 1
    assert provider.seen[0].kinds[-1] == "Terminate"


@pytest.mark.parametrize("fault", ["closes", "key", "garbage"])
async def test_no_word_is_lost_when_the_provider_fails(
    loader: EngineLoader, provider: AssemblyAIServer, monkeypatch: pytest.MonkeyPatch, fault: str
):
    match fault:
        case "closes":
            provider.faults.closes_after_ms.extend([(4500, None)] * 10)
        case "key":
            provider.faults.error_at_start.extend([(1008, "Unauthorized Connection: Invalid API key")] * 10)
        case _:
            provider.faults.garbage = "<html>"
    with served(loader, provider, monkeypatch) as server:
        [event] = await transcribe(server)
    assert not count_word_errors(BECKETT, event["transcript"]).errors, event
