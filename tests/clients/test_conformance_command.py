"""`streamsrv conformance` against this server, and against servers that break one rule."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from typer.testing import CliRunner
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from serving import RunningServer
from streamsrv.cli import app
from streamsrv.conformance.check import Check
from streamsrv.conformance.checks import ALL
from streamsrv.conformance.report import line, summary, to_json
from streamsrv.conformance.run import Result, Unreachable, reach, run_check, select
from streamsrv.conformance.session import Target

Event = dict[str, Any]
BY_NAME = {check.name: check for check in ALL}
MAY_BE_INCONCLUSIVE = {"responses.function_call", "responses.one_at_a_time", "responses.cancel", "speech.interruption"}
"""What a small and quick model may not get into."""


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.name)
async def test_this_server_conforms(real_server: RunningServer, check: Check) -> None:
    result = await run_check(check, Target.parse(real_server.http_url))
    accepted = {"passed", "inconclusive"} if check.name in MAY_BE_INCONCLUSIVE else {"passed"}
    assert result.outcome in accepted, result.detail


@asynccontextmanager
async def changing(server: RunningServer, change: Callable[[Event], Event | None]) -> AsyncGenerator[Target]:
    """A proxy in front of the server that changes its events, or drops those for which `change` gives None."""

    async def relay(client: ServerConnection) -> None:
        async with connect(f"{server.realtime_url}?model=any", max_size=None) as upstream, asyncio.TaskGroup() as tasks:
            tasks.create_task(forward(client, upstream))
            try:
                async for frame in upstream:
                    if (event := change(json.loads(frame))) is not None:
                        await client.send(json.dumps(event))
            except ConnectionClosed:
                pass

    async def forward(client: ServerConnection, upstream: Any) -> None:
        try:
            async for frame in client:
                await upstream.send(frame)
        except ConnectionClosed:
            pass
        await upstream.close()

    async with serve(relay, "127.0.0.1", 0, max_size=None) as proxy:
        port = next(iter(proxy.sockets)).getsockname()[1]
        yield Target.parse(f"ws://127.0.0.1:{port}/v1/realtime", patience_s=3)


def without(event_type: str) -> Callable[[Event], Event | None]:
    return lambda event: None if event["type"] == event_type else event


def changed(event_type: str, **fields: Any) -> Callable[[Event], Event]:
    return lambda event: {**event, **fields} if event["type"] == event_type else event


NO_EVENT = {"type": "invalid_request_error", "message": "It is there already."}
BROKEN = {
    "no item is announced": ("items.create_and_retrieve", without("conversation.item.added"), "out of order"),
    "a content part is missing": ("responses.written", without("response.content_part.added"), "out of order"),
    "the text differs from its deltas": ("responses.written", changed("response.output_text.done", text="No."), "No."),
    "an event has no id": ("session.created", changed("session.created", event_id=None), "no 'event_id'"),
    "event ids repeat": ("items.order", changed("conversation.item.added", event_id="event_1"), "was used before"),
    "a field is of a wrong type": ("items.delete", changed("conversation.item.deleted", item_id=5), "item_id"),
    "an error belongs to no event": (
        "items.duplicate_id",
        changed("error", error={"type": "x", "message": "m"}),
        "event_id",
    ),
    "nothing answers": ("items.delete", without("conversation.item.deleted"), "No conversation.item.deleted came"),
}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_broken_server_is_found_out(server: RunningServer, fault: str) -> None:
    name, change, words = BROKEN[fault]
    async with changing(server, change) as target:
        result = await run_check(BY_NAME[name], target)
    assert (result.outcome, words in result.detail) == ("failed", True), result.detail


async def test_the_proxy_alone_breaks_nothing(server: RunningServer) -> None:
    async with changing(server, lambda event: event) as target:
        results = [await run_check(BY_NAME[name], target) for name, _, _ in BROKEN.values()]
    assert {result.outcome for result in results} == {"passed"}


async def test_a_server_that_is_not_there_is_told_from_one_that_fails() -> None:
    with pytest.raises(Unreachable, match=r"cannot be reached"):
        await reach(Target.parse("ws://127.0.0.1:9/v1/realtime"))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["conformance", *arguments])


def test_the_command_reports_for_people_and_for_programs(server: RunningServer) -> None:
    said = run(server.http_url, "items")
    assert said.exit_code == 0
    assert said.stdout.startswith("ok      items.create_and_retrieve: A created item is announced")
    assert "7 of 7 checks passed, 0 failed." in said.stdout
    report = json.loads(run(server.http_url, "items.delete", "--json").stdout)
    assert (report["passed"], report["failed"], report["checks"][0]["name"]) == (1, 0, "items.delete")


def test_wrong_arguments_are_explained() -> None:
    assert "there is no check 'nothing'" in run("--list", "http://x", "nothing").stderr
    assert "'ftp://x' is not a URL of a server" in run("ftp://x").stderr
    assert run("http://127.0.0.1:9").exit_code == 2


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("127.0.0.1:8000", "ws://127.0.0.1:8000/v1/realtime"),
        ("http://host:1/v1/", "ws://host:1/v1/realtime"),
        ("https://api.example.org/v1", "wss://api.example.org/v1/realtime"),
        ("wss://host/openai/v1/realtime?api-version=1", "wss://host/openai/v1/realtime?api-version=1"),
    ],
)
def test_base_urls_and_websocket_urls_are_taken(url: str, address: str) -> None:
    assert Target.parse(url).address() == address


def test_the_model_is_in_the_query() -> None:
    assert Target.parse("http://host/v1", model="m").address() == "ws://host/v1/realtime?model=m"
    assert Target.parse("ws://host/v1/realtime?model=a").address() == "ws://host/v1/realtime?model=a"


async def _nothing(_: Target) -> None: ...


def test_the_report_counts_and_explains() -> None:
    check = Check("group.name", "It works.", _nothing)
    results = [Result(check, "passed", "", 0.1), Result(check, "failed", "It is late.", 0.2)]
    assert line(results[1]) == "FAILED  group.name: It works.\n          It is late."
    assert summary(results, checked_types=True) == "1 of 2 checks passed, 1 failed."
    assert "needs the package openai" in summary(results, checked_types=False)
    assert to_json(results, "ws://x", checked_types=True)["checks"][1]["detail"] == "It is late."


def test_checks_are_chosen_by_group_or_name() -> None:
    assert {check.name.partition(".")[0] for check in select(ALL, ["items", "errors"])} == {"items", "errors"}
    assert [check.name for check in select(ALL, ["items.delete"])] == ["items.delete"]
    assert len({check.name for check in ALL}) == len(ALL)
