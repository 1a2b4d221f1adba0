"""REST access: keys, concurrent requests, and work whose client has disconnected."""

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from rest import HalfRequest, ask, form, post_json, without_requests
from serving import serving
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions
from streamsrv.http import request_body
from streamsrv.testing.fakes import ScriptedChatModel, ToneSynthesizer, fake_engines

KEY = "sk-local-1"
ROUTES = [
    ("GET", "/models"),
    ("GET", "/models/scripted-model"),
    ("POST", "/audio/speech"),
    ("POST", "/audio/transcriptions"),
    ("POST", "/chat/completions"),
    ("GET", "/no-such-path"),
]
CHAT = {"model": "any", "messages": [{"role": "user", "content": "Hello!"}]}


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines()) as running:
        yield running


@pytest.fixture(scope="module")
def locked_server():
    with serving(fake_engines(), api_keys=KEY) as running:
        yield running


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_route_wants_the_key(locked_server, method: str, path: str):
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = await ask(locked_server, method, path, headers=headers)
        assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"api-key": KEY}):
        assert (await ask(locked_server, method, path, headers=headers)).status != 401


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_keys_neither_other_hosts_nor_pages_of_other_origins_are_served(server, method: str, path: str):
    for host in ("evil.example", "[", ""):
        elsewhere = await ask(server, method, path, headers={"Host": host})
        assert (elsewhere.status, elsewhere.error["code"]) == (403, "forbidden")
    for origin in ("https://evil.example", "null", "http://["):
        page = await ask(server, method, path, headers={"Origin": origin})
        assert (page.status, page.error["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in page.headers


async def test_pages_of_allowed_origins_are_served():
    with serving(fake_engines(), allowed_origins="https://app.example", api_keys=KEY) as server:
        origin = {"Origin": "https://app.example"}
        preflight = {**origin, "Access-Control-Request-Method": "POST"}
        wanted = {"Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang"}
        allowed = await ask(server, "OPTIONS", "/chat/completions", headers={**preflight, **wanted})
        assert allowed.status == 200
        assert allowed.headers["access-control-allow-origin"] == "https://app.example"
        assert "x-stainless-lang" in allowed.headers["access-control-allow-headers"]
        answer = await post_json(server, "/chat/completions", CHAT, {**origin, "Authorization": f"Bearer {KEY}"})
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        refused = await ask(server, "GET", "/models", headers=origin)
        assert refused.status == 401
        assert refused.headers["access-control-allow-origin"] == "https://app.example", "the page may read why"
        other = await ask(server, "OPTIONS", "/models", headers={**preflight, "Origin": "https://evil.example"})
        assert other.status == 400


async def test_what_is_not_there_is_said_in_the_same_shape(server):
    missing = await ask(server, "GET", "/no-such-path")
    assert (missing.status, missing.error["code"]) == (404, "not_found")
    assert set(missing.error) == {"message", "type", "code", "param"}
    assert len((await ask(server, "GET", "/" + "a" * 50_000)).body) < 1000
    wrong_method = await ask(server, "GET", "/chat/completions")
    assert (wrong_method.status, wrong_method.error["code"]) == (405, "method_not_allowed")
    assert wrong_method.headers["allow"] == "POST"


async def test_models_can_be_listed_and_looked_up(server):
    listed = (await ask(server, "GET", "/models")).json
    assert listed["object"] == "list"
    assert {"scripted-model", "scripted-recognizer", "tone"} == {model["id"] for model in listed["data"]}
    for model in listed["data"]:
        assert (await ask(server, "GET", f"/models/{model['id']}")).json == model
    missing = await ask(server, "GET", "/models/org/none")
    assert (missing.status, missing.error["code"], missing.error["param"]) == (404, "model_not_found", "model")


async def test_more_requests_than_there_are_places_for_are_refused():
    chat = ScriptedChatModel("One two.", "Fine.", "Fine.")
    chat.hold = asyncio.Event()
    with serving(fake_engines(chat), max_requests=1) as server:
        first = asyncio.create_task(post_json(server, "/chat/completions", CHAT))
        while not chat.asked:
            await server.tasks()
        for path in ("/chat/completions", "/audio/speech", "/audio/transcriptions"):
            refused = await post_json(server, path, {})
            assert (refused.status, refused.error["code"]) == (503, "request_limit_reached")
            assert refused.headers["retry-after"] == "2"
        assert (await ask(server, "GET", "/models")).status == 200, "what takes no time needs no place"
        server.loop.call_soon_threadsafe(chat.hold.set)
        assert (await first).json["choices"][0]["message"]["content"] == "One two."
        assert (await post_json(server, "/chat/completions", CHAT)).status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_cancels_the_model(stream: bool):
    chat = ScriptedChatModel("One two.")
    chat.hold = asyncio.Event()  # never set: the answer does not end by itself
    with serving(fake_engines(chat)) as server:
        body = json.dumps({**CHAT, "stream": stream}).encode()
        request = await HalfRequest.begin(server, "/chat/completions", len(body))
        await request.send(body)
        if stream:
            assert await request.status() == 200
        while not chat.asked:
            await server.tasks()
        request.leave()
        await without_requests(server)
        assert chat.cancelled == 1


class EndlessSynthesizer(ToneSynthesizer):
    """Speaks until it is closed."""

    closed = False

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        try:
            while True:
                yield SpeechChunk(np.full(4800, 9000, np.int16))
                await asyncio.sleep(0)
        finally:
            self.closed = True


@pytest.mark.parametrize("encoding", ["pcm", "opus"])
async def test_a_client_that_leaves_cancels_the_speech(encoding: str):
    synthesizer = EndlessSynthesizer()
    with serving(fake_engines(synthesizer=synthesizer)) as server:
        body = json.dumps({"input": "Hello!", "response_format": encoding}).encode()
        request = await HalfRequest.begin(server, "/audio/speech", len(body))
        await request.send(body)
        assert await request.status() == 200
        assert not synthesizer.closed
        request.leave()
        await without_requests(server)
        assert synthesizer.closed


async def test_a_client_that_leaves_in_the_middle_of_its_request_leaves_nothing_behind(server):
    tasks = await server.tasks()
    body, content_type = form(file=bytes(3_000_000))
    request = await HalfRequest.begin(server, "/audio/transcriptions", len(body), f"Content-Type: {content_type}")
    await request.send(body[:2_000_000])
    while not server.app.state.exchanges.unread:
        await server.tasks()
    request.leave()
    await without_requests(server)
    assert await server.tasks() <= tasks


async def test_a_body_that_stops_is_given_up(server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(request_body, "PATIENCE_S", 0.05)
    request = await HalfRequest.begin(server, "/chat/completions", 1000)
    await request.send(b'{"messages": [')
    assert await request.status() == 408
    request.leave()
    await without_requests(server)


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"", 400, "invalid_json", None),
        (b"{", 400, "invalid_json", None),
        (b'{"input": "\xff"}', 400, "invalid_json", None),
        (b"[]", 400, "invalid_json", None),
        (b"{}", 400, "missing_required_parameter", "input"),
        (b'{"input": "' + b"a" * 5_000_000 + b'"}', 413, "request_too_large", None),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(server, body: bytes, status: int, code: str, param: str | None):
    answer = await ask(server, "POST", "/audio/speech", body)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (status, code, param)


@pytest.mark.parametrize("path", ["/audio/speech", "/audio/transcriptions", "/chat/completions"])
async def test_a_compressed_body_is_refused_by_its_encoding(server, path: str):
    headers = {"Content-Encoding": "gzip", "Content-Type": "multipart/form-data; boundary=cut"}
    answer = await ask(server, "POST", path, gzip.compress(b'{"input": "Hi"}'), headers)
    assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")
    assert "'gzip'" in answer.error["message"]


async def test_a_body_of_unknown_length_is_measured(server):
    pieces = (b"[" * 1_000_000 for _ in range(6))
    answer = await ask(server, "POST", "/chat/completions", pieces)
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
