"""The variants of the proxy configurations that serve below a path of another site."""

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from certificates import Certificate
from front import KEY, Front, fronted
from streamsrv.testing.fakes import fake_engines

PATH = "/voice"
CHROMIUM = Path("/usr/lib/chromium/chromium")
PAGE_PROBE = Path(__file__).with_name("page_probe.py")


@pytest.fixture(scope="module")
def front(proxy_name: str, tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Generator[Front]:
    folder = tmp_path_factory.mktemp(f"{proxy_name}-path")
    with fronted(proxy_name, folder, certificate, fake_engines(), path=PATH) as running:
        yield running


async def test_the_page_and_its_scripts_are_below_the_path(front: Front):
    for path, kind in (("/", "text/html"), ("/lib/index.js", "text/javascript"), ("/captions/hall", "text/html")):
        answer = await front.ask("GET", f"{PATH}{path}")
        assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert (await front.ask("GET", "/lib/index.js")).status == 404, "the rest of the site is not the server's"


@pytest.mark.parametrize(("path", "target"), [("/voice", "/voice/"), ("/voice/captions", "/voice/captions/")])
async def test_redirects_stay_on_the_site_and_below_the_path(front: Front, path: str, target: str):
    answer = await front.ask("GET", path)
    assert answer.status in (301, 307, 308)
    assert answer.headers["location"] in (target, f"{front.proxy.origin}{target}")


async def test_sessions_are_opened_below_the_path(front: Front):
    options = {"ssl": front.certificate.context(), "additional_headers": {"Authorization": f"Bearer {KEY}"}}
    async with connect(front.realtime_url, **options) as session:
        assert json.loads(await session.recv())["type"] == "session.created"
    async with front.openai() as client:
        assert "scripted-model" in [model.id async for model in await client.models.list()]


async def test_a_call_is_hung_up_where_its_location_says(front: Front):
    pytest.importorskip("aiortc", reason="aiortc is not installed (the extra webrtc)")
    from aiortc import RTCPeerConnection

    caller = RTCPeerConnection()
    caller.addTransceiver("audio")
    caller.createDataChannel("oai-events")
    await caller.setLocalDescription(await caller.createOffer())
    async with front.openai() as client:
        made = await client.realtime.calls.create(sdp=caller.localDescription.sdp)
    location = made.response.headers["location"]
    assert location.startswith(f"{PATH}/v1/realtime/calls/rtc_")
    assert (await front.ask("DELETE", location)).status == 200
    await caller.close()


@pytest.mark.parametrize("name", ["metrics", "healthz", "readyz"])
async def test_metrics_and_health_are_not_shown_outside(front: Front, name: str):
    for path in (f"{PATH}/{name}", f"{PATH}{PATH}/{name}", f"{PATH}//{name}", f"{PATH}/x/../{name}", f"/{name}"):
        assert (await front.ask("GET", path)).status == 404, path


def test_the_page_talks_to_the_server_below_the_path(front: Front, tmp_path: Path):
    """In Chromium, in a process of its own, because Playwright and pytest-asyncio cannot share one."""
    pytest.importorskip("playwright", reason="playwright is not installed (the extra dev)")
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    command = [sys.executable, str(PAGE_PROBE), f"{front.url}/", KEY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["problems"] == [], "no script, style or request failed"
    assert said["reply"].endswith("All right.")
    assert said["sockets"] == [front.realtime_url]
