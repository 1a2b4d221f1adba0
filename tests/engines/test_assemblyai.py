"""AssemblyAI's streaming API, over real connections to a protocol server with a real recogniser behind it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
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
from streamsrv.engines.observer import NoObserver
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.word_errors import count_word_errors
from streamsrv.text.words import bare

BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
EVER_TRIED = 1600 * 16
"""Samples of its first sentence."""
Connect = Callable[..., AssemblyAIRecognizer]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def local() -> Iterator[Recognizer]:
    """The recogniser of the server."""
    catalogue, scheduler = load_catalogue(), Scheduler(2)
    loader = EngineLoader(catalogue, ModelStore(), scheduler)
    if lacking := loader.needs(catalogue["moonshine-tiny"]):
        pytest.skip(f"moonshine-tiny needs {', '.join(map(str, lacking))}")
    yield loader.load(catalogue["moonshine-tiny"])
    scheduler.close()


@pytest_asyncio.fixture(loop_scope="module")
async def server(local: Recognizer) -> AsyncGenerator[AssemblyAIServer]:
    server = AssemblyAIServer(local)
    async with server.running():
        yield server


@pytest.fixture
def connect(server: AssemblyAIServer) -> Connect:
    def connect(key: str = KEY, **options: Any) -> AssemblyAIRecognizer:
        scheduler: Any = None  # it has no blocking calls
        # A slow machine is no fault of the provider.
        patient = {"stall_deadline_s": 120.0, "final_deadline_s": 120.0}
        entry = ModelEntry("remote", "recognizer", "assemblyai", options={"base_url": server.url, **patient, **options})
        return assemblyai.load(entry, LoadContext(scheduler, {}, key))

    return connect


@pytest.fixture(scope="module")
def beckett() -> NDArray[np.int16]:
    return read_audio(recording("beckett.wav"), SPEECH_RATE_HZ)


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


@pytest.mark.parametrize("code", [None, 3005, 3008])
async def test_a_connection_lost_in_a_word_loses_and_doubles_no_word(
    server: AssemblyAIServer, connect: Connect, beckett: Any, code: int | None
):
    server.faults.closes_after_ms.append((4500, code))
    async with aclosing(connect().connect()) as session:
        transcripts = await hear(session, beckett)
    assert_said(transcripts)
    partial = transcripts[:-1]
    assert all(after.stable.startswith(before.stable) for before, after in pairwise(partial))
    assert len(server.seen) == 2


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


async def failure(recognizer: AssemblyAIRecognizer, pcm: Any) -> EngineError:
    async with aclosing(recognizer.connect()) as session:
        with pytest.raises(EngineError) as raised:
            await hear(session, pcm[:EVER_TRIED])
    return raised.value


@pytest.mark.parametrize("code", [1008, 4001, 401, 403])
async def test_a_refused_key(server: AssemblyAIServer, connect: Connect, beckett: Any, code: int):
    if code < 1000:
        server.faults.http_status.append(code)
    else:
        server.faults.error_at_start.append((code, f"Unauthorized: {KEY}"))
    error = await failure(connect(), beckett)
    assert isinstance(error, Unavailable)
    assert error.refuses_key
    assert KEY not in str(error)
    assert len(server.seen) == (code >= 1000)


@pytest.mark.parametrize("key", ["ключ", "two\nlines"])
async def test_a_key_that_is_none(connect: Connect, key: str):
    with pytest.raises(Unavailable, match="characters that no key has") as raised:
        connect(key)
    assert key not in str(raised.value)


async def test_the_language_of_one_utterance_is_expected_in_the_next(connect: Connect, beckett: Any):
    async with aclosing(connect().connect()) as session:
        await hear(session, beckett[:EVER_TRIED], RecognitionOptions())
        async with aclosing(session.open(RecognitionOptions())) as stream, asyncio.timeout(60):
            stream.push(beckett)
            assert (await anext(aiter(stream))).language == "en"


async def test_a_provider_that_cannot_be_reached_does_not_stop_the_warm_up(
    server: AssemblyAIServer, connect: Connect, caplog: Any
):
    await connect(base_url="ws://127.0.0.1:9").warm_up()
    server.faults.error_at_start.append((3009, "Too many concurrent sessions"))
    await connect().warm_up()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "remote: cannot be reached.",
        "remote: Too many concurrent sessions.",
    ]


async def test_a_wrong_key_stops_the_warm_up(connect: Connect):
    with pytest.raises(Unavailable) as raised:
        await connect("wrong").warm_up()
    assert raised.value.refuses_key


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1008, "Unauthorized Connection: Too many concurrent sessions"),
        (3009, "Too many concurrent sessions"),
        (4029, "Client sent audio too fast"),
        (429, ""),
    ],
)
async def test_a_rate_limit(server: AssemblyAIServer, connect: Connect, beckett: Any, code: int, message: str):
    if code == 429:
        server.faults.http_status.append(code)
    else:
        server.faults.error_at_start.append((code, message))
    assert isinstance(await failure(connect(), beckett), Overloaded)


@pytest.mark.parametrize(
    "garbage",
    [
        "<html>502 Bad Gateway</html>",
        "[]",
        "{}",
        '{"type":"Turn"}',
        '{"type":"Turn","turn_order":"0","end_of_turn":true,"transcript":"x","words":[]}',
        '{"type":"Turn","turn_order":-1,"end_of_turn":true,"transcript":"x","words":[]}',
        '{"type":"Turn","turn_order":0,"end_of_turn":true,"transcript":"x","words":[{"text":"x","start":-1,"end":2}]}',
        '{"type":"Turn","turn_order":0,"end_of_turn":true,"transcript":"x","end_of_turn_confidence":NaN,"words":[]}',
        b"\x00\x01",
        '{"type":"Turn","padding":"' + "x" * (1 << 21) + '"}',
        '{"type":' * 100_000,
    ],
    ids=lambda garbage: str(garbage)[:40],
)
async def test_garbage(server: AssemblyAIServer, connect: Connect, beckett: Any, garbage: str | bytes):
    server.faults.garbage = garbage
    error = await failure(connect(), beckett)
    assert type(error) is Unavailable
    assert len(str(error)) < 500


async def test_messages_of_unknown_types_are_ignored(server: AssemblyAIServer, connect: Connect, beckett: Any):
    server.faults.garbage = '{"type":"Heartbeat","total_audio_received_ms":5}'
    async with aclosing(connect().connect()) as session:
        assert_said(await hear(session, beckett))


async def test_a_server_that_stalls(server: AssemblyAIServer, connect: Connect, beckett: Any):
    server.faults.stalls = True
    error = await failure(connect(stall_deadline_s=0.05, final_deadline_s=0.1), beckett)
    assert "does not answer" in str(error)
    assert len(server.seen) == 4


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


async def test_no_server(connect: Connect, beckett: Any):
    error = await failure(connect(base_url="ws://127.0.0.1:9"), beckett)
    assert str(error) == "remote: cannot be reached."


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1", "ws://streaming.example.com", "wss://host/path", "wss://user:password@host"]
)
async def test_a_wrong_address(connect: Connect, base_url: str):
    with pytest.raises(Unavailable, match="base_url") as raised:
        connect(base_url=base_url)
    assert "password" not in str(raised.value)


async def test_a_dropped_utterance_and_the_next_one(server: AssemblyAIServer, connect: Connect, beckett: Any):
    async with aclosing(connect().connect()) as session:
        async with aclosing(session.open(RecognitionOptions())) as stream, asyncio.timeout(60):
            stream.push(beckett[: 4 * SPEECH_RATE_HZ])
            await anext(aiter(stream))
        assert_said(await hear(session, beckett[:EVER_TRIED]), "Ever tried.")
    assert len(server.seen) == 1


async def test_the_key_is_in_no_log(server: AssemblyAIServer, connect: Connect, beckett: Any, caplog: Any):
    caplog.set_level(logging.DEBUG)
    for name in ("websockets", "websockets.client"):
        caplog.set_level(logging.DEBUG, name)
    server.faults.closes_after_ms.append((1000, 3005))
    async with aclosing(connect().connect()) as session:
        await hear(session, beckett[:EVER_TRIED])
    sent_by_server = [record for record in caplog.records if record.name != "websockets.server"]
    assert not any(KEY in record.getMessage() for record in sent_by_server)


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
