"""The operator's day, from the wheel to its removal: `python tests/operator/operators_day.py`.

Builds the wheel and, as a new user without the source tree, installs it, pulls the weights, serves behind Caddy with a
key, talks through the proxy over WebSocket and WebRTC, scrapes the metrics, stops, upgrades and uninstalls. Prints each
step with its time; ends with status 1 at the first that fails. Needs a package index, Debian's `caddy`, and the
packages of the extra `dev`. Steps that need root are skipped for others, and say so.
"""

import asyncio
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / name) for name in ("", "clients", "operator", "server"))]

import pytest  # noqa: E402
from openai import AsyncOpenAI, AuthenticationError, DefaultAsyncHttpxClient  # noqa: E402
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

from account import Account, Served, new_account, processes_of  # noqa: E402
from certificates import Certificate, make_certificate  # noqa: E402
from client_audio import RATE, silence  # noqa: E402
from reverse_proxies import RunningProxy, caddy, missing  # noqa: E402
from streamsrv.audio.files import read_audio  # noqa: E402

KEY = "sk-of-the-operator"
VERSION, NEXT_VERSION = "1.0.0", "1.0.1"
EXTRAS = "server"
QUESTION = ROOT / "fixtures" / "is_the_front_door_locked.flac"
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "streamsrv", "web", "fixtures")
SMALL_DISK = "60m"
"""Too small for the weights, and large enough for some of them."""
LOCK = ".pulling"
"""The file by which several pulls into one folder wait for each other."""
WAIT_S = 60
OFFLINE = {
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "",
    "http_proxy": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}
DATA = ".local/share/streamsrv/"
"""Where the documents say that weights are kept."""


@contextmanager
def step(name: str) -> Generator[None]:
    started_s = time.monotonic()
    print(f"{name} ...", end=" ", flush=True)
    yield
    print(f"{time.monotonic() - started_s:.1f} s", flush=True)


def build(folder: Path, version: str) -> Path:
    """The wheel of this tree, as if it had this version."""
    source = folder / f"source-{version}"
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, source / name, **({"ignore": _not_source} if copy is shutil.copytree else {}))
    project = source / "pyproject.toml"
    project.write_text(re.sub(r'^version = ".*"$', f'version = "{version}"', project.read_text(), flags=re.M))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob(f"streamsrv-{version}-*.whl"))


_not_source = shutil.ignore_patterns("__pycache__", "node_modules")


class Day:
    """The steps, in their order. `command` is the program that the wheel installs."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.account = account
        self.folder = folder
        self.command = account.home / "venv" / "bin" / "streamsrv"
        self.certificate: Certificate = make_certificate(folder)

    def install(self, wheel: Path) -> None:
        self.account.run(self.account.python(), "-m", "venv", "venv")
        self.pip("install", f"{wheel}[{EXTRAS}]")

    def pip(self, *arguments: str | Path) -> None:
        self.account.run(
            self.account.home / "venv" / "bin" / "pip", *arguments, "--quiet", "--disable-pip-version-check"
        )

    def start_without_weights(self) -> None:
        done = self.account.run(self.command, "serve", "--port", "0", expect=1)
        said = done.stdout + done.stderr
        assert "streamsrv pull" in said, "it says what to do"
        assert str(self.account.home / DATA) in said, "it says where it looked for weights"

    def pull_to_a_full_disk(self) -> None:
        """As root only, because it mounts a small file system."""
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK},uid={self.account.uid}", "tmpfs", str(disk)],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            print("(skipped: this user cannot mount a small file system)", end=" ")
            return
        try:
            done = self.account.run(self.command, "pull", expect=1, STREAMSRV_MODEL_FOLDER=str(disk))
            said = done.stdout + done.stderr
            assert str(disk) in said, f"it names the folder:\n{said}"
            assert " MB are free" in said, f"it says what is free:\n{said}"
            left = [path for path in disk.rglob("*") if path.is_file() and path.name != LOCK]
            assert not left, f"nothing half done is left: {left}"
        finally:
            subprocess.run(["umount", str(disk)], check=True)

    def pull(self) -> None:
        self.account.run(self.command, "pull")
        assert "ready" in self.account.run(self.command, "models").stdout

    @contextmanager
    def serving(self, **environment: str) -> Generator[Served]:
        settings = {"STREAMSRV_API_KEYS": KEY, "STREAMSRV_SECRET_KEY": "x" * 32, **environment}
        with self.account.serving(self.command, "serve", "--port", "0", "--chat", "smollm2-135m", **settings) as served:
            yield served

    @asynccontextmanager
    async def client(self, proxy: RunningProxy, key: str = KEY) -> AsyncGenerator[AsyncOpenAI]:
        """The stock client, through the proxy."""
        http = DefaultAsyncHttpxClient(verify=self.certificate.context())
        async with AsyncOpenAI(base_url=f"{proxy.origin}/v1", api_key=key, max_retries=0, http_client=http) as client:
            yield client

    async def talk_by_websocket(self, proxy: RunningProxy) -> str:
        """One spoken turn; what was said, and what was answered."""
        options: Any = {"ssl": self.certificate.context()}
        async with (
            asyncio.timeout(WAIT_S),
            self.client(proxy) as client,
            client.realtime.connect(model="any", websocket_connection_options=options) as session,
        ):
            heard: Any = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
            await session.session.update(session=heard)
            for pcm in (read_audio(QUESTION, RATE), silence(2000)):
                await session.input_audio_buffer.append(audio=base64.b64encode(pcm.tobytes()).decode())
            said, sounds = "", 0
            async for event in session:
                if event.type == "conversation.item.input_audio_transcription.completed":
                    said = event.transcript
                sounds += event.type == "response.output_audio.delta"
                if event.type == "response.done":
                    assert sounds, "the answer has sound"
                    return f"{said!r} -> {event.response.output[0].content[0].transcript!r}"
        raise AssertionError("the session ended before the answer")

    async def talk_by_webrtc(self, proxy: RunningProxy) -> str:
        """One spoken turn; its media goes past the proxy."""
        from webrtc_talk import calling

        async with asyncio.timeout(WAIT_S), self.client(proxy) as client, calling(client) as call:
            call.microphone.say(read_audio(QUESTION, RATE))
            done = await call.until("response.done")
            await call.speaker.until(audible_ms=200)
        return repr(done["response"]["output"][0]["content"][0]["transcript"])

    async def refuse_a_wrong_key(self, proxy: RunningProxy) -> None:
        async with self.client(proxy, "sk-wrong") as client:
            with pytest.raises(AuthenticationError) as refused:
                await client.models.list()
        assert refused.value.code == "invalid_api_key"

    def scrape(self, served: Served, version: str) -> None:
        """As Prometheus does, at the server itself."""
        url = f"http://{served.address}/metrics"
        with pytest.raises(HTTPError, match="401"):
            urlopen(url, timeout=WAIT_S)
        with urlopen(Request(url, headers={"Authorization": f"Bearer {KEY}"}), timeout=WAIT_S) as response:
            families = {family.name: family for family in text_string_to_metric_families(response.read().decode())}
        assert families["streamsrv_sessions"].samples[0].value == 0, "both sessions have ended"
        counts = [s.value for s in families["streamsrv_turn_stage_seconds"].samples if s.name.endswith("_count")]
        assert max(counts) == 2, "both spoken turns were measured"
        assert families["streamsrv_build_info"].samples[0].labels["version"] == version
        refused = {sample.labels["reason"]: sample.value for sample in families["streamsrv_refusals"].samples}
        assert refused["unauthorized"] >= 1, "the wrong key was counted"
        assert "invalid_api_key" in served.log(), "and logged"

    def stop(self, served: Served) -> None:
        status = served.stop()
        assert status == 0, f"SIGTERM is a good end, not {status}:\n{served.log()}"
        assert "Traceback" not in served.log()
        assert KEY not in served.log(), "keys are not logged"
        left = [path for path in self.account.files() if not path.startswith(DATA)]
        assert not left, f"files outside of the data folder: {left}"
        if os.getuid() == 0:
            assert not processes_of(self.account.uid), "no process is left"

    def upgrade(self, wheel: Path, version: str) -> None:
        before = self.account.files()
        self.pip("install", "--no-deps", wheel)
        assert version in self.account.run(self.command, "--version").stdout
        assert self.account.files() == before, "the data stay as they are"

    def uninstall(self) -> None:
        self.pip("uninstall", "-y", "streamsrv")
        left = [path for path in (self.account.home / "venv").rglob("*streamsrv*") if "__pycache__" not in path.parts]
        assert not left, f"left in the environment: {left}"
        outside = [path for path in self.account.files() if not path.startswith(DATA)]
        assert not outside, f"left outside of the data folder: {outside}"


def main() -> None:
    if reason := missing("caddy"):
        raise SystemExit(reason)
    started_s = time.monotonic()
    with new_account() as account, tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(1) as builder:
        folder = Path(made)
        folder.chmod(0o755)
        with step("build the wheel"):
            wheel = build(folder, VERSION)
        newer = builder.submit(build, folder, NEXT_VERSION)
        day = Day(account, folder)
        with step(f"install it as user {account.uid}, with {EXTRAS}"):
            day.install(wheel)
        with step("start without weights: refused"):
            day.start_without_weights()
        with step("pull to a full disk: refused"):
            day.pull_to_a_full_disk()
        with step("pull"):
            day.pull()
        _serve_a_while(day)
        with step("upgrade"):
            day.upgrade(newer.result(), NEXT_VERSION)
        with step("start the new version without a network, talk, stop"):
            _serve_again(day)
        with step("uninstall"):
            day.uninstall()
    print(f"the whole day: {time.monotonic() - started_s:.0f} s")


def _serve_a_while(day: Day) -> None:
    with step("serve"):
        running = day.serving()
        served = running.__enter__()
    try:
        with caddy(day.folder, served.address, day.certificate, below_path=False) as proxy:
            with step("a spoken turn over WebSocket through Caddy"):
                print(asyncio.run(day.talk_by_websocket(proxy)), end=" ")
            with step("a spoken turn over WebRTC, signalled through Caddy"):
                print(asyncio.run(day.talk_by_webrtc(proxy)), end=" ")
            with step("a wrong key: refused"):
                asyncio.run(day.refuse_a_wrong_key(proxy))
            with step("scrape the metrics"):
                day.scrape(served, VERSION)
        with step("SIGTERM"):
            day.stop(served)
    finally:
        running.__exit__(None, None, None)


def _serve_again(day: Day) -> None:
    with day.serving(**OFFLINE) as served:
        with caddy(day.folder, served.address, day.certificate, below_path=False) as proxy:
            asyncio.run(day.talk_by_websocket(proxy))
        day.stop(served)


if __name__ == "__main__":
    try:
        main()
    except AssertionError as failed:
        sys.exit(f"failed: {failed}")
