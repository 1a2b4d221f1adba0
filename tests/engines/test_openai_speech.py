"""Speech by another server's `/v1/audio/speech`: a second streamsrv, and a scripted provider's faults."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scripted_provider import ScriptedProvider

from serving import serving
from streamsrv.engines import provider_errors
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.metering.prices import PriceBook
from streamsrv.engines.observer import IGNORED, ObservedSynthesizer
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Synthesizer, Voice
from streamsrv.engines.tts.openai_speech import load
from streamsrv.engines.tts.speech_api.voice_list import read_voices
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import CountsStreams, ToneSynthesizer, fake_engines

PCM = np.arange(3000, dtype="<i2")


def synthesizer_at(base_url: str, key: str | None = None, **options: Any) -> Synthesizer:
    options = {"base_url": base_url, "model": "m"} | options
    entry = ModelEntry("remote", "synthesizer", "openai_speech", options=options, languages=("en", "de"))
    return load(entry, LoadContext(Scheduler(0), {}, key))


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedProvider]:
    """Answers every request with `PCM`."""
    provider = ScriptedProvider()
    provider.body, provider.headers = PCM.tobytes(), {"content-type": "audio/pcm"}
    async with provider.running():
        yield provider


async def speak(synthesizer: Synthesizer, text: str = "Hello", **options: Any) -> NDArray[np.int16]:
    try:
        async with asyncio.timeout(30):
            chunks = [chunk.pcm async for chunk in synthesizer.stream(text, SpeechOptions(**options))]
        return np.concatenate([np.empty(0, np.int16), *chunks])
    finally:
        await synthesizer.aclose()


class EndlessTone(CountsStreams):
    """A fake synthesiser of the second server that speaks until it is stopped, and keeps what it was asked."""

    name = "endless"
    sample_rate = 24_000
    voices = (Voice("anna", frozenset({"de"}), "calm", "female"), Voice("bert", frozenset({"en"}), "", "male"))
    clones_voices = False
    min_speed, max_speed = 0.25, 4.0

    def __init__(self) -> None:
        self.asked: list[SpeechOptions] = []
        self.stopped = threading.Event()

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        self.asked.append(options)
        try:
            with self.counted():
                while True:
                    yield SpeechChunk(np.full(2400, 1000, np.int16))
                    await asyncio.sleep(0)
        finally:
            self.stopped.set()

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


async def test_a_second_streamsrv_speaks_with_its_voices_until_the_stream_is_closed():
    tone = EndlessTone()
    with serving(fake_engines(synthesizer=tone)) as server:
        synthesizer = synthesizer_at(server.http_url)
        await synthesizer.warm_up()
        assert [(voice.name, voice.languages, voice.gender) for voice in synthesizer.voices] == [
            ("anna", {"de"}, "female"),
            ("bert", {"en"}, "male"),
        ]
        async with asyncio.timeout(30), aclosing(synthesizer.stream("Hi", SpeechOptions("bert", speed=1.5))) as chunks:
            first = await anext(chunks)
        assert set(first.pcm) == {1000}
        assert await asyncio.to_thread(tone.stopped.wait, 30)
        asked = tone.asked[-1]
        assert (asked.voice, asked.speed, asked.language) == ("bert", 1.5, "en")
        await synthesizer.aclose()


async def test_a_cancelled_wait_closes_the_connection(provider: ScriptedProvider):
    provider.chunks, provider.stays_open = [], True  # headers and nothing else
    synthesizer = synthesizer_at(provider.base_url)
    waiting = asyncio.ensure_future(anext(synthesizer.stream("Hello", SpeechOptions())))
    await provider.asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(30):
        await provider.disconnected.wait()
    await synthesizer.aclose()


async def test_a_request_has_what_was_asked_for(provider: ScriptedProvider):
    options = {"voices": ["coral", "ash"], "instructions": "Cheerfully.", "extra_body": {"seed": 7}}
    spoken = await speak(synthesizer_at(provider.base_url, "sk-test", **options), voice="ash", speed=1.2)
    np.testing.assert_array_equal(spoken, PCM)
    expected = {"model": "m", "input": "Hello", "voice": "ash", "response_format": "pcm", "speed": 1.2}
    assert provider.requests == [expected | {"instructions": "Cheerfully.", "seed": 7}]
    assert provider.received_headers[0]["authorization"] == "bearer sk-test"


async def test_a_long_text_is_several_requests_and_silence_is_none(provider: ScriptedProvider):
    assert len(await speak(synthesizer_at(provider.base_url), "word " * 1000)) == 2 * len(PCM)
    assert max(len(request["input"]) for request in provider.requests) <= 4096
    assert len(await speak(synthesizer_at(provider.base_url), "…")) == 0
    assert len(provider.requests) == 2


async def test_half_a_sample_at_the_end_is_dropped(provider: ScriptedProvider):
    provider.body = PCM.tobytes() + b"x"
    np.testing.assert_array_equal(await speak(synthesizer_at(provider.base_url)), PCM)


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (401, b'{"error": {"message": "Wrong key sk-secret"}}', Unavailable, r"remote: Wrong key \*\*\*"),
        (404, b'{"error": {"message": "no model m"}}', Unavailable, "no model m"),
        (429, b'{"error": {"message": "slow down"}}', Overloaded, "slow down"),
        (429, b'{"error": {"message": "pay", "code": "insufficient_quota"}}', Unavailable, "pay"),
        (400, b'{"error": {"message": "bad voice", "param": "voice"}}', Rejected, "bad voice"),
        (500, b"<html>", Unavailable, "remote"),
        (302, b"", Unavailable, "remote"),
    ],
)
async def test_what_a_provider_refuses_is_a_typed_error(
    provider: ScriptedProvider, status: int, body: bytes, error: type[EngineError], says: str
):
    provider.status, provider.body, provider.headers = status, body, {}
    with pytest.raises(error, match=says) as raised:
        await speak(synthesizer_at(provider.base_url, key="sk-secret"))
    assert "sk-secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("text/html", b"<html>", "sent text/html in place of raw audio"),
        ("application/json", b'{"audio": ""}', "sent application/json in place of raw audio"),
        ("audio/mpeg", b"\xff\xfb", "sent audio/mpeg in place of raw audio"),
        ("audio/pcm", b"RIFF....WAVEfmt ", "sent a WAV file in place of raw audio"),
        ("", b"ID3.....", "sent an MP3 file in place of raw audio"),
        ("", b"<!DOCTYPE html><html>", "sent a web page in place of raw audio"),
        ("audio/pcm", b'{"error": {"message": "no"}}', "sent an error in place of raw audio"),
    ],
)
async def test_an_answer_that_is_no_raw_audio_is_not_played(
    provider: ScriptedProvider, kind: str, body: bytes, says: str
):
    provider.headers, provider.body = {"content-type": kind}, body
    with pytest.raises(Unavailable, match=says):
        await speak(synthesizer_at(provider.base_url))


async def test_single_bytes_are_audio_and_are_looked_at_like_others(provider: ScriptedProvider):
    provider.headers = {"content-type": "audio/pcm", "transfer-encoding": "chunked"}

    def in_single_bytes(body: bytes) -> bytes:
        return b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"

    provider.body = in_single_bytes(PCM.tobytes())
    np.testing.assert_array_equal(await speak(synthesizer_at(provider.base_url)), PCM)
    provider.body = in_single_bytes(b"RIFF....WAVEfmt ")
    with pytest.raises(Unavailable, match="sent a WAV file"):
        await speak(synthesizer_at(provider.base_url))


@pytest.mark.parametrize(("status", "kind"), [(200, "application/json"), (500, "text/html"), (500, "application/json")])
async def test_an_answer_without_an_end_does_not_fill_the_memory(
    provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, status: int, kind: str
):
    monkeypatch.setattr(provider_errors, "MAX_ANSWER_BYTES", 10_000)
    provider.status, provider.headers, provider.body = status, {"content-type": kind}, b" " * 100_000
    synthesizer = synthesizer_at(provider.base_url)
    with pytest.raises(Unavailable, match="an answer of more than 10000 bytes"):
        await synthesizer.warm_up()
    with pytest.raises(Unavailable, match="an answer of more than 10000 bytes"):
        await speak(synthesizer)


async def test_an_answer_that_breaks_off_is_an_error_after_its_audio(provider: ScriptedProvider):
    provider.breaks_off = True
    heard: list[NDArray[np.int16]] = []
    synthesizer = synthesizer_at(provider.base_url)
    with pytest.raises(Unavailable, match="remote broke off its answer"):
        async for chunk in synthesizer.stream("Hello", SpeechOptions()):
            heard.append(chunk.pcm)
    np.testing.assert_array_equal(np.concatenate(heard), PCM)
    await synthesizer.aclose()


async def test_a_connection_that_the_server_has_just_closed_is_tried_again(provider: ScriptedProvider):
    provider.hangs_up = 1
    assert len(await speak(synthesizer_at(provider.base_url))) == len(PCM)
    provider.hangs_up = 2
    with pytest.raises(Unavailable, match="cannot be reached"):
        await speak(synthesizer_at(provider.base_url))


async def test_a_server_that_sends_nothing_is_given_up(provider: ScriptedProvider):
    provider.chunks, provider.stays_open = [], True
    provider.headers = {"content-type": "audio/pcm"}
    with pytest.raises(Unavailable, match=r"did not answer in time|broke off"):
        await speak(synthesizer_at(provider.base_url, timeout_s=0.2))


async def test_more_requests_than_the_limit_are_refused(provider: ScriptedProvider):
    synthesizer = synthesizer_at(provider.base_url, requests=1)
    first = synthesizer.stream("One", SpeechOptions())
    await anext(first)
    with pytest.raises(Overloaded, match="remote has 1 requests in progress"):
        await anext(synthesizer.stream("Two", SpeechOptions()))
    await first.aclose()
    assert len(await speak(synthesizer)) == len(PCM)


@pytest.mark.parametrize("key", [None, "sk-test"])
async def test_a_server_without_a_list_of_voices_is_tried_in_another_way(provider: ScriptedProvider, key: str | None):
    provider.status, provider.body, provider.headers = 404, b"{}", {}
    synthesizer = synthesizer_at(provider.base_url, key)
    with pytest.raises(Unavailable):
        await synthesizer.warm_up()
    assert provider.paths == ["/v1/audio/voices", "/v1/models" if key else "/v1/audio/speech"]
    assert synthesizer.voices == (Voice("alloy", frozenset({"en", "de"}), gender="female"),)
    await synthesizer.aclose()


@pytest.mark.parametrize(
    ("hangs_up", "status", "says"), [(1, 200, "cannot be reached"), (0, 503, "503"), (0, 429, "429")]
)
async def test_the_voices_of_a_server_that_does_not_answer_at_the_start_are_read_later(
    provider: ScriptedProvider, caplog: pytest.LogCaptureFixture, hangs_up: int, status: int, says: str
):
    provider.hangs_up, provider.status, provider.headers = hangs_up, status, {"content-type": "application/json"}
    provider.body = b'{"voices": ["anna"]}'
    synthesizer = synthesizer_at(provider.base_url)
    await synthesizer.warm_up()
    assert says in caplog.text
    assert [voice.name for voice in synthesizer.voices] == ["alloy"]
    provider.status = 200
    with pytest.raises(Unavailable, match="in place of raw audio"):
        await speak(synthesizer)
    assert [voice.name for voice in synthesizer.voices] == ["anna"]
    assert provider.requests[-1]["voice"] == "anna"


async def test_a_refused_key_is_known_at_the_start(provider: ScriptedProvider):
    provider.status, provider.headers = 401, {}
    synthesizer = synthesizer_at(provider.base_url, "sk-secret")
    with pytest.raises(Unavailable) as raised:
        await synthesizer.warm_up()
    assert raised.value.refuses_key
    await synthesizer.aclose()


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ({"voices": ["af_heart", {"name": "b"}, {"voice_id": "c"}]}, ["af_heart", "b", "c"]),
        (["x", "x", "", 5, None, "y" * 500, {"id": 3}], ["x"]),
        ({"data": [{"id": "v", "streamsrv": {"languages": ["de-DE", 5, "??"], "gender": "x"}}]}, ["v"]),
        ({"data": [{"id": "mine", "streamsrv": {"cloned": True}}, {"id": "w", "streamsrv": {"ready": False}}]}, []),
        ({"data": "no list"}, []),
        ("<html>", []),
        (None, []),
    ],
)
def test_lists_of_voices_in_all_shapes_are_read(answer: Any, names: list[str]):
    assert [voice.name for voice in read_voices(answer).voices] == names


def test_what_a_streamsrv_says_of_a_voice_is_kept():
    extension = {"languages": ["de-DE", 5, "??"], "gender": "male", "description": "deep"}
    listed = read_voices({"data": [{"id": "v", "streamsrv": extension}]})
    assert listed.voices == (Voice("v", frozenset({"de"}), "deep", "male"),)
    assert listed.is_streamsrv


async def test_a_minute_of_speech_costs_what_the_catalogue_says():
    class OneMinute(ToneSynthesizer):
        name = "openai-tts"

    charged: list[Any] = []

    class Purse:
        def charge(self, consumption: Any) -> None:
            charged.append(consumption)

    options = SpeechOptions(account=Purse())  # type: ignore[arg-type]
    async for _ in ObservedSynthesizer(OneMinute(), IGNORED).stream("x" * 1000, options):  # 60 ms a character
        pass
    catalogue = load_catalogue()
    prices = PriceBook(lambda _, name: [catalogue[name]])
    assert float(prices.cost(charged[0]).usd) == pytest.approx(0.015)
