"""Client secrets over HTTP, and the sessions that they open."""

import asyncio
import json
import logging
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rest import Answer, ask, post_json
from serving import RunningServer, serving
from streamsrv.testing.fakes import fake_engines
from wire import wire

KEY = "sk-local-1"
BEARER = {"Authorization": f"Bearer {KEY}"}
PATH = "/realtime/client_secrets"


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines(), api_keys=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def open_server():
    with serving(fake_engines()) as running:
        yield running


async def make(server: RunningServer, **fields: Any) -> Answer:
    return await post_json(server, PATH, fields, BEARER)


async def secret_for(server: RunningServer, session: dict[str, Any] | None = None) -> str:
    answer = await make(server, session=session or {})
    assert answer.status == 200, answer.body
    return answer.json["value"]


def bearer(secret: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {secret}"}}


def subprotocol(secret: str) -> dict[str, Any]:
    return {"subprotocols": ["realtime", f"openai-insecure-api-key.{secret}", "openai-agents-sdk.0.20.0"]}


async def refusal(server: RunningServer, options: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(server.realtime_url, **options):
            pass
    body = refused.value.response.body
    assert body is not None
    error = json.loads(body)["error"]
    assert error["message"]
    return refused.value.response.status_code, error["code"]


@pytest.mark.parametrize("carry", [bearer, subprotocol])
async def test_a_secret_opens_the_session_it_was_made_for(server: RunningServer, carry):
    made = (await make(server, session={"type": "realtime", "instructions": "Be brief.", "model": "any"})).json
    async with wire(server.realtime_url, **carry(made["value"])) as client:
        opened = client.received[0]["session"]
    assert {**opened, "expires_at": 0} == {**made["session"], "expires_at": 0}
    assert (opened["instructions"], opened["model"]) == ("Be brief.", "any")


async def test_the_session_of_a_secret_wins_over_the_query(server: RunningServer):
    secret = await secret_for(server, {"model": "chosen"})
    async with wire(f"{server.realtime_url}?model=other", **bearer(secret)) as client:
        assert client.received[0]["session"]["model"] == "chosen"


async def test_a_secret_may_carry_a_transcription_session_and_our_extensions(server: RunningServer):
    asked = {"type": "transcription", "streamsrv": {"events": ["transcription.partial"]}}
    async with wire(server.realtime_url, **bearer(await secret_for(server, asked))) as client:
        opened = client.received[0]["session"]
    assert opened["type"] == "transcription"
    assert opened["streamsrv"]["events"] == ["transcription.partial"]


async def test_a_secret_may_carry_a_session_too_large_for_any_header(server: RunningServer):
    tools = [{"type": "function", "name": f"tool_{n}", "description": hex(7 ** (5 * n))} for n in range(120)]
    secret = await secret_for(server, {"tools": tools})
    async with wire(server.realtime_url, **subprotocol(secret)) as client:
        opened = client.received[0]["session"]
    assert [tool["description"] for tool in opened["tools"]] == [tool["description"] for tool in tools]


async def test_the_answer_is_not_to_be_stored(server: RunningServer):
    answer = await make(server)
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json) == {"value", "expires_at", "session"}


async def test_a_secret_is_refused_the_second_time(server: RunningServer):
    secret = await secret_for(server)
    async with wire(server.realtime_url, **bearer(secret)):
        assert await refusal(server, bearer(secret)) == (401, "client_secret_used")


async def test_of_two_clients_with_one_secret_one_gets_in(server: RunningServer):
    secret = await secret_for(server)

    async def enter() -> bool:
        try:
            async with wire(server.realtime_url, **bearer(secret)):
                return True
        except InvalidStatus:
            return False

    assert sorted(await asyncio.gather(*(enter() for _ in range(5)))) == [False] * 4 + [True]


async def test_a_secret_expires(server: RunningServer, monkeypatch: pytest.MonkeyPatch):
    made = (await make(server, expires_after={"anchor": "created_at", "seconds": 10})).json
    monkeypatch.setattr("streamsrv.access.authentication.time.time", lambda: made["expires_at"])
    assert await refusal(server, bearer(made["value"])) == (401, "client_secret_expired")


async def test_a_full_server_does_not_use_a_secret_up():
    with serving(fake_engines(), max_sessions=1) as server:
        secret = await secret_for(server)
        async with wire(server.realtime_url):
            assert await refusal(server, bearer(secret)) == (503, "session_limit_reached")
        await server.without_sessions()
        async with wire(server.realtime_url, **bearer(secret)):
            pass


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/models"), ("POST", PATH), ("POST", "/audio/speech"), ("POST", "/chat/completions")],
)
async def test_a_secret_is_no_key(server: RunningServer, method: str, path: str):
    headers = {"Authorization": f"Bearer {await secret_for(server)}"}
    answer = await ask(server, method, path, b"{}", headers)
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert "client secret" in answer.error["message"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_a_key_is_needed_to_make_a_secret(server: RunningServer, headers: dict[str, str]):
    answer = await post_json(server, PATH, {}, headers)
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


async def test_without_keys_secrets_work_on_loopback(open_server: RunningServer):
    secret = (await post_json(open_server, PATH, {"session": {"instructions": "Be brief."}})).json["value"]
    async with wire(open_server.realtime_url, **subprotocol(secret)) as client:
        assert client.received[0]["session"]["instructions"] == "Be brief."
    assert await refusal(open_server, subprotocol(secret)) == (401, "client_secret_used")


async def test_without_keys_pages_of_other_origins_get_no_secret(open_server: RunningServer):
    answer = await post_json(open_server, PATH, {}, {"Origin": "https://evil.example"})
    assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"expires_after": {"seconds": 9}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "expires_after.seconds"),
        ({"expires_after": {"seconds": "60"}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "now"}}, "expires_after.anchor"),
        ({"session": []}, "session"),
        ({"session": {"type": "beta"}}, "session.type"),
        ({"session": {"type": None}}, "session.type"),
        ({"session": {"model": 7}}, "session.model"),
        ({"session": {"audio": {"output": {"speed": 9}}}}, "session.audio.output.speed"),
        ({"session": {"type": "transcription", "streamsrv": {"events": "all"}}}, "session.streamsrv.events"),
    ],
)
async def test_bad_fields_are_named(server: RunningServer, fields: dict[str, Any], param: str):
    answer = await make(server, **fields)
    assert (answer.status, answer.error["param"]) == (400, param)


async def test_pages_of_allowed_origins_may_ask():
    origin = {"Origin": "https://app.example"}
    asked = {"Access-Control-Request-Headers": "authorization,content-type,x-openai-agents-sdk"}
    with serving(fake_engines(), allowed_origins="https://app.example", api_keys=KEY) as server:
        for method in ("POST", "DELETE"):
            headers = {**origin, **asked, "Access-Control-Request-Method": method}
            allowed = await ask(server, "OPTIONS", PATH, headers=headers)
            assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, "https://app.example")
            assert method in allowed.headers["access-control-allow-methods"]
            assert "x-openai-agents-sdk" in allowed.headers["access-control-allow-headers"]
        made = await post_json(server, PATH, {}, {**origin, **BEARER})
        assert made.status == 200
        assert made.headers["access-control-expose-headers"] == "Location, Retry-After"


async def test_no_secret_is_logged(server: RunningServer, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    secret = await secret_for(server)
    async with wire(server.realtime_url, **bearer(secret)):
        await refusal(server, bearer(secret))
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("websockets.client")]
    assert not [line for line in ours if secret in line]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"colour": "red"}, "colour"),
        ({"expires_after": {"anchor": "created_at", "minutes": 1}}, "expires_after.minutes"),
        ({"session": {"type": "realtime", "colour": "red"}}, "session.colour"),
    ],
)
async def test_an_unknown_field_is_named(server: RunningServer, fields: dict[str, Any], param: str):
    answer = await make(server, **fields)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "unknown_parameter", param)
