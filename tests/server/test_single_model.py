"""A server that runs one synthesiser alone, for other servers: here in an engine process, with a fake model."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rest import ask, form, loud, post_json, quiet, wav
from serving import RunningServer, serving
from streamsrv.engines.absent import ABSENT
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.catalogue import CatalogueError, ModelEntry
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.single import single_engines
from streamsrv.engines.startup import load_engines
from streamsrv.engines.tts.base import SpeechOptions, Voice
from streamsrv.engines.tts.failover.synthesizer import FallbackSynthesizer
from streamsrv.engines.tts.process.messages import Load
from streamsrv.engines.tts.process.synthesizer import ProcessSynthesizer
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.settings import Settings

PATIENCE_S = 30
PROCESSES = Path(__file__).parents[1] / "processes"


@pytest.fixture
def synthesizer(monkeypatch: pytest.MonkeyPatch) -> ProcessSynthesizer:
    monkeypatch.setenv("PYTHONPATH", str(PROCESSES))
    return ProcessSynthesizer(
        Load("fake_speech_loop", "fake", {"streams": 1}, {}), name="fake", voices=(Voice("fake"),)
    )


@pytest.fixture
def server(synthesizer: ProcessSynthesizer, tmp_path: Path) -> Iterator[RunningServer]:
    scheduler = Scheduler(1)
    engines = single_engines(
        FallbackSynthesizer({"": [synthesizer]}), scheduler, scheduler, (), Breakers(time.monotonic)
    )
    with serving(engines, only="tts:fake", voice_folder=tmp_path) as running:
        run(running, synthesizer.warm_up())
        yield running
        run(running, synthesizer.aclose())


def run(server: RunningServer, work) -> None:
    asyncio.run_coroutine_threadsafe(work, server.loop).result(PATIENCE_S)


async def test_a_stock_client_hears_it_and_a_client_that_leaves_frees_its_place(
    server: RunningServer, synthesizer: ProcessSynthesizer
):
    async with asyncio.timeout(PATIENCE_S), AsyncOpenAI(base_url=server.http_url, api_key="none") as client:
        for _ in range(2):  # the model speaks one segment at a time
            async with (
                client.audio.speech.with_streaming_response.create(
                    model="fake", voice="fake", input="forever", response_format="pcm"
                ) as response,
                aclosing(response.iter_bytes(4800)) as pieces,
            ):
                assert len(await anext(pieces)) == 4800
            while synthesizer._processes[0].speeches:
                await asyncio.sleep(0.01)
        spoken = await client.audio.speech.create(model="x", voice="fake", input="one two", response_format="pcm")
        assert len(spoken.read()) == 2 * 2 * 2400


async def test_another_server_speaks_with_it_and_its_cancel_and_death_arrive_there(
    server: RunningServer, synthesizer: ProcessSynthesizer
):
    options = {"base_url": server.http_url, "model": "fake", "voices": ["fake"]}
    entry = ModelEntry("far", "synthesizer", "openai_speech", hardware="remote", options=options)
    far = load_engine(entry, LoadContext(Scheduler(0), {}))
    try:
        async with asyncio.timeout(PATIENCE_S):
            async with aclosing(far.stream("forever", SpeechOptions("fake"))) as chunks:
                assert len((await anext(chunks)).pcm)
            while synthesizer._processes[0].speeches:
                await asyncio.sleep(0.01)
            spoken = [chunk.pcm async for chunk in far.stream("one two", SpeechOptions("fake"))]
            assert sum(map(len, spoken)) == 2 * 2400
            with pytest.raises(Unavailable):
                async for _ in far.stream("die", SpeechOptions("fake")):
                    pass
    finally:
        await far.aclose()


async def test_it_has_what_a_synthesiser_is_used_by_and_says_so_where_it_has_not(server: RunningServer):
    for path, below in [
        ("/healthz", ""),
        ("/readyz", ""),
        ("/metrics", ""),
        ("/models", "/v1"),
        ("/audio/voices", "/v1"),
    ]:
        assert (await ask(server, "GET", path, below=below)).status == 200, path
    assert [model["id"] for model in (await ask(server, "GET", "/models")).json["data"]] == ["fake"]
    absent = [("GET", "/", ""), ("POST", "/realtime/calls", "/v1"), ("POST", "/chat/completions", "/v1")]
    for method, path, below in [*absent, ("POST", "/audio/transcriptions", "/v1"), ("GET", "/captions/", "")]:
        answer = await ask(server, method, path, below=below)
        assert answer.status == 404
        assert f"Not Found: {below}{path}. This server runs only the speech synthesiser fake" in answer.error["message"]
        assert "/v1/audio/speech" in answer.error["message"]
    assert (await ask(server, "DELETE", "/audio/speech")).status == 405
    with pytest.raises(InvalidStatus) as refused:
        async with connect(server.realtime_url):
            pass
    assert refused.value.response.status_code == 404
    assert b"This server runs only the speech synthesiser fake" in refused.value.response.body
    unknown = await post_json(server, "/audio/speech", {"input": "Hi.", "voice": "nobody"})
    assert unknown.status == 400
    assert ABSENT not in (await ask(server, "GET", "/metrics", below="")).body.decode().replace('process="none"', "")


async def test_a_voice_is_cloned_there_without_a_detector_of_speech(
    server: RunningServer, caplog: pytest.LogCaptureFixture
):
    server.service.renew_voices()
    sound = wav(quiet(500), loud(7000), quiet(500))
    body, content_type = form(("name", "Anna"), ("consent", "true"), file=sound, name="audio_sample")
    answer = await ask(server, "POST", "/audio/voices", body, {"Content-Type": content_type})
    assert answer.status == 200, answer.body
    assert (await post_json(server, "/audio/speech", {"input": "one", "voice": "Anna"})).status == 200
    assert "does not work" not in caplog.text
    body, content_type = form(("name", "Bob"), ("consent", "true"), file=wav(quiet(8000)), name="audio_sample")
    refused = await ask(server, "POST", "/audio/voices", body, {"Content-Type": content_type})
    assert (refused.status, refused.error["param"]) == (400, "audio_sample")


async def test_nothing_else_is_loaded():
    said: list[str] = []
    engines = await load_engines(Settings(only="tts:hibari"), said.append)
    try:
        assert [held.entries[0].name for held in engines.loaded] == ["hibari"]
        assert [line.split()[1] for line in said] == ["hibari"]
        assert {engines.vad.name, engines.chat.name, engines.recognizer.name} == {ABSENT}
    finally:
        await engines.aclose()


async def test_a_name_that_is_no_synthesiser_is_refused_with_those_that_are():
    with pytest.raises(CatalogueError, match=r"only: 'silero' is not a synthesizer; accepted: .*hibari"):
        await load_engines(Settings(only="tts:silero"), lambda _: None)


@pytest.mark.parametrize("value", ["hibari", "tts:", "asr:silero", "tts:a:b"])
def test_other_values_are_refused(value: str):
    with pytest.raises(ValueError, match="only"):
        Settings(only=value)
