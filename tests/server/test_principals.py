"""Principals: their log lines, their limits, and what they may access."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rest import ask, post_json
from serving import RunningServer, serving
from streamsrv.access.principal import key_id
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import wire

KEY, OTHER = "sk-local-1", "sk-local-2"
CHAT = {"model": "any", "messages": [{"role": "user", "content": "Hello!"}]}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def carrying(key: str) -> dict[str, Any]:
    return {"additional_headers": bearer(key)}


async def secret_for(server: RunningServer, session: dict[str, Any] | None = None, key: str = KEY) -> str:
    answer = await post_json(server, "/realtime/client_secrets", {"session": session or {}}, bearer(key))
    assert answer.status == 200, answer.body
    return answer.json["value"]


async def refusal(url: str, **options: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, **options):
            pass
    return refused.value.response.status_code, json.loads(refused.value.response.body)["error"]


Log = Callable[[RunningServer, str], Awaitable[str]]


@pytest.fixture
def log_until(caplog: pytest.LogCaptureFixture) -> Log:
    """Waits until the server has logged something; gives all that it logged, with the names that each line carries."""
    from streamsrv.observability.logging import LogContext

    caplog.set_level(logging.INFO)
    caplog.handler.addFilter(LogContext())
    caplog.handler.setFormatter(logging.Formatter("%(context)s%(message)s"))

    async def log_until(server: RunningServer, text: str) -> str:
        async with asyncio.timeout(20):
            while text not in caplog.text:
                await server.tasks()
        return caplog.text

    return log_until


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines(), api_keys=f"{KEY},{OTHER}") as running:
        yield running


async def test_the_log_names_the_key_of_a_request_but_does_not_tell_it(server: RunningServer, log_until: Log):
    answer = await ask(server, "GET", "/models", headers=bearer(KEY))
    request_id = answer.headers["x-request-id"]
    assert KEY not in await log_until(server, f"[{request_id}, {key_id(KEY)}] GET /v1/models: 200")
    assert (await ask(server, "GET", "/models", headers=bearer(KEY))).headers["x-request-id"] != request_id


async def test_a_path_makes_no_lines_of_the_log(server: RunningServer, log_until: Log):
    await ask(server, "GET", "/no%0Asuch", headers=bearer(KEY))
    await log_until(server, "GET /v1/no%0Asuch: 404")


async def test_a_refused_request_has_an_id_and_says_how_to_authenticate(server: RunningServer, log_until: Log):
    answer = await ask(server, "GET", "/models")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    await log_until(server, f"[{answer.headers['x-request-id']}] GET /v1/models: 401")


async def test_the_log_of_a_session_names_it_and_its_principal(server: RunningServer, log_until: Log):
    secret = await secret_for(server)
    async with wire(server.realtime_url, **carrying(secret)) as client:
        session_id = client.received[0]["session"]["id"]
    names = f"[{session_id}, {key_id(KEY)}, client secret {session_id}]"
    log = await log_until(server, f"{names} the session has ended")
    assert f"{names} the session begins" in log
    assert KEY not in log
    assert not [line for line in log.splitlines() if secret in line and "> " not in line], "the client logs its own"


async def test_the_log_tells_why_a_session_was_refused_and_to_whom(server: RunningServer, log_until: Log):
    await refusal(f"{server.realtime_url}?captions=-x", **carrying(KEY))
    await log_until(server, f"[{key_id(KEY)}] a WebSocket was refused with 400: Invalid value")


async def test_without_keys_the_principal_is_loopback(log_until: Log):
    with serving(fake_engines()) as server:
        async with wire(server.realtime_url):
            pass
        await log_until(server, ", loopback] the session begins")


@pytest.mark.parametrize("room", ["main", "other"])
async def test_a_secret_made_without_captions_enters_no_room(server: RunningServer, room: str):
    async with wire(server.realtime_url, **carrying(await secret_for(server))) as client:
        await client.send("session.update", session={"streamsrv": {"captions": {"room": room}}}, event_id="mine")
        error = await client.error()
        assert (error["code"], error["event_id"]) == ("caption_room_not_allowed", "mine")
        assert error["param"] == "session.streamsrv.captions.room"
        assert f"'{room}'" in error["message"]
        assert "none" in error["message"]
    assert server.service.rooms.find(room) is None


async def test_a_secret_fixes_the_room_of_its_session(server: RunningServer):
    secret = await secret_for(server, {"streamsrv": {"captions": {"room": "mine", "speaker": "Ada"}}})
    async with wire(server.realtime_url, **carrying(secret)) as client:
        for update in ({"room": "yours"}, {"room": "yours", "title": "Taken over"}):
            await client.send("session.update", session={"streamsrv": {"captions": update}})
            error = await client.error()
            assert (error["code"], "'yours'" in error["message"], "'mine'" in error["message"]) == (
                "caption_room_not_allowed",
                True,
                True,
            )
        await client.send("session.update", session={"streamsrv": {"captions": None}})
        assert (await client.until("session.updated"))["session"]["streamsrv"]["captions"] is None
        await client.send("session.update", session={"streamsrv": {"captions": {"room": "mine", "title": "Ours"}}})
        assert (await client.until("session.updated"))["session"]["streamsrv"]["captions"]["title"] == "Ours"
    assert server.service.rooms.find("yours") is None


@pytest.mark.parametrize("made_with", [{}, {"streamsrv": {"captions": {"room": "mine"}}}])
async def test_a_room_in_the_query_needs_the_same_permission_and_leaves_the_secret_unused(
    server: RunningServer, made_with: dict[str, Any]
):
    secret = await secret_for(server, made_with)
    status, error = await refusal(f"{server.realtime_url}?captions=yours", **carrying(secret))
    assert (status, error["code"]) == (403, "caption_room_not_allowed")
    assert "'yours'" in error["message"]
    async with wire(server.realtime_url, **carrying(secret)):
        pass


async def test_a_key_speaks_in_any_room(server: RunningServer):
    async with wire(f"{server.realtime_url}?captions=first", **carrying(KEY)) as client:
        await client.send("session.update", session={"streamsrv": {"captions": {"room": "second"}}})
        assert (await client.until("session.updated"))["session"]["streamsrv"]["captions"]["room"] == "second"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("captions=bad%20name", "session.streamsrv.captions.room"),
        ("captions=-x", "session.streamsrv.captions.room"),
    ],
)
async def test_a_bad_query_leaves_the_secret_unused(server: RunningServer, query: str, param: str):
    secret = await secret_for(server, {"streamsrv": {"captions": {"room": "mine"}}})
    status, error = await refusal(f"{server.realtime_url}?{query}", **carrying(secret))
    assert (status, error["param"]) == (400, param)
    async with wire(server.realtime_url, **carrying(secret)):
        pass


async def test_sessions_of_one_key_are_limited_and_those_of_its_secrets_count():
    with serving(fake_engines(), api_keys=f"{KEY},{OTHER}", max_sessions_per_key=2) as server:
        spare = await secret_for(server)
        async with AsyncExitStack() as open_sessions:
            for credential in (KEY, await secret_for(server)):
                await open_sessions.enter_async_context(wire(server.realtime_url, **carrying(credential)))
            for credential in (KEY, spare):
                status, error = await refusal(server.realtime_url, **carrying(credential))
                assert (status, error["code"], error["type"]) == (429, "session_limit_reached", "rate_limit_error")
            async with wire(server.realtime_url, **carrying(OTHER)):
                pass
        await server.without_sessions()
        async with wire(server.realtime_url, **carrying(spare)):
            pass


async def test_requests_of_one_key_are_limited():
    chat = ScriptedChatModel("One two.")
    chat.hold = asyncio.Event()
    with serving(fake_engines(chat), api_keys=f"{KEY},{OTHER}", max_requests_per_key=1) as server:
        slow = asyncio.create_task(post_json(server, "/chat/completions", CHAT, bearer(KEY)))
        while not chat.asked:
            await server.tasks()
        refused = await post_json(server, "/chat/completions", CHAT, bearer(KEY))
        assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (
            429,
            "request_limit_reached",
            "2",
        )
        other = asyncio.create_task(post_json(server, "/chat/completions", CHAT, bearer(OTHER)))
        while len(chat.asked) < 2:
            await server.tasks()
        server.loop.call_soon_threadsafe(chat.hold.set)
        assert ((await slow).status, (await other).status) == (200, 200)
        assert (await post_json(server, "/chat/completions", CHAT, bearer(KEY))).status == 200


async def response_of(server: RunningServer, key: str) -> dict[str, Any]:
    async with wire(server.realtime_url, **carrying(key)) as client:
        await client.send("response.create", response={"output_modalities": ["text"]})
        return (await client.until("response.done"))["response"]


async def test_responses_of_one_key_are_limited_over_all_its_sessions_and_requests():
    chat = ScriptedChatModel(*["Fine."] * 10)
    with serving(fake_engines(chat), api_keys=f"{KEY},{OTHER}", responses_per_minute_per_key=2) as server:
        assert (await response_of(server, KEY))["status"] == "completed"
        assert (await post_json(server, "/chat/completions", CHAT, bearer(KEY))).status == 200
        failed = await response_of(server, KEY)
        assert failed["status"] == "failed"
        assert failed["status_details"]["error"]["code"] == "rate_limit_exceeded"
        refused = await post_json(server, "/chat/completions", CHAT, bearer(KEY))
        assert (refused.status, refused.error["code"]) == (429, "rate_limit_exceeded")
        assert "2 responses a minute" in refused.error["message"]
        assert (await response_of(server, OTHER))["status"] == "completed"
        assert len(chat.asked) == 3
