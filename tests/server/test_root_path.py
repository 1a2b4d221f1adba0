"""A server below a path prefix: addresses in its answers have it, whether the proxy leaves it in requests or not."""

import pytest

from rest import ask
from serving import serving
from streamsrv.settings import Settings
from streamsrv.testing.fakes import fake_engines
from wire import wire


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines(), root_path="/voice/one") as running:
        yield running


@pytest.mark.parametrize("path", ["/v1/models", "/voice/one/v1/models", "/", "/voice/one/", "/healthz"])
async def test_requests_are_answered_with_and_without_the_prefix(server, path: str):
    assert (await ask(server, "GET", path, below="")).status == 200


async def test_a_redirect_keeps_the_prefix(server):
    for path in ("/captions", "/voice/one/captions"):
        answer = await ask(server, "GET", path, below="")
        assert answer.status in (307, 308)
        assert answer.headers["location"] == "/voice/one/captions/", "only the path: the proxy's port may be another"
    answer = await ask(server, "GET", "/voice/one?model=x", below="")
    assert (answer.status, answer.headers["location"]) == (307, "/voice/one/?model=x")


async def test_a_session_is_opened_with_and_without_the_prefix(server):
    for path in ("/v1/realtime", "/voice/one/v1/realtime"):
        async with wire(f"ws://127.0.0.1:{server.port}{path}"):
            pass


@pytest.mark.parametrize("path", ["voice", "/voice/", "/a b", "/a?b"])
def test_a_prefix_that_is_no_path_is_refused(path: str):
    with pytest.raises(ValueError, match="root_path"):
        Settings(root_path=path)
