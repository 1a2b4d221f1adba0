"""What a client secret may do with a call, and that no place is lost, whatever fails while a call is opened."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from caller import Caller, calling, form, request
from serving import RunningServer, serving
from streamsrv import service
from streamsrv.access.client_secrets import ClientSecrets, UnusableSecret
from streamsrv.errors import Unavailable
from streamsrv.runtime.driver import SessionDriver
from streamsrv.testing.fakes import fake_engines
from streamsrv.transports.webrtc.calls import Call, Calls

KEY, OTHER = "sk-1", "sk-2"
CALLS = "/v1/realtime/calls"
LOOPBACK = {"webrtc_hosts": "127.0.0.1", "webrtc_processes": 1}


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines(), api_keys=f"{KEY},{OTHER}", **LOOPBACK) as running:
        yield running


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


async def secret_for(server: RunningServer, session: dict[str, Any] | None = None) -> str:
    body = json.dumps({"session": session or {}})
    reply = await request(server, "POST", "/v1/realtime/client_secrets", body, bearer(KEY))
    return json.loads(reply.body)["value"]


async def offer(server: RunningServer, credential: str, sdp: str, **session: Any) -> tuple[int, Any]:
    """Status, and the error if there is one."""
    body, content_type = form(sdp=sdp, session=json.dumps(session))
    reply = await request(server, "POST", CALLS, body, {**content_type, **bearer(credential)})
    if reply.status == 201:
        await request(server, "DELETE", reply.headers["location"], b"", bearer(credential))
        return 201, None
    return reply.status, reply.error


async def good_offer() -> str:
    caller = Caller()
    sdp = await caller.offer()
    await caller.close()
    return sdp


@pytest.mark.parametrize(("method", "suffix"), [("POST", "/hangup"), ("DELETE", "")])
async def test_the_secret_that_opened_a_call_ends_it_and_no_other_secret_does(
    server: RunningServer, method: str, suffix: str, monkeypatch: pytest.MonkeyPatch
):
    secret = await secret_for(server)
    async with calling(server, **bearer(secret)) as caller:
        path = caller.call_path + suffix
        for stranger in (await secret_for(server), "ek_none"):
            refused = await request(server, method, path, b"", bearer(stranger))
            assert (refused.status, refused.error["code"]) in [(404, "call_not_found"), (401, "invalid_api_key")]
        assert server.service.sessions == 1
        # A call lasts longer than its secret.
        monkeypatch.setattr("streamsrv.access.authentication.time.time", lambda: 4_000_000_000)
        assert (await request(server, method, path, b"", bearer(secret))).status == 200
        await server.without_sessions()
        assert (await request(server, method, path, b"", bearer(secret))).status == 404


async def test_every_key_of_the_server_ends_every_call(server: RunningServer):
    for opener in (KEY, await secret_for(server)):
        async with calling(server, **bearer(opener)) as caller:
            assert (await request(server, "DELETE", caller.call_path, b"", bearer(OTHER))).status == 200
            await server.without_sessions()


async def test_the_secret_that_opened_a_call_attaches_a_sideband_to_it_and_to_no_other(server: RunningServer):
    secret, stranger = await secret_for(server), await secret_for(server)
    async with calling(server, **bearer(secret)) as caller:
        url = f"{server.realtime_url}?call_id={caller.call_id}"
        async with connect(url, additional_headers=bearer(secret)) as sideband:
            assert json.loads(await sideband.recv())["type"] == "session.created"
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, additional_headers=bearer(stranger)):
                pass
        assert refused.value.response.status_code == 404
    async with calling(server, **bearer(stranger)):
        pass


async def test_a_secret_still_opens_a_call_after_offers_that_were_refused(server: RunningServer):
    secret, good = await secret_for(server), await good_offer()
    deaf = good.replace("a=sendrecv", "a=sendonly")
    in_a_room = {"streamsrv": {"captions": {"room": "main"}}}
    assert (await offer(server, secret, "v=0"))[0] == 400
    assert (await offer(server, secret, deaf))[0] == 400
    assert (await offer(server, secret, good, instructions=7))[0] == 400
    status, error = await offer(server, secret, good, **in_a_room)
    assert (status, error["code"], "'main'" in error["message"]) == (403, "caption_room_not_allowed", True)
    assert (await offer(server, secret, good))[0] == 201
    assert (await offer(server, secret, good))[1]["code"] == "client_secret_used"


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def raising_later(error: Exception) -> Callable[..., Any]:
    async def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


FAILURES: list[tuple[object, str, Callable[..., Any], int]] = [
    (Call, "connect", raising_later(Unavailable("No media process can be started.")), 503),
    (Call, "connect", raising_later(OSError("too many open files")), 500),
    (ClientSecrets, "redeem", raising(UnusableSecret("client_secret_used", "It was used before.")), 401),
    (Calls, "_serve", raising(RuntimeError("no more tasks")), 500),
    (Call, "opened", raising_later(OSError("no media")), 201),
    (service, "SessionCore", raising(ValueError("no core")), 201),
    (SessionDriver, "run", raising_later(ValueError("no run")), 201),
]


@pytest.mark.parametrize(
    ("owner", "name", "failure", "status"), FAILURES, ids=[f"{name}-{status}" for _, name, _, status in FAILURES]
)
async def test_whatever_fails_while_a_call_is_opened_its_place_is_given_back(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, failure: Callable[..., Any], status: int
):
    async def opened(_: Call) -> None:
        """Sessions begin before their client is connected."""

    sdp = await good_offer()
    with serving(fake_engines(), api_keys=KEY, max_sessions=1, **LOOPBACK) as server:
        for _ in range(2):
            body, content_type = form(sdp=sdp, session="{}")
            headers = {**content_type, **bearer(await secret_for(server))}
            with monkeypatch.context() as broken:
                broken.setattr(Call, "opened", opened)
                broken.setattr(owner, name, failure)
                assert (await request(server, "POST", CALLS, body, headers)).status == status
                await server.without_sessions()
        async with calling(server, **bearer(KEY)):
            assert server.service.sessions == 1
        await server.without_sessions()
