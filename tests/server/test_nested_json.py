"""JSON that is nested too deep gets an error in OpenAI's shape, wherever JSON is read, and nothing in the log."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rest import Answer, ask, post_form
from serving import RunningServer, serving
from streamsrv.protocol.json_values import MAX_DEPTH
from streamsrv.testing.fakes import fake_engines
from wire import wire

DEPTHS = [MAX_DEPTH, MAX_DEPTH + 1, 980, 1100, 50_000]
"""Of the value of one field: the object around it is one level more."""


def arrays(levels: int) -> str:
    return "[" * levels + "]" * levels


def objects(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def deep_field(name: str, rest: dict[str, Any], value: str) -> str:
    return f"{{{json.dumps(name)}: {value}{json.dumps(rest).replace('{', ', ' if rest else '', 1)}"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with serving(fake_engines()) as running:
        yield running


async def post(server: RunningServer, path: str, body: str) -> Answer:
    return await ask(server, "POST", path, body.encode(), {"Content-Type": "application/json"})


def check(answer: Answer) -> None:
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.error["type"] == "invalid_request_error"
    assert answer.error["code"] == "invalid_json"
    assert f"nested more than {MAX_DEPTH} levels deep" in answer.error["message"]


REQUESTS = {
    "/chat/completions": ("tools", {"model": "any", "messages": [{"role": "user", "content": "Hi"}]}),
    "/audio/speech": ("instructions", {"model": "tone", "voice": "tone", "input": "hello"}),
    "/realtime/client_secrets": ("session", {}),
}


@pytest.mark.parametrize("shape", [arrays, objects])
@pytest.mark.parametrize("levels", DEPTHS)
@pytest.mark.parametrize("path", list(REQUESTS))
async def test_a_body_that_is_nested_too_deep_is_refused(
    server: RunningServer, path: str, levels: int, shape: Callable[[int], str], caplog: pytest.LogCaptureFixture
):
    name, rest = REQUESTS[path]
    check(await post(server, path, deep_field(name, rest, shape(levels))))
    check(await post(server, path, shape(levels + 1)))
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("levels", DEPTHS[1:])
async def test_the_session_of_a_call_that_is_nested_too_deep_is_refused(server: RunningServer, levels: int):
    answer = await post_form(server, "/realtime/calls", ("sdp", "v=0"), ("session", objects(levels)))
    assert answer.status in (400, 501), "501: this server has no WebRTC"
    if answer.status == 400:
        assert (answer.error["code"], answer.error["param"]) == ("invalid_json", "session")


@pytest.mark.parametrize("levels", DEPTHS[1:])
async def test_the_field_of_a_form_that_is_nested_too_deep_is_refused(
    server: RunningServer, levels: int, caplog: pytest.LogCaptureFixture
):
    strategy = ("chunking_strategy", objects(levels))
    answer = await post_form(server, "/audio/transcriptions", ("model", "whisper-1"), strategy, file=b"RIFF")
    assert (answer.status, answer.error["param"]) == (400, "chunking_strategy")
    assert f"nested more than {MAX_DEPTH} levels deep" in answer.error["message"]
    assert not [record for record in caplog.records if record.exc_info]


EVENTS = {
    "session": {"type": "session.update", "event_id": "mine"},
    "response": {"type": "response.create", "event_id": "mine"},
    "item": {"type": "conversation.item.create", "event_id": "mine"},
    "audio": {"type": "input_audio_buffer.append", "event_id": "mine"},
    "anything": {"type": "dance"},
}


@pytest.mark.parametrize("shape", [arrays, objects])
@pytest.mark.parametrize("name", list(EVENTS))
async def test_an_event_that_is_nested_too_deep_is_an_error_and_the_session_goes_on(
    server: RunningServer, name: str, shape: Callable[[int], str], caplog: pytest.LogCaptureFixture
):
    async with wire(server.realtime_url) as client:
        for levels in DEPTHS:
            await client.connection.send(deep_field(name, EVENTS[name], shape(levels)))
            error = await client.error()
            assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_event")
            assert f"nested more than {MAX_DEPTH} levels deep" in error["message"]
        await client.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        await client.until("session.updated")
    assert not [record for record in caplog.records if record.exc_info]
