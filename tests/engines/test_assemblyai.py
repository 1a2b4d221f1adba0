"""AssemblyAI's streaming API, over real connections to a protocol server with a real recogniser behind it."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from assemblyai_hearing import BECKETT, EVER_TRIED, Connect, assert_said, connecting, hear, moonshine_tiny, read_beckett
from assemblyai_server import KEY, AssemblyAIServer
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions, Recognizer
from streamsrv.engines.observer import NoObserver
from streamsrv.errors import Rejected
from streamsrv.text.words import bare

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def local() -> Iterator[Recognizer]:
    with moonshine_tiny() as recognizer:
        yield recognizer


@pytest_asyncio.fixture(loop_scope="module")
async def server(local: Recognizer) -> AsyncGenerator[AssemblyAIServer]:
    async with AssemblyAIServer(local).running() as server:
        yield server


@pytest.fixture
def connect(server: AssemblyAIServer) -> Connect:
    return connecting(server)


@pytest.fixture(scope="module")
def beckett() -> NDArray[np.int16]:
    return read_beckett()


async def test_words_times_language_and_end_of_turn(server: AssemblyAIServer, connect: Connect, beckett: Any):
    async with aclosing(connect().connect()) as session:
        transcripts = await hear(session, beckett)
    assert_said(transcripts)
    *partial, final = transcripts
    assert all(transcript.language == "en" for transcript in partial)
    assert all(after.stable.startswith(before.stable) for before, after in pairwise(partial))
    assert final.language == "en"
    assert [bare(word.text) for word in final.words] == [bare(word) for word in BECKETT.split()]
    times = [ms for word in final.words for ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[-1] <= len(beckett) / 16


async def test_the_end_of_turn_of_the_provider_comes_in_the_pause(connect: Connect, beckett: Any):
    speech = np.concatenate([beckett[:EVER_TRIED], np.zeros(SPEECH_RATE_HZ // 2, np.int16)])
    async with aclosing(connect().connect()) as session, aclosing(session.open(RecognitionOptions())) as stream:
        for start in range(0, len(speech), 512):
            stream.push(speech[start : start + 512], speech=start < EVER_TRIED)
        async with asyncio.timeout(60):
            transcripts = [await anext(aiter(stream))]
            while not transcripts[-1].at_pause:
                transcripts.append(await anext(aiter(stream)))
    assert not transcripts[-1].is_final
    assert transcripts[-1].text.lower() == "ever tried"
    assert transcripts[-1].end_of_turn == 0.3


async def test_ten_utterances_are_one_connection_that_is_terminated(
    server: AssemblyAIServer, connect: Connect, beckett: Any
):
    async with aclosing(connect().connect()) as session:
        for _ in range(10):
            assert_said(await hear(session, beckett[:EVER_TRIED]), "Ever tried.")
    assert len(server.seen) == 1
    assert server.seen[0].kinds == ["ForceEndpoint"] * 10 + ["Terminate"]
    assert all(50 <= ms <= 1000 for ms in server.seen[0].frames_ms)


async def test_utterances_may_overlap(connect: Connect, beckett: Any):
    async with aclosing(connect().connect()) as session:
        first, second = await asyncio.gather(hear(session, beckett), hear(session, beckett[:EVER_TRIED]))
    assert_said(first)
    assert_said(second, "Ever tried.")


async def test_keywords_are_sent_and_changed_on_the_open_connection(
    server: AssemblyAIServer, connect: Connect, beckett: Any
):
    speech = beckett[:EVER_TRIED]
    async with aclosing(connect().connect()) as session:
        await hear(session, speech, RecognitionOptions(keywords=("Beckett", "Worstward Ho")))
        await hear(session, speech, RecognitionOptions(keywords=("Beckett", "Worstward Ho")))
        await hear(session, speech)
    [seen] = server.seen
    assert seen.parameters["keyterms_prompt"] == '["Beckett","Worstward Ho"]'
    assert [message for message in seen.messages if message["type"] == "UpdateConfiguration"] == [
        {"type": "UpdateConfiguration", "keyterms_prompt": []}
    ]


async def test_parameters_and_headers_are_those_that_are_published(
    server: AssemblyAIServer, connect: Connect, beckett: Any
):
    async with aclosing(connect(min_turn_silence_ms=500, vad_threshold=0.4).connect()) as session:
        await hear(session, beckett[:EVER_TRIED])
    [seen] = server.seen
    assert seen.headers["Authorization"] == KEY
    assert seen.headers["AssemblyAI-Version"] == "2025-05-12"
    assert seen.parameters == {
        "sample_rate": "16000",
        "encoding": "pcm_s16le",
        "speech_model": "universal-streaming-multilingual",
        "format_turns": "true",
        "end_of_turn_confidence_threshold": "1.0",
        "min_turn_silence": "500",
        "max_turn_silence": "2000",
        "vad_threshold": "0.4",
        "language_detection": "true",
        "inactivity_timeout": "150",
    }


@pytest.mark.parametrize(("keywords", "named"), [((("x" * 51),), "xxx"), (("a",) * 101, "101 keywords"), (("",), "''")])
async def test_keywords_that_the_provider_does_not_accept(connect: Connect, keywords: Any, named: str):
    async with aclosing(connect().connect()) as session:
        with pytest.raises(Rejected, match=f"keywords: .*{named}.*accepted: up to 100") as raised:
            session.open(RecognitionOptions(keywords=keywords))
    assert raised.value.param == "keywords"


async def test_languages_cannot_be_limited(connect: Connect):
    async with aclosing(connect().connect()) as session:
        with pytest.raises(Rejected, match=r"languages: de, en: .*accepted: none, or all"):
            session.open(RecognitionOptions(languages=("de", "en")))


async def test_the_language_of_one_utterance_is_expected_in_the_next(connect: Connect, beckett: Any):
    async with aclosing(connect().connect()) as session:
        await hear(session, beckett[:EVER_TRIED], RecognitionOptions())
        async with aclosing(session.open(RecognitionOptions())) as stream, asyncio.timeout(60):
            stream.push(beckett)
            assert (await anext(aiter(stream))).language == "en"


async def test_messages_of_unknown_types_are_ignored(server: AssemblyAIServer, connect: Connect, beckett: Any):
    server.faults.garbage = '{"type":"Heartbeat","total_audio_received_ms":5}'
    async with aclosing(connect().connect()) as session:
        assert_said(await hear(session, beckett))


async def test_late_answers(server: AssemblyAIServer, connect: Connect, beckett: Any):
    server.faults.held = asyncio.Event()
    async with aclosing(connect().connect()) as session:
        hearing = asyncio.create_task(hear(session, beckett[:EVER_TRIED]))
        await server.audio_came.wait()
        server.faults.held.set()
        assert_said(await hearing, "Ever tried.")


@pytest.mark.parametrize("fault", ["duplicates_finals", "never_formats"])
async def test_finals_that_come_twice_or_unformatted(
    server: AssemblyAIServer, connect: Connect, beckett: Any, fault: str
):
    setattr(server.faults, fault, True)
    async with aclosing(connect().connect()) as session:
        assert_said(await hear(session, beckett))
        assert_said(await hear(session, beckett[:EVER_TRIED]), "Ever tried.")


async def test_turns_that_the_provider_ends_by_itself(server: AssemblyAIServer, connect: Connect, beckett: Any):
    async with aclosing(connect(end_of_turn_confidence_threshold=0.2).connect()) as session:
        assert_said(await hear(session, beckett))


async def test_a_dropped_utterance_and_the_next_one(server: AssemblyAIServer, connect: Connect, beckett: Any):
    async with aclosing(connect().connect()) as session:
        async with aclosing(session.open(RecognitionOptions())) as stream, asyncio.timeout(60):
            stream.push(beckett[: 4 * SPEECH_RATE_HZ])
            await anext(aiter(stream))
        assert_said(await hear(session, beckett[:EVER_TRIED]), "Ever tried.")
    assert len(server.seen) == 1


async def test_the_time_of_connections_is_reported(server: AssemblyAIServer, connect: Connect, beckett: Any):
    class Meter(NoObserver):
        def __init__(self) -> None:
            self.seconds: list[tuple[str, float]] = []

        def connected(self, model: str, seconds: float) -> None:
            self.seconds.append((model, seconds))

    recognizer, meter = connect(), Meter()
    recognizer.observe(meter)
    async with aclosing(recognizer.connect()) as session:
        await hear(session, beckett[:EVER_TRIED])
    [(model, seconds)] = meter.seconds
    assert model == "remote"
    assert seconds > 0


async def test_an_idle_connection_is_ended_and_the_next_utterance_opens_another(
    server: AssemblyAIServer, connect: Connect, beckett: Any
):
    async with aclosing(connect(idle_timeout_s=0.1).connect()) as session:
        assert_said(await hear(session, beckett[:EVER_TRIED]), "Ever tried.")
        async with asyncio.timeout(20):
            while server.seen[0].kinds[-1] != "Terminate":
                await asyncio.sleep(0.01)
        assert_said(await hear(session, beckett[:EVER_TRIED]), "Ever tried.")
    assert len(server.seen) == 2


async def test_a_session_that_is_closed_leaves_nothing_behind(connect: Connect, beckett: Any):
    tasks = asyncio.all_tasks()
    async with aclosing(connect().connect()) as session, aclosing(session.open(RecognitionOptions())) as stream:
        stream.push(beckett)
        async with asyncio.timeout(60):
            await anext(aiter(stream))
    left = {task.get_name() for task in asyncio.all_tasks() - tasks}
    assert not any("remote" in name for name in left), left
