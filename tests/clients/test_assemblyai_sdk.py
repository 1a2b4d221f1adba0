"""AssemblyAI's own package passes against the protocol server of the tests, so the server is checked by its clients."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from assemblyai.streaming.v3 import (
    AsyncRealTimeTranscriber,
    BeginEvent,
    RealTimeError,
    RealTimeEvents,
    RealTimeParameters,
    RealTimeSessionParameters,
    RealTimeTranscriber,
    RealTimeTranscriberOptions,
    SpeechModel,
    TerminationEvent,
    TurnEvent,
)
from assemblyai_server import KEY, AssemblyAIServer

from recordings import recording
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.word_errors import count_word_errors

BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
PARAMETERS = RealTimeParameters(
    sample_rate=SPEECH_RATE_HZ,
    speech_model=SpeechModel.universal_streaming_multilingual,
    format_turns=True,
    language_detection=True,
    keyterms_prompt=["Beckett", "Worstward Ho"],
)
KINDS = (RealTimeEvents.Begin, RealTimeEvents.Turn, RealTimeEvents.Termination, RealTimeEvents.Error)


@pytest.fixture
async def server() -> AsyncGenerator[AssemblyAIServer]:
    catalogue, scheduler = load_catalogue(), Scheduler(2)
    loader = EngineLoader(catalogue, ModelStore(), scheduler)
    if lacking := loader.needs(catalogue["moonshine-tiny"]):
        pytest.skip(f"moonshine-tiny needs {', '.join(map(str, lacking))}")
    server = AssemblyAIServer(loader.load(catalogue["moonshine-tiny"]))
    async with server.running():
        yield server
    scheduler.close()


def options(server: AssemblyAIServer, key: str = KEY) -> RealTimeTranscriberOptions:
    return RealTimeTranscriberOptions(api_key=key, api_host=server.url, connect_timeout=20, terminate_timeout=60)


def chunks() -> list[bytes]:
    pcm = read_audio(recording("beckett.wav"), SPEECH_RATE_HZ)
    return [pcm[start : start + 1600].tobytes() for start in range(0, len(pcm) - 1599, 1600)]


def assert_conversation(events: list[Any]) -> None:
    begin, *turns, termination = events
    assert isinstance(begin, BeginEvent)
    assert isinstance(termination, TerminationEvent)
    assert all(isinstance(turn, TurnEvent) for turn in turns)
    formatted = [turn.transcript for turn in turns if turn.turn_is_formatted]
    assert not count_word_errors(BECKETT, " ".join(formatted)).errors, formatted
    ended = [turn for turn in turns if turn.end_of_turn]
    assert all(turn.language_code == "en" for turn in ended)
    assert all(word.word_is_final and word.end >= word.start for turn in ended for word in turn.words)
    assert [turn.turn_order for turn in turns] == sorted(turn.turn_order for turn in turns)


async def test_the_asynchronous_client(server: AssemblyAIServer):
    events: list[Any] = []
    client = AsyncRealTimeTranscriber(options(server))
    for kind in KINDS:
        client.on(kind, lambda _, event: events.append(event))
    async with asyncio.timeout(120):
        await client.connect(PARAMETERS)
        await client.stream(chunks())
        await client.set_params(RealTimeSessionParameters(max_turn_silence=900, keyterms_prompt=[]))
        await client.keep_alive()
        await client.force_endpoint()
        await client.disconnect(terminate=True)
    assert_conversation(events)
    [seen] = server.seen
    assert seen.kinds == ["UpdateConfiguration", "KeepAlive", "ForceEndpoint", "Terminate"]
    assert seen.parameters["format_turns"] == "True"
    assert set(seen.frames_ms) == {100}


async def test_the_client_with_threads(server: AssemblyAIServer):
    events: list[Any] = []

    def converse() -> None:
        client = RealTimeTranscriber(options(server))
        for kind in KINDS:
            client.on(kind, lambda _, event: events.append(event))
        client.connect(PARAMETERS)
        client.stream(chunks())
        client.disconnect(terminate=True)

    async with asyncio.timeout(120):
        await asyncio.to_thread(converse)
    assert_conversation(events)


@pytest.mark.parametrize(
    ("key", "parameters", "chunk_ms", "code"),
    [
        ("wrong", PARAMETERS, 100, 1008),
        (KEY, RealTimeParameters(sample_rate=SPEECH_RATE_HZ), 100, 3006),
        (KEY, PARAMETERS, 20, 3007),
        (KEY, PARAMETERS, 1100, 3007),
    ],
)
async def test_its_errors_have_the_published_codes(
    server: AssemblyAIServer, key: str, parameters: RealTimeParameters, chunk_ms: int, code: int
):
    errors: list[RealTimeError] = []
    failed = asyncio.Event()
    client = AsyncRealTimeTranscriber(options(server, key))
    client.on(RealTimeEvents.Error, lambda _, error: (errors.append(error), failed.set()))
    async with asyncio.timeout(60):
        await client.connect(parameters)
        await client.stream(bytes(32 * chunk_ms))
        await failed.wait()
        await client.disconnect()
    assert errors[0].code == code
