"""The proxy configurations of `deploy/`, run for real in front of a server with fakes, with stock clients.

Nothing here is a matter of speed: a source gives its second piece only after the client has the first, so a proxy that
holds a stream back is seen.
"""

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
from openai import APIStatusError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from certificates import Certificate
from front import KEY, PATIENCE_S, Front, fronted, silent_wav
from rest import form, wav
from rest import loud as loud_16k
from rest import quiet as quiet_16k
from streamsrv.access.principal import Principal
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions
from streamsrv.testing.fakes import ScriptedChatModel, ScriptedRecognizer, ToneSynthesizer, fake_engines

pytest.importorskip("openai", reason="openai is not installed (the extra openai)")

HELLO = [{"role": "user", "content": "Hello!"}]
MIB = 1024 * 1024


THOUGHT_S = 0.02
"""Seconds until a stream begins, as with real models. Caddy 2.6 may break off an answer that begins within 1 ms,
while it still holds the end of the request."""


class ThinkingChatModel(ScriptedChatModel):
    """A fake that takes a moment before its first word."""

    async def stream(self, messages, tools, options):
        await asyncio.sleep(THOUGHT_S)
        async with aclosing(super().stream(messages, tools, options)) as deltas:
            async for delta in deltas:
                yield delta


class HeldSynthesizer(ToneSynthesizer):
    """A fake that gives 40 ms of sound, and the next piece once `hold` is set."""

    hold: asyncio.Event | None = None

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        piece = np.ones(960, np.int16)
        await asyncio.sleep(THOUGHT_S)
        yield SpeechChunk(piece)
        if self.hold is not None:
            await self.hold.wait()
        yield SpeechChunk(piece)


class HeldRecognizer(ScriptedRecognizer):
    """A fake that recognises the first utterance, and later ones once `hold` is set."""

    hold: asyncio.Event | None = None
    opened = 0

    def open(self, options):
        recognition = super().open(options)
        self.opened += 1
        if self.hold is not None and self.opened > 1:
            return _HeldRecognition(recognition, self.hold)
        return recognition


class _HeldRecognition:
    def __init__(self, recognition, hold: asyncio.Event) -> None:
        self._recognition, self._hold = recognition, hold
        self.push, self.finish, self.aclose = recognition.push, recognition.finish, recognition.aclose

    async def __aiter__(self):
        await self._hold.wait()
        async for transcript in self._recognition:
            yield transcript


CHAT, VOICE, RECOGNIZER = ThinkingChatModel(), HeldSynthesizer(), HeldRecognizer()


@pytest.fixture(scope="module")
def front(proxy_name: str, tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Generator[Front]:
    """A server that only its own pages and those of https://app.example may use."""
    engines = fake_engines(CHAT, recognizer=RECOGNIZER, synthesizer=VOICE)
    folder = tmp_path_factory.mktemp(proxy_name)
    with fronted(proxy_name, folder, certificate, engines, allowed_origins="https://app.example") as running:
        yield running


@pytest.fixture
def held(front: Front) -> Generator[asyncio.Event]:
    """The second piece of every stream waits for this event."""
    event = asyncio.Event()
    CHAT.hold = VOICE.hold = RECOGNIZER.hold = event
    RECOGNIZER.opened = 0
    yield event
    front.server.loop.call_soon_threadsafe(event.set)
    CHAT.hold = VOICE.hold = RECOGNIZER.hold = None


async def test_a_session_of_the_stock_client(front: Front):
    CHAT.answers.append("Hello to you.")
    async with asyncio.timeout(PATIENCE_S), front.realtime() as session:
        content = [{"type": "input_text", "text": "Hello!"}]
        await session.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        await session.response.create()
        async for event in session:
            if event.type == "response.done":
                break
    assert event.response.output[0].content[0].transcript == "Hello to you."


async def test_a_large_event_passes(front: Front):
    async with asyncio.timeout(PATIENCE_S), front.realtime() as session:
        second = base64.b64encode(bytes(48_000)).decode()
        await session.input_audio_buffer.append(audio=second * 60)
        await session.input_audio_buffer.clear()
        async for event in session:
            assert event.type != "error"
            if event.type == "input_audio_buffer.cleared":
                return


async def test_words_of_a_chat_answer_are_sent_on_at_once(front: Front, held: asyncio.Event):
    CHAT.answers.append("One two.")
    async with asyncio.timeout(PATIENCE_S), front.openai() as client:
        stream = await client.chat.completions.create(model="any", messages=HELLO, stream=True)
        words = [(await anext(stream)).choices[0].delta.content]
        front.server.loop.call_soon_threadsafe(held.set)
        words += [chunk.choices[0].delta.content async for chunk in stream]
    assert "".join(word or "" for word in words) == "One two."


async def test_speech_is_sent_on_at_once(front: Front, held: asyncio.Event):
    speak = {"model": "any", "voice": "tone", "input": "Hello.", "response_format": "pcm"}
    async with (
        asyncio.timeout(PATIENCE_S),
        front.openai() as client,
        client.audio.speech.with_streaming_response.create(**speak) as response,
    ):
        pieces = response.iter_bytes()
        received = await anext(pieces)
        front.server.loop.call_soon_threadsafe(held.set)
        async for piece in pieces:
            received += piece
    assert len(received) == 2 * 2 * 960


async def test_a_streamed_transcription_is_sent_on_at_once(front: Front, held: asyncio.Event):
    sound = wav(loud_16k(640), quiet_16k(3000), loud_16k(640), quiet_16k(3000))
    async with asyncio.timeout(PATIENCE_S), front.openai() as client:
        stream = await client.audio.transcriptions.create(model="whisper-1", file=("sound.wav", sound), stream=True)
        assert (await anext(stream)).delta == "hello"
        front.server.loop.call_soon_threadsafe(held.set)
        rest = [event async for event in stream]
    assert rest[-1].text == "hello hello"


async def test_captions_are_sent_on_at_once(front: Front):
    def first_event() -> str:
        with front.response("GET", "/v1/streamsrv/captions/hall/events") as response:
            assert response.status == 200
            return response.read1().decode()

    assert "event: room" in await asyncio.to_thread(first_event), "the room waits for its first speaker"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_the_model(front: Front, held: asyncio.Event, stream: bool):
    CHAT.answers.append("One two.")
    before, asked = CHAT.cancelled, len(CHAT.asked)
    async with front.openai() as client:
        answer = asyncio.create_task(client.chat.completions.create(model="any", messages=HELLO, stream=stream))
        async with asyncio.timeout(PATIENCE_S):
            while len(CHAT.asked) == asked:
                await front.server.tasks()
            if stream:
                await (await answer).close()
            answer.cancel()
            while CHAT.cancelled == before:
                await front.server.tasks()


async def test_an_upload_of_25_mib_is_transcribed(front: Front):
    body, content_type = form(("model", "whisper-1"), file=silent_wav(25 * MIB - 1000))
    assert 25 * MIB - 1000 < len(body) <= 25 * MIB
    answer = await front.ask("POST", "/v1/audio/transcriptions", body, headers={"Content-Type": content_type})
    assert (answer.status, answer.json["text"]) == (200, "hello")


async def test_http_2_carries_uploads_and_streams(front: Front, tmp_path: Path):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed (Debian: apt-get install curl)")
    (tmp_path / "sound.wav").write_bytes(silent_wav(20 * MIB))
    upload = ["-F", "model=whisper-1", "-F", f"file=@{tmp_path}/sound.wav", f"{front.url}/v1/audio/transcriptions"]
    assert (await _curl(front, *upload)).endswith(b'"text":"hello","usage":{"type":"duration","seconds":655.36}} 2')
    speak = {"model": "any", "voice": "tone", "input": "Hello.", "response_format": "pcm"}
    stream = ["--json", json.dumps(speak), f"{front.url}/v1/audio/speech"]
    assert len(await _curl(front, *stream)) == 2 * 2 * 960 + len(" 2")


async def _curl(front: Front, *arguments: str) -> bytes:
    """What curl receives over HTTP/2, and the version that it used."""
    command = ["curl", "-sS", "--http2", "--cacert", str(front.certificate.authority), "-w", " %{http_version}"]
    curl = await asyncio.create_subprocess_exec(
        *command, "-H", f"Authorization: Bearer {KEY}", *arguments, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        received, _ = await curl.communicate()
    assert curl.returncode == 0
    return received


async def test_a_larger_upload_is_refused_by_the_server_which_says_why(front: Front):
    async with front.openai() as client:
        with pytest.raises(APIStatusError) as refused:
            await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", bytes(27 * MIB)))
    assert (refused.value.status_code, refused.value.code) == (413, "request_too_large")


async def test_a_call_is_opened_and_answered(front: Front, monkeypatch: pytest.MonkeyPatch):
    """The media goes past the proxy."""
    pytest.importorskip("aiortc", reason="aiortc is not installed (the extra webrtc)")
    from client_audio import turn
    from webrtc_talk import calling

    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    CHAT.answers.append("Good morning.")
    async with front.openai() as client, calling(client) as call:
        call.microphone.say(turn())
        done = await call.until("response.done")
        assert done["response"]["output"][0]["content"][0]["transcript"] == "Good morning."
        await client.realtime.calls.hangup(call.id)


async def test_a_client_that_is_sending_learns_why_it_is_refused(front: Front):
    body, content_type = form(("model", "whisper-1"), file=silent_wav(20 * MIB))
    headers = {"Content-Type": content_type, "Authorization": "Bearer wrong"}
    answer = await front.ask("POST", "/v1/audio/transcriptions", body, headers=headers)
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("name", ["metrics", "healthz", "readyz"])
async def test_metrics_and_health_are_not_shown_outside(front: Front, name: str):
    assert (await front.ask("GET", f"/{name}")).status == 404
    encoded = f"%{ord(name[0]):02x}{name[1:]}"
    for path in (f"//{name}", f"/./{name}", f"/x/../{name}", f"/{encoded}", f"/{name}/", f"/{name.upper()}"):
        answer = await front.ask("GET", path)
        assert answer.status in (301, 307, 308, 400, 404), path


@pytest.mark.parametrize("forged", [{}, {"X-Forwarded-For": "192.0.2.66", "X-Forwarded-Proto": "http"}])
async def test_the_server_sees_the_client_and_the_scheme(
    front: Front, forged: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    seen: list[tuple[str, str]] = []

    def remember(connection) -> Principal:
        seen.append((connection.client.host, connection.url.scheme))
        return Principal("somebody")

    monkeypatch.setattr(front.server.service.authentication, "for_caption_reader", remember)
    await front.ask("GET", "/v1/streamsrv/captions/hall", headers=forged, source="127.0.0.2")
    assert seen == [("127.0.0.2", "https")]


async def test_pages_of_the_proxy_are_the_servers_own(front: Front):
    options = {"ssl": front.certificate.context(), "additional_headers": {"Authorization": f"Bearer {KEY}"}}
    for origin in (front.proxy.origin, "https://app.example"):
        async with connect(front.realtime_url, origin=origin, **options) as session:
            assert json.loads(await session.recv())["type"] == "session.created"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(front.realtime_url, origin="https://evil.example", **options):
            pass
    error = json.loads(refused.value.response.body)["error"]
    assert (refused.value.response.status_code, error["code"]) == (403, "origin_not_allowed")


async def test_keys_do_not_get_into_the_log_of_the_proxy(front: Front):
    subprotocols = ["realtime", f"openai-insecure-api-key.{KEY}"]
    async with connect(front.realtime_url, ssl=front.certificate.context(), subprotocols=subprotocols):
        pass
    mark = "/v1/streamsrv/captions/written-to-the-log"
    await front.ask("GET", mark, headers={"api-key": KEY})
    async with asyncio.timeout(PATIENCE_S):
        while mark not in front.proxy.logs():
            await asyncio.sleep(0)
    assert KEY not in front.proxy.logs()


async def test_a_wrong_key_is_refused_with_the_reason(front: Front):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            front.realtime_url, ssl=front.certificate.context(), additional_headers={"Authorization": "Bearer wrong"}
        ):
            pass
    error = json.loads(refused.value.response.body)["error"]
    assert (refused.value.response.status_code, error["code"]) == (401, "invalid_api_key")


async def test_the_page_and_its_scripts_are_served(front: Front):
    for path, kind in (("/", "text/html"), ("/lib/index.js", "text/javascript"), ("/captions/hall", "text/html")):
        answer = await front.ask("GET", path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert ("content-security-policy" in answer.headers) == (kind == "text/html"), "documents alone need it"


async def test_the_reason_of_a_close_arrives(proxy_name: str, tmp_path, certificate: Certificate):
    with (
        fronted(proxy_name, tmp_path, certificate, fake_engines(), max_session_minutes=0.02) as front,
        pytest.raises(ConnectionClosed) as closed,
    ):
        await _listen(front)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "session_expired")


async def test_a_server_that_stops_says_so(proxy_name: str, tmp_path, certificate: Certificate):
    with fronted(proxy_name, tmp_path, certificate, fake_engines()) as front:
        options = {"ssl": front.certificate.context(), "additional_headers": {"Authorization": f"Bearer {KEY}"}}
        async with connect(front.realtime_url, **options) as session:
            await session.recv()
            await asyncio.to_thread(front.server.stop)
            with pytest.raises(ConnectionClosed) as closed:
                await session.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012, "service restart"
        assert (await front.ask("GET", "/v1/models")).status == 502, "as long as there is no server"


async def _listen(front: Front) -> None:
    options = {"ssl": front.certificate.context(), "additional_headers": {"Authorization": f"Bearer {KEY}"}}
    async with asyncio.timeout(PATIENCE_S), connect(front.realtime_url, **options) as session:
        while True:
            await session.recv()
