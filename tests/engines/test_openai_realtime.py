"""Recognition by another Realtime server: a second streamsrv, and a server of the protocol that fails as it is told."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from serving import RunningServer, serving
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions, RecognitionSession, Recognizer, Transcript
from streamsrv.engines.asr.openai_realtime import load
from streamsrv.engines.asr.openai_realtime_exchange import MAX_KEPT_SAMPLES, RealtimeExchange, RealtimeUtterance
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import ScriptedRecognizer, fake_engines

SPEECH = np.full(SPEECH_RATE_HZ, 9000, np.int16)
PREFIX = "conversation.item.input_audio_transcription"


def recognizer_at(base_url: str, key: str | None = None, **options: Any) -> Recognizer:
    entry = ModelEntry("remote", "recognizer", "openai_realtime", options={"base_url": base_url} | options)
    return load(entry, LoadContext(Scheduler(0), {}, key))


async def say(session: RecognitionSession, pcm: NDArray[np.int16], **options: Any) -> list[Transcript]:
    async with aclosing(session.open(RecognitionOptions(**options))) as stream, asyncio.timeout(30):
        for start in range(0, len(pcm), 512):
            stream.push(pcm[start : start + 512])
        stream.finish()
        return [transcript async for transcript in stream]


async def hear(recognizer: Recognizer, pcm: NDArray[np.int16], **options: Any) -> list[Transcript]:
    async with aclosing(recognizer.connect()) as session:
        return await say(session, pcm, **options)


class Peer(ScriptedRecognizer):
    """A fake recogniser of the second streamsrv, which keeps the options."""

    def __init__(self) -> None:
        super().__init__("so it goes", [(500, Transcript("so", "it"))])
        self.asked: list[RecognitionOptions] = []

    def open(self, options: RecognitionOptions):
        self.asked.append(options)
        return super().open(options)


@pytest.fixture
def peer() -> Generator[tuple[RunningServer, Peer]]:
    recognizer = Peer()
    with serving(fake_engines(recognizer=recognizer)) as server:
        yield server, recognizer


async def test_a_second_streamsrv_recognises_ten_utterances_on_one_connection(peer):
    server, heard = peer
    recognizer = recognizer_at(server.http_url)
    async with aclosing(recognizer.connect()) as session:
        for number in range(10):
            *_, final = await say(session, SPEECH, language="en", prompt=f"Vonnegut {number}")
            assert (final.text, final.is_final, final.language) == ("so it goes", True, "en")
            assert server.service.sessions == 1
    assert [options.prompt for options in heard.asked] == [f"Vonnegut {number}" for number in range(10)]
    await server.without_sessions()


async def test_words_are_shown_before_the_end_if_the_server_is_a_streamsrv(peer):
    server, _ = peer
    recognizer = recognizer_at(server.http_url, partials=True)
    async with (
        aclosing(recognizer.connect()) as session,
        aclosing(session.open(RecognitionOptions())) as stream,
        asyncio.timeout(30),
    ):
        stream.push(SPEECH)
        first = await anext(aiter(stream))
        assert (first.stable, first.tentative) == ("so", "it")
        stream.finish()
        assert [transcript async for transcript in stream][-1].text == "so it goes"


async def test_an_utterance_that_is_dropped_does_not_disturb_the_next(peer):
    server, _ = peer
    async with aclosing(recognizer_at(server.http_url).connect()) as session:
        async with aclosing(session.open(RecognitionOptions())) as dropped:
            dropped.push(SPEECH)
        assert (await say(session, SPEECH))[-1].text == "so it goes"


async def test_silence_opens_no_utterance_at_the_server(peer):
    server, heard = peer
    session = recognizer_at(server.http_url).connect()
    async with aclosing(session), aclosing(session.open(RecognitionOptions())) as stream, asyncio.timeout(30):
        stream.push(np.zeros(SPEECH_RATE_HZ, np.int16), speech=False)
        stream.finish()
        assert [transcript.text async for transcript in stream] == [""]
    assert heard.asked == []


class FailingServer:
    """A server of the protocol that recognises the length of the audio in ms, and fails as `faults` say, in order."""

    def __init__(self) -> None:
        self.base_url = ""
        self.faults: list[str] = []
        self.connections = 0
        self.keys: list[str | None] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        async with serve(self._serve, "127.0.0.1", 0, process_request=self._greet) as server:
            self.base_url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1"
            yield

    def _greet(self, connection: ServerConnection, request: Request) -> Response | None:
        self.keys.append(request.headers.get("Authorization"))
        if self.faults and self.faults[0].isdigit():
            return connection.respond(int(self.faults.pop(0)), "no: sk-secret")  # type: ignore[arg-type]
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        self.connections += 1
        fault = self.faults.pop(0) if self.faults else ""
        audio, items = 0, 0
        async for message in connection:
            event = json.loads(message)
            match event["type"]:
                case "input_audio_buffer.append":
                    audio += len(base64.b64decode(event["audio"]))
                    if fault == "close in the middle" and audio > 24_000:
                        return
                    if fault == "garbage":
                        await connection.send("<html>")
                case "input_audio_buffer.commit" if fault != "stall":
                    items += 1
                    await self._transcribe(connection, f"item_{items}", audio // 48, fault)
                    audio = 0
                case _:
                    pass

    async def _transcribe(self, connection: ServerConnection, item: str, ms: int, fault: str) -> None:
        async def send(kind: str, **fields: Any) -> None:
            await connection.send(json.dumps({"type": kind, **fields}))

        await send("input_audio_buffer.committed", item_id=item)
        if fault == "close before the text":
            await connection.close(1011, "bye sk-secret")
        elif fault in ("rate_limit_exceeded", "invalid_value", "server_error"):
            kind = "invalid_request_error" if fault == "invalid_value" else "server_error"
            await send("error", error={"type": kind, "code": fault, "message": "no", "param": "session"})
        elif fault == "failed":
            await send(f"{PREFIX}.failed", item_id=item, error={"message": "not heard"})
        else:
            await send(f"{PREFIX}.delta", item_id=item, delta=f"{ms}" if fault != "endless" else "la " * 10_000)
            await send(f"{PREFIX}.completed", item_id=item, transcript=f"{ms} ms" if fault != "no text" else 5)


@pytest.fixture
async def failing() -> AsyncGenerator[FailingServer]:
    server = FailingServer()
    async with server.running():
        yield server


@pytest.mark.parametrize("fault", ["close in the middle", "close before the text", "garbage", "500", "server_error"])
async def test_a_lost_connection_loses_no_audio(failing: FailingServer, fault: str):
    failing.faults = [fault]
    *_, final = await hear(recognizer_at(failing.base_url), SPEECH)
    assert final.text == "1000 ms"


@pytest.mark.parametrize(
    ("fault", "times", "error", "says"),
    [
        ("401", 1, Unavailable, r"status 401: no: \*\*\*"),
        ("429", 1, Overloaded, "status 429"),
        ("404", 3, Unavailable, "status 404"),
        ("close before the text", 3, Unavailable, r"broke the connection. bye \*\*\*"),
        ("garbage", 3, Unavailable, "no event of the Realtime protocol"),
        ("no text", 3, Unavailable, "no event of the Realtime protocol"),
        ("endless", 3, Unavailable, "more than 20000 characters"),
        ("failed", 1, Unavailable, "not heard"),
        ("rate_limit_exceeded", 1, Overloaded, "no"),
        ("invalid_value", 1, Rejected, "no"),
    ],
)
async def test_a_fault_is_a_typed_error(
    failing: FailingServer, fault: str, times: int, error: type[EngineError], says: str
):
    failing.faults = [fault] * times
    with pytest.raises(error, match=says) as raised:
        await hear(recognizer_at(failing.base_url, key="sk-secret"), SPEECH)
    assert "sk-secret" not in str(raised.value)
    assert set(failing.keys) == {"Bearer sk-secret"}
    if isinstance(raised.value, Unavailable):
        assert raised.value.refuses_key == (fault == "401")


async def test_nobody_listens_there(failing: FailingServer):
    with pytest.raises(Unavailable, match="cannot be reached"):
        await hear(recognizer_at("http://127.0.0.1:1/v1"), SPEECH)


async def test_closing_ends_an_utterance_that_the_server_does_not_answer(failing: FailingServer):
    failing.faults = ["stall"]
    tasks = asyncio.all_tasks()
    session = recognizer_at(failing.base_url).connect()
    stream = session.open(RecognitionOptions())
    stream.push(SPEECH)
    stream.finish()
    await stream.aclose()
    await session.aclose()
    assert [task for task in asyncio.all_tasks() - tasks if "remote" in task.get_name()] == []


def test_too_much_audio_for_a_server_that_is_away_is_overload():
    errors: list[EngineError] = []
    exchange = RealtimeExchange("remote", "")
    utterance = RealtimeUtterance(RecognitionOptions(), lambda _: None, errors.append)
    exchange.open(utterance)
    for _ in range(MAX_KEPT_SAMPLES // len(SPEECH) + 1):
        exchange.push(utterance, SPEECH, speech=True)
    assert [type(error) for error in errors] == [Overloaded]
    assert exchange.is_idle


def test_a_key_is_not_sent_unencrypted_to_another_machine():
    with pytest.raises(Unavailable, match="unencrypted"):
        recognizer_at("http://voice.example.org/v1", key="sk-secret")


@pytest.mark.parametrize("key", ["sk-\nsecret", "sk-geheïm"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str):
    with pytest.raises(Unavailable, match="has characters that no key has") as raised:
        recognizer_at("https://voice.example.org/v1", key=key)
    assert key not in str(raised.value)
