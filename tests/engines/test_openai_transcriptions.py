"""Recognition by another server's `/v1/audio/transcriptions`: a second streamsrv, and a scripted provider's faults."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scripted_provider import ScriptedProvider

from serving import RunningServer, serving
from streamsrv.audio.pcm import level_dbfs
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions, Recognizer, Transcript
from streamsrv.engines.asr.openai_transcriptions import load
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import ScriptedRecognizer, fake_engines

SILENCE = np.zeros(SPEECH_RATE_HZ, np.int16)
SPEECH = np.full(SPEECH_RATE_HZ, 9000, np.int16)


def recognizer_at(base_url: str, key: str | None = None, **options: Any) -> Recognizer:
    entry = ModelEntry(
        "remote", "recognizer", "openai_transcriptions", options={"base_url": base_url, "model": "m"} | options
    )
    return load(entry, LoadContext(Scheduler(0), {}, key))


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedProvider]:
    provider = ScriptedProvider()
    provider.body = b'{"text": "hello  there"}'
    async with provider.running():
        yield provider


async def hear(recognizer: Recognizer, pcm: NDArray[np.int16], **options: Any) -> list[Transcript]:
    session = recognizer.connect()
    async with aclosing(session.open(RecognitionOptions(**options))) as stream, asyncio.timeout(30):
        for start in range(0, len(pcm), 512):
            frame = pcm[start : start + 512]
            stream.push(frame, speech=level_dbfs(frame) > -45)
        stream.finish()
        found = [transcript async for transcript in stream]
    await session.aclose()
    return found


class Peer(ScriptedRecognizer):
    """A fake recogniser of the second server, which keeps the options."""

    def __init__(self) -> None:
        super().__init__("so it goes")
        self.asked: list[RecognitionOptions] = []

    def open(self, options: RecognitionOptions):
        self.asked.append(options)
        return super().open(options)


@pytest.fixture
def peer() -> Generator[tuple[RunningServer, Peer]]:
    recognizer = Peer()
    with serving(fake_engines(recognizer=recognizer)) as server:
        yield server, recognizer


async def test_a_second_streamsrv_recognises_and_gets_the_hints(peer):
    server, heard = peer
    recognizer = recognizer_at(server.http_url, model="whisper-1")
    *_, final = await hear(recognizer, np.concatenate([SPEECH, SILENCE]), language="en", prompt="Vonnegut")
    assert (final.text, final.is_final, final.language) == ("so it goes", True, "en")
    assert heard.asked[-1] == RecognitionOptions("en", prompt="Vonnegut")
    await recognizer.aclose()


async def test_silence_sends_no_request(provider: ScriptedProvider):
    recognizer = recognizer_at(provider.base_url)
    *_, final = await hear(recognizer, SILENCE)
    assert (final.text, provider.paths) == ("", [])
    await recognizer.aclose()


async def test_what_was_said_before_a_pause_is_known_before_the_end(provider: ScriptedProvider):
    recognizer = recognizer_at(provider.base_url)
    async with aclosing(recognizer.connect().open(RecognitionOptions())) as stream, asyncio.timeout(30):
        stream.push(SPEECH)
        stream.push(SILENCE, speech=False)
        transcript = await anext(aiter(stream))
        assert (transcript.text, transcript.at_pause) == ("hello there", True)
        stream.finish()
        assert [last.text async for last in stream] == ["hello there"]
    assert len(provider.paths) == 1
    await recognizer.aclose()


async def test_hints_are_fields_of_the_form(provider: ScriptedProvider):
    recognizer = recognizer_at(provider.base_url, key="sk-test", hints=True)
    await hear(recognizer, SPEECH, keywords=("Kilgore", "Trout"), languages=("en", "de"))
    form = provider.requests[-1]["form"]
    for name, value in (("keywords[]", "Kilgore"), ("keywords[]", "Trout"), ("languages[]", "de"), ("model", "m")):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in form
    await recognizer.aclose()


async def test_a_translation_has_its_own_address(provider: ScriptedProvider):
    recognizer = recognizer_at(provider.base_url, translates=True)
    assert recognizer.abilities.translates
    await hear(recognizer, SPEECH, task="translate")
    assert provider.paths == ["/v1/audio/translations"]
    await recognizer.aclose()


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (401, '{"error": {"message": "Wrong key sk-secret"}}', Unavailable, r"remote: Wrong key \*\*\*"),
        (404, '{"error": {"message": "no model m"}}', Unavailable, "no model m"),
        (429, '{"error": {"message": "slow down"}}', Overloaded, "slow down"),
        (429, '{"error": {"message": "pay", "code": "insufficient_quota"}}', Unavailable, "pay"),
        (400, '{"error": {"message": "bad language", "param": "language"}}', Rejected, "bad language"),
        (500, "<html>", Unavailable, "remote"),
        (200, "<html>no JSON", Unavailable, "cannot be read"),
        (200, '{"text": 5}', Unavailable, "no transcript"),
        (200, '{"nothing": ""}', Unavailable, "remote"),
        (200, '{"text": "' + "la " * 1000 + '"}', Unavailable, "more than 260 characters"),
    ],
)
async def test_what_a_provider_answers_badly_is_a_typed_error(
    provider: ScriptedProvider, status: int, body: str, error: type[EngineError], says: str
):
    provider.status, provider.body = status, body.encode()
    recognizer = recognizer_at(provider.base_url, key="sk-secret")
    with pytest.raises(error, match=says) as raised:
        await hear(recognizer, SPEECH)
    assert "sk-secret" not in str(raised.value)
    await recognizer.aclose()


async def test_a_refused_key_is_known_at_the_start(provider: ScriptedProvider):
    provider.status = 401
    recognizer = recognizer_at(provider.base_url, key="sk-secret")
    with pytest.raises(Unavailable) as raised:
        await recognizer.warm_up()
    assert raised.value.refuses_key
    await recognizer.aclose()


async def test_a_dropped_connection_is_tried_once_more(provider: ScriptedProvider):
    recognizer = recognizer_at(provider.base_url)
    provider.hangs_up = 1
    assert (await hear(recognizer, SPEECH))[-1].text == "hello there"
    provider.hangs_up = 2
    with pytest.raises(Unavailable, match="cannot be reached"):
        await hear(recognizer, SPEECH)
    await recognizer.aclose()


async def test_a_provider_that_stalls_is_given_up_and_its_request_closed(provider: ScriptedProvider):
    provider.chunks, provider.stays_open = [], True
    recognizer = recognizer_at(provider.base_url, timeout_s=0.2)
    with pytest.raises(Unavailable, match="in time"):
        await hear(recognizer, SPEECH)
    async with asyncio.timeout(30):
        await provider.disconnected.wait()
    await recognizer.aclose()


async def test_one_request_too_many_is_overload(provider: ScriptedProvider):
    provider.chunks, provider.stays_open = [], True
    recognizer = recognizer_at(provider.base_url, requests=1)
    session = recognizer.connect()
    async with aclosing(session.open(RecognitionOptions())) as first, asyncio.timeout(30):
        first.push(SPEECH)
        first.finish()
        await provider.asked.wait()
        with pytest.raises(Overloaded, match="limit"):
            await hear(recognizer, SPEECH)
    await recognizer.aclose()


def test_options_are_checked():
    with pytest.raises(Unavailable, match="base_url"):
        recognizer_at("localhost:8000")
    with pytest.raises(Unavailable, match="model is missing"):
        load(ModelEntry("remote", "recognizer", "openai_transcriptions"), LoadContext(Scheduler(0), {}))
