"""Behind a reverse proxy: whose forwarded headers count, and what counts as the server's own page."""

from typing import Any

import pytest
from starlette.requests import HTTPConnection
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rest import ask
from serving import RunningServer, serving
from streamsrv.access.authentication import client_address
from streamsrv.app import build_app
from streamsrv.server import Server
from streamsrv.settings import Settings
from streamsrv.testing.fakes import fake_engines

KEY = "sk-local-1"
FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def open_server():
    with serving(fake_engines()) as running:
        yield running


@pytest.fixture(scope="module")
def locked_server():
    """A server with keys that only pages of two origins may use: its own, and another one."""
    with serving(fake_engines(), api_keys=KEY, allowed_origins="https://app.example") as running:
        yield running


async def seen(peer: str, headers: dict[str, str], **settings: Any) -> tuple[str, str]:
    """The client address and the scheme that the application sees in a request from `peer`."""
    scopes: list[Any] = []
    server = Server(build_app(Settings(**settings), fake_engines()), lambda: None)
    server.config.app = _recorded(scopes)
    server.config.load()
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope: Any = {"type": "http", "client": (peer, 1234), "scheme": "http", "headers": pairs}
    await server.config.loaded_app(scope, None, None)
    return scopes[0]["client"][0], scopes[0]["scheme"]


def _recorded(scopes: list[Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)

    return app


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("127.0.0.1", None),
        ("::1", None),
        ("172.18.0.3", "172.18.0.0/16"),
        ("::ffff:172.18.0.3", "172.18.0.0/16"),
        ("::ffff:172.18.0.3", "172.18.0.3"),
        ("fd00::7", "10.0.0.0/8, fd00::/8"),
    ],
)
async def test_a_trusted_proxy_names_the_client(peer: str, trusted: str | None):
    settings = {} if trusted is None else {"trusted_proxies": trusted}
    assert await seen(peer, FORWARDED, **settings) == ("203.0.113.9", "https")


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("203.0.113.9", 0), "203.0.113.9"),
        (("2001:db8::9", 0), "2001:db8::9"),
        (("203.0.113.9", 4711), "203.0.113.9:4711"),
        (("2001:db8::9", 4711), "[2001:db8::9]:4711"),
        (None, "unknown"),
    ],
)
def test_the_log_has_the_port_only_where_it_is_known(client: tuple[str, int] | None, address: str):
    scope: Any = {"type": "http", "client": client, "headers": []}
    assert client_address(HTTPConnection(scope)) == address


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [("198.51.100.1", None), ("172.19.0.3", "172.18.0.0/16"), ("127.0.0.1", ""), ("::ffff:198.51.100.1", "10.0.0.0/8")],
)
async def test_headers_of_others_are_ignored(peer: str, trusted: str | None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own variable
    settings = {} if trusted is None else {"trusted_proxies": trusted}
    assert await seen(peer, FORWARDED, **settings) == (peer, "http")


async def test_the_client_is_the_last_address_that_is_no_proxy():
    """A client may send the header itself; each proxy appends the address that it sees."""
    headers = {"X-Forwarded-For": "127.0.0.1, 192.0.2.66, 203.0.113.9, 10.0.0.2"}
    assert (await seen("10.0.0.1", headers, trusted_proxies="10.0.0.0/8"))[0] == "203.0.113.9"


@pytest.mark.parametrize("value", ["proxy", "10.0.0.1/8", "*", "10.0.0.0/8, nope"])
def test_proxies_are_addresses_and_networks(value: str):
    with pytest.raises(ValueError, match="trusted_proxies") as refused:
        Settings(trusted_proxies=value)
    assert value.split(", ")[-1] in str(refused.value)


@pytest.mark.parametrize("clients", ["203.0.113.9", "127.0.0.1, 203.0.113.9", "203.0.113.9, 127.0.0.1", "unknown"])
async def test_a_server_without_keys_serves_nobody_else_through_a_proxy_of_this_machine(
    open_server: RunningServer, clients: str
):
    forwarded = {"X-Forwarded-For": clients}
    answer = await ask(open_server, "GET", "/models", headers=forwarded)
    assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert "no API keys" in answer.error["message"]
    with pytest.raises(InvalidStatus) as refused:
        async with connect(open_server.realtime_url, additional_headers=forwarded):
            pass
    assert refused.value.response.status_code == 403
    assert (await ask(open_server, "GET", "/models", headers={"X-Forwarded-For": "127.0.0.1, ::1"})).status == 200


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://voice.example.org", "voice.example.org"),
        ("https://voice.example.org", "voice.example.org:443"),
        ("https://voice.example.org", "Voice.Example.Org"),
        ("https://voice.example.org:8443", "voice.example.org:8443"),
        ("http://voice.example.org", "voice.example.org:80"),
        ("https://[2001:db8::1]", "[2001:db8::1]"),
    ],
)
async def test_a_page_behind_a_proxy_is_the_servers_own(locked_server: RunningServer, origin: str, host: str):
    headers = {"Origin": origin, "Host": host, "Authorization": f"Bearer {KEY}", **FORWARDED}
    assert (await ask(locked_server, "GET", "/models", headers=headers)).status == 200


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://voice.example.org", "127.0.0.1:8000"),
        ("https://voice.example.org", "voice.example.org:8443"),
        ("https://voice.example.org:444", "voice.example.org"),
        ("https://voice.example.org.evil.example", "voice.example.org"),
        ("https://voice.example.org:x", "voice.example.org"),
        ("null", ""),
        ("null", "null"),
        ("", ""),
    ],
)
async def test_any_other_page_is_not(locked_server: RunningServer, origin: str, host: str):
    headers = {"Origin": origin, "Host": host, "Authorization": f"Bearer {KEY}", **FORWARDED}
    answer = await ask(locked_server, "GET", "/models", headers=headers)
    assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed")
    assert f"'{origin}'" in answer.error["message"]
    assert f"'{host}'" in answer.error["message"], "a proxy that rewrites Host is seen here"


def test_an_idle_connection_outlives_those_of_proxies(open_server: RunningServer):
    """Proxies keep idle connections for 60 to 120 s; one that the server closes first costs a request."""
    assert open_server.server.config.timeout_keep_alive > 120
