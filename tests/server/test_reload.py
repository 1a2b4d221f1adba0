"""Settings that are read again while the server runs."""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rest import ask, post_json
from serving import RunningServer, serving
from streamsrv.configuration.reading import read_configuration
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loaded import Engines, LoadedModel
from streamsrv.engines.tts.base import Voice
from streamsrv.errors import Unavailable
from streamsrv.reload import RESTART, Reloader
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ToneSynthesizer, fake_engines
from wire import wire

LEFT, KEPT, NEW = "sk-left", "sk-kept", "sk-new"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def server():
    with serving(fake_engines(), api_keys=f"{LEFT},{KEPT}") as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "streamsrv.toml"


def on_loop(server: RunningServer, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
    return asyncio.run_coroutine_threadsafe(work, server.loop)


def write(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink()
    else:
        file.write_text(f"admit_by_load = false\n{text}")


async def reload(server: RunningServer, file: Path, text: str | None) -> None:
    """Reload the settings of a file with this text, or without the file."""
    write(file, text)
    reloader = Reloader(server.service, lambda: read_configuration(file=file, environ={}))
    await asyncio.wrap_future(on_loop(server, reloader.reload()))


async def refusal(server: RunningServer, key: str) -> int:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(server.realtime_url, additional_headers=bearer(key)):
            pass
    return refused.value.response.status_code


async def opens(server: RunningServer, **options: Any) -> dict[str, Any]:
    async with wire(server.realtime_url, **options) as client:
        return client.received[0]["session"]


async def test_a_removed_key_opens_nothing_new_and_what_runs_goes_on(
    server: RunningServer, file: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    secret = (await post_json(server, "/realtime/client_secrets", {}, bearer(LEFT))).json["value"]
    async with wire(server.realtime_url, additional_headers=bearer(LEFT)) as running:
        await reload(server, file, f'api_keys = ["{KEPT}", "{NEW}"]')
        assert await refusal(server, LEFT) == 401
        assert await refusal(server, secret) == 401, "nor does a client secret of that key"
        assert (await ask(server, "GET", "/models", headers=bearer(LEFT))).status == 401
        for key in (KEPT, NEW):
            assert await opens(server, additional_headers=bearer(key))
        await running.send("session.update", session={"type": "realtime", "instructions": "Go on."})
        assert (await running.until("session.updated"))["session"]["instructions"] == "Go on."
    assert "1 added, 1 removed: sessions that they opened go on" in caplog.text
    assert not [key for key in (LEFT, KEPT, NEW) if key in caplog.text]


async def test_limits_and_instructions_apply_to_new_sessions(
    server: RunningServer, file: Path, caplog: pytest.LogCaptureFixture
):
    async with wire(server.realtime_url, additional_headers=bearer(KEPT)):
        await reload(server, file, f'api_keys = "{KEPT}"\nmax_sessions = 1\nturn_username = "ada"')
        assert await refusal(server, KEPT) == 503
        assert "turn_username has no effect without turn_server" in caplog.text
        await reload(
            server, file, f'api_keys = "{KEPT}"\nmax_sessions = 2\ninstructions = "Be kind."\nmax_requests = 3'
        )
        session = await opens(server, additional_headers=bearer(KEPT))
        assert session["instructions"] == "Be kind."
    assert server.app.state.exchanges.max_unread == 24
    assert (await ask(server, "GET", "/readyz", below="")).json["max_sessions"] == 2


async def test_origins_apply_to_pages_at_once(server: RunningServer, file: Path):
    page = {**bearer(KEPT), "Origin": "https://app.example"}
    header = "access-control-allow-origin"
    await reload(server, file, f'api_keys = "{KEPT}"\nallowed_origins = "https://other.example"')
    assert (await ask(server, "GET", "/models", headers=page)).status == 403
    await reload(server, file, f'api_keys = "{KEPT}"\nallowed_origins = "https://app.example"')
    answer = await ask(server, "GET", "/models", headers=page)
    assert (answer.status, answer.headers[header]) == (200, "https://app.example")
    await reload(server, file, f'api_keys = "{KEPT}"')
    assert header not in (await ask(server, "GET", "/models", headers=page)).headers


async def test_invalid_settings_change_nothing_and_say_why(
    server: RunningServer, file: Path, caplog: pytest.LogCaptureFixture
):
    before = server.service.settings
    for text in ("max_sessions = 0\nprot = 1", "max_sessions =", f'host = "0.0.0.0"\nchat = "{KEPT}"'):
        await reload(server, file, text)
        assert server.service.settings is before
    assert f"file {file}: max_sessions: 0; accepted: a whole number from 1" in caplog.text
    assert "prot: there is no such setting; did you mean port?" in caplog.text
    assert "not valid TOML" in caplog.text
    assert "is reachable from other machines" in caplog.text
    await reload(server, file, None)
    assert "there is no such file" in caplog.text


async def test_what_needs_a_restart_is_named_and_stays(
    server: RunningServer, file: Path, caplog: pytest.LogCaptureFixture
):
    await reload(server, file, f'api_keys = "{KEPT}"\nport = 1\nroot_path = "/voice"\nmax_sessions = 5')
    settings = server.service.settings
    assert (settings.port, settings.root_path, settings.max_sessions) == (8000, "", 5)
    (line,) = [record.getMessage() for record in caplog.records if "restart" in record.getMessage()]
    assert line == f"these settings change only when the server restarts: port (file {file}), root_path (file {file})"


async def test_the_last_key_of_a_server_for_other_machines_cannot_be_removed(
    file: Path, caplog: pytest.LogCaptureFixture
):
    with serving(fake_engines(), host="0.0.0.0", api_keys=KEPT) as server:
        before = server.service.settings
        await reload(server, file, 'host = "127.0.0.1"')  # valid by itself, but the host cannot change
        assert server.service.settings is before
    assert "(host cannot change before a restart)" in caplog.text


async def test_requests_during_a_reload_are_one_more(server: RunningServer):
    reads: list[int] = []
    first_begins, first_may_end = asyncio.Event(), asyncio.Event()

    class Slow(Reloader):
        async def reload(self) -> None:
            reads.append(len(reads))
            first_begins.set()
            await first_may_end.wait()

    async with Slow(server.service, read_configuration) as reloader:
        reloader.request()
        await first_begins.wait()
        for _ in range(5):
            reloader.request()
        first_may_end.set()
        assert reloader._reloading is not None
        await reloader._reloading
    assert reads == [0, 1]


def test_settings_that_need_a_restart_exist():
    assert not RESTART - set(Settings.model_fields)


class ClosableSynthesizer(ToneSynthesizer):
    """Tells when it is closed."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.voices = name, (Voice(name),)
        self.closed = threading.Event()

    async def aclose(self) -> None:
        self.closed.set()


def entry(name: str) -> ModelEntry:
    return ModelEntry(name, "synthesizer", "fake")


def engines_with(synthesizer: ClosableSynthesizer) -> Engines:
    held = LoadedModel((entry(synthesizer.name),), synthesizer)
    return replace(fake_engines(synthesizer=synthesizer), loaded=(held,))


async def test_replaced_models_are_closed_when_the_last_session_that_may_use_them_ends(
    file: Path, monkeypatch: pytest.MonkeyPatch
):
    old, new = ClosableSynthesizer("old"), ClosableSynthesizer("new")

    async def load(settings: Settings, report: object, before: Engines) -> Engines:
        assert settings.synthesizer == ("none",)
        return replace(before, synthesizer=new, loaded=(LoadedModel((entry("new"),), new),))

    monkeypatch.setattr("streamsrv.reload.load_engines", load)
    with serving(engines_with(old), api_keys=KEPT) as server:
        write(file, f'api_keys = "{KEPT}"\nsynthesizer = "none"')
        reloader = Reloader(server.service, lambda: read_configuration(file=file, environ={}))
        await asyncio.wrap_future(on_loop(server, reloader.__aenter__()))
        async with wire(server.realtime_url, additional_headers=bearer(KEPT)):
            await asyncio.wrap_future(on_loop(server, reloader.reload()))
            assert server.service.engines.synthesizer.name == "new"
            async with wire(server.realtime_url, additional_headers=bearer(KEPT)) as later:
                assert later.received[0]["session"]["audio"]["output"]["voice"] == new.name
            assert not old.closed.is_set(), "the first session may still use it"
        assert await asyncio.to_thread(old.closed.wait, 20)
        assert not new.closed.is_set()
        await asyncio.wrap_future(on_loop(server, reloader.__aexit__()))


async def test_models_that_cannot_be_loaded_change_nothing(
    server: RunningServer, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async def load(*_: object) -> Engines:
        raise Unavailable("whisper-base lacks its weights")

    monkeypatch.setattr("streamsrv.reload.load_engines", load)
    before = server.service.settings
    await reload(server, file, f'api_keys = "{KEPT}"\nrecognizer = "whisper-base"\nmax_sessions = 5')
    assert server.service.settings is before
    assert "the settings are not reloaded: whisper-base lacks its weights" in caplog.text
