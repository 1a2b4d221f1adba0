"""SIGHUP makes a running `streamsrv serve` read its settings again."""

import asyncio
import signal
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from served_process import ServedProcess
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore
from wire import wire

LIGHT = 'chat = "smollm2-135m"\nrecognizer = "none"\nvad = "webrtc"\nadmit_by_load = false\n'


@pytest.fixture(scope="module", autouse=True)
def _models() -> None:
    for name in ("smollm2-135m", "hibari"):
        if lacking := needs(load_catalogue()[name], ModelStore()):
            pytest.skip(f"{name} is not ready: {lacking[0]}")


async def status(url: str, key: str) -> int:
    """Open a session; return the status of the refusal, or 101."""
    try:
        async with connect(url, additional_headers={"Authorization": f"Bearer {key}"}):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_keys_and_models_change_while_a_session_goes_on(tmp_path: Path):
    file = tmp_path / "settings.toml"
    served = write_and_serve(file, f'{LIGHT}api_keys = "sk-old"\nsynthesizer = "hibari"\n', tmp_path)
    with served as server:
        url = (await asyncio.to_thread(server.url)).replace("http", "ws") + "/v1/realtime"
        async with wire(url, additional_headers={"Authorization": "Bearer sk-old"}) as running:
            await hang_up(server, file, f'{LIGHT}api_keys = "sk-new"\nsynthesizer = "none"\nstun_server = "stun:a"\n')
            await asyncio.to_thread(server.until, "the settings are reloaded: .*synthesizer")
            assert [await status(url, key) for key in ("sk-old", "sk-new")] == [401, 101]
            await hang_up(server, file, "max_sessions = 0\n")
            await asyncio.to_thread(server.until, "the settings are not reloaded: file .*max_sessions: 0; accepted")
            assert await status(url, "sk-new") == 101
            assert "closed: hibari" not in server.log
            await running.send(
                "conversation.item.create",
                item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello!"}]},
            )
            await running.send("response.create", response={"max_output_tokens": 8})
            assert await running.until("response.output_audio.delta"), "the old voice still speaks"
        await asyncio.to_thread(server.until, "closed: hibari")
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, 60) == 0, server.log
    assert "Traceback" not in server.log
    assert f"change only when the server restarts: stun_server (file {file})" in server.log
    assert "sk-" not in server.log


def write_and_serve(file: Path, text: str, folder: Path) -> ServedProcess:
    file.write_text(text)
    return ServedProcess(folder, "--config", str(file), start_new_session=True)  # without a terminal


async def hang_up(server: ServedProcess, file: Path, text: str) -> None:
    await asyncio.to_thread(file.write_text, text)
    server.process.send_signal(signal.SIGHUP)
