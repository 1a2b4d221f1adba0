"""Fixtures: the server, a sound card, Chromium with it as microphone and speaker, pages that are watched for errors."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

import firefox as firefox_esr
import speech_dispatcher
from chromium import ARGUMENTS, CHROMIUM
from environment import forget_settings
from fake_provider import FakeProvider, fake_provider
from firefox import Firefox
from network import Network
from pages import Pages
from server_process import ROOT, ServerProcess
from serving import serving
from sound_card import Recording, SoundCard
from streamsrv.engines.loaded import Engines
from streamsrv.testing.fakes import fake_engines

FIXTURES = ROOT / "fixtures"

forget_settings()
expect.set_options(timeout=60_000)  # nothing here is a matter of speed


Serve = Callable[..., str]


@pytest.fixture(scope="session")
def running_provider() -> Iterator[FakeProvider]:
    with fake_provider() as running:
        yield running


@pytest.fixture
def provider(running_provider: FakeProvider) -> FakeProvider:
    """The language model's server that `server` asks; it answers until the test says otherwise."""
    running_provider.reset()
    return running_provider


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory, running_provider: FakeProvider) -> Iterator[ServerProcess]:
    """One server for all tests of a process, for a start takes long. They leave it as they found it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OPENAI_BASE_URL", running_provider.url)
        environment.setenv("OPENAI_MODEL", "remote")
        process = ServerProcess(tmp_path_factory.mktemp("server"), chat="auto")
        process.start()
    yield process
    process.stop()


@pytest.fixture
def server(running_server: ServerProcess, provider: FakeProvider) -> ServerProcess:
    """A server with the embedded models. `provider` answers, or if that fails, the embedded language model."""
    return running_server


@pytest.fixture
def light_server() -> Iterator[Serve]:
    """Starts servers of fakes, for tests that need other settings or stages; gives the address of each.

    A server with models takes seconds of the processor to start, and this one none.
    """
    with contextlib.ExitStack() as running:

        def start(engines: Engines | None = None, **settings: object) -> str:
            return running.enter_context(serving(engines or fake_engines(), **settings)).http_url.removesuffix("/v1")

        yield start


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers with settings, for a test that needs its own; all are stopped after it."""
    started: list[ServerProcess] = []

    def start(**settings: object) -> ServerProcess:
        process = ServerProcess(tmp_path, **settings)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="session")
def sound_card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundCard]:
    missing = [tool for tool in ("pulseaudio", "pactl", "paplay", "parec") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no virtual sound card: {', '.join(missing)} not installed (apt-get install pulseaudio)")
    with SoundCard(tmp_path_factory.mktemp("sound")).running() as card:
        yield card


@pytest.fixture
def speaker(sound_card: SoundCard) -> Iterator[Recording]:
    """What the speaker plays during the test."""
    with sound_card.recording() as recording:
        yield recording


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def chromium(playwright: Playwright, sound_card: SoundCard) -> Iterator[Browser]:
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=list(ARGUMENTS),
        ignore_default_args=["--mute-audio"],
        env=sound_card.environment,
    )
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def speaking_chromium(
    playwright: Playwright, sound_card: SoundCard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """Chromium whose `speechSynthesis` really speaks."""
    if reason := speech_dispatcher.missing():
        pytest.skip(f"the browser cannot speak: {reason}")
    with speech_dispatcher.running(tmp_path_factory.mktemp("speech"), sound_card) as environment:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*ARGUMENTS, "--enable-speech-dispatcher"],
            ignore_default_args=["--mute-audio"],
            env=environment,
        )
        yield browser
        browser.close()


@pytest.fixture
def firefox(sound_card: SoundCard, tmp_path: Path, pictures: Path, request: pytest.FixtureRequest) -> Iterator[Firefox]:
    """A window of Firefox with the sound card; watched and pictured as `pages` are."""
    if firefox_esr.installed() is None:
        pytest.skip("firefox-esr is not installed")
    with firefox_esr.running(tmp_path, sound_card.environment) as window:
        yield window
        if getattr(request.node, "failed", False):
            with contextlib.suppress(TimeoutError):  # one that hangs takes no picture, which is no second fault
                window.screenshot(pictures / f"failed-{request.node.name}.png")
        assert not window.unexpected_errors(), "errors on the console"


@pytest.fixture
def network() -> Iterator[Network]:
    """Loopback, to cut off; it is whole again after the test."""
    if not Network.is_ours():
        pytest.skip("the network is not the tests' own: this user cannot make a network namespace")
    loopback = Network()
    yield loopback
    loopback.restore()


@pytest.fixture
def pages(chromium: Browser, request: pytest.FixtureRequest, pictures: Path) -> Iterator[Pages]:
    """Opens pages for this test. An error on their console fails it. Of a failed test, a picture is kept, and
    its report tells what the pages showed and the servers logged."""
    opened = Pages(chromium)
    yield opened
    if getattr(request.node, "failed", False):
        for number, page in enumerate(opened.all()):
            page.screenshot(path=pictures / f"failed-{request.node.name}-{number}.png")
            print(f"Page {number} shows:\n{page.locator('body').inner_text()}")
        print(*ServerProcess.logs(), sep="\n")
    opened.close()
    assert not opened.errors(), "errors on the console"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of screenshots, which pytest names in its report and keeps for the last three runs."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(params=["light", *(pytest.param(theme, marks=pytest.mark.slow) for theme in ("dark", "contrast"))])
def theme(request: pytest.FixtureRequest) -> str:
    """A theme in which a page must be accessible."""
    return request.param


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded speech; fixtures/README.md says what is in it."""
    return FIXTURES


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
    return report
