"""Who may connect, how a session is chosen, and that nothing is left when it ends."""

import asyncio
import gc
import json
import threading
from http.client import HTTPConnection

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from serving import serving
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import wire

KEY = "sk-local-1"


@pytest.fixture(scope="module")
def open_server():
    with serving(fake_engines()) as running:
        yield running


@pytest.fixture(scope="module")
def locked_server():
    with serving(fake_engines(), api_keys=f"{KEY},sk-local-2") as running:
        yield running


async def refusal(url: str, **options) -> tuple[int, dict]:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, **options):
            pass
    return refused.value.response.status_code, json.loads(refused.value.response.body)["error"]


@pytest.mark.parametrize(
    "options",
    [
        {"additional_headers": {"Authorization": f"Bearer {KEY}"}},
        {"additional_headers": {"Authorization": "bearer sk-local-2"}},
        {"additional_headers": {"api-key": KEY}},
        {"subprotocols": ["realtime", f"openai-insecure-api-key.{KEY}", "openai-agents-sdk.0.20.0"]},
        {"additional_headers": {"Authorization": f"Bearer {KEY}"}, "origin": "https://elsewhere.example"},
    ],
)
async def test_a_key_opens_the_door(locked_server, options: dict):
    async with wire(locked_server.realtime_url, **options) as client:
        expected = "realtime" if "subprotocols" in options else None
        assert client.connection.subprotocol == expected


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"additional_headers": {"Authorization": "Bearer wrong"}},
        {"additional_headers": {"Authorization": KEY}},
        {"subprotocols": ["realtime", "openai-insecure-api-key.wrong"]},
    ],
)
async def test_without_the_key_the_upgrade_is_refused(locked_server, options: dict):
    status, error = await refusal(locked_server.realtime_url, **options)
    assert (status, error["code"]) == (401, "invalid_api_key")
    assert set(error) == {"message", "type", "code", "param"}


async def test_without_keys_only_loopback_hosts_are_served(open_server):
    """A page whose name was rebound to 127.0.0.1 sends its own name as host."""
    url = open_server.realtime_url.replace("127.0.0.1", "evil.example")
    status, error = await refusal(url, host="127.0.0.1", port=open_server.port)
    assert (status, error["code"]) == (403, "forbidden")


async def test_without_keys_pages_of_other_origins_are_refused(open_server):
    status, error = await refusal(open_server.realtime_url, origin="https://evil.example")
    assert (status, error["code"]) == (403, "origin_not_allowed")
    async with wire(open_server.realtime_url, origin=f"http://127.0.0.1:{open_server.port}"):
        pass


async def test_allowed_origins_are_served():
    with serving(fake_engines(), allowed_origins="https://app.example") as server:
        async with wire(server.realtime_url, origin="https://app.example"):
            pass
        assert (await refusal(server.realtime_url, origin="https://other.example"))[0] == 403


async def test_a_full_server_refuses_and_says_when_to_come_back():
    with serving(fake_engines(), max_sessions=1) as server:
        async with wire(server.realtime_url):
            with pytest.raises(InvalidStatus) as refused:
                async with connect(server.realtime_url):
                    pass
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"] == "5"
            assert (await get(server.port, "/readyz"))[0] == 503


async def test_the_session_shows_the_model_that_was_asked_for(open_server):
    async with wire(f"{open_server.realtime_url}?model=gpt-realtime") as client:
        assert client.received[0]["session"]["model"] == "gpt-realtime"
    async with wire(open_server.realtime_url) as client:
        assert client.received[0]["session"]["model"] == "scripted-model"


async def test_intent_transcription_opens_a_transcription_session(open_server):
    async with wire(f"{open_server.realtime_url}?intent=transcription") as client:
        assert client.received[0]["session"]["type"] == "transcription"


async def test_extension_events_can_be_asked_for_in_the_query(open_server):
    async with wire(f"{open_server.realtime_url}?streamsrv=transcription.partial") as client:
        assert client.received[0]["session"]["streamsrv"] == {"events": ["transcription.partial"]}


async def test_health_and_models(open_server, locked_server):
    assert await get(open_server.port, "/healthz") == (200, {"status": "ok"})
    assert (await get(open_server.port, "/readyz"))[1]["status"] == "ready"
    _, listed = await get(open_server.port, "/v1/models")
    assert "scripted-model" in [model["id"] for model in listed["data"]]
    assert (await get(locked_server.port, "/v1/models"))[0] == 401


async def get(port: int, path: str) -> tuple[int, dict]:
    """Status and JSON body of a GET request."""

    def fetch() -> tuple[int, dict]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path)
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        return response.status, body

    return await asyncio.to_thread(fetch)


async def test_a_thousand_sessions_leave_no_task_no_thread_and_no_object_behind():
    from streamsrv.core.session import SessionCore

    with serving(fake_engines(ScriptedChatModel())) as server:

        async def visit(number: int) -> None:
            async with wire(server.realtime_url) as client:
                if number % 3 == 0:
                    await client.send("response.create", response={"output_modalities": ["text"]})
                if number % 5 == 0:
                    client.connection.transport.abort()

        await visit(1)
        await server.without_sessions()
        threads, tasks = threading.active_count(), await server.tasks()
        for start in range(0, 1000, 20):
            await asyncio.gather(*(visit(number) for number in range(start, start + 20)))
        await server.without_sessions()
        async with asyncio.timeout(20):
            while await server.tasks() > tasks:
                pass
        assert threading.active_count() <= threads
        gc.collect()
        assert sum(isinstance(thing, SessionCore) for thing in gc.get_objects()) <= 1
