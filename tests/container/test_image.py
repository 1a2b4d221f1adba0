"""The Dockerfile's own steps, run in a chroot, and the server in the image that they make.

It takes minutes, a network and 3 GB of disk: run it by hand, as root, with `-m slow`. STREAMSRV_BASE_FOLDER names the
root folder of a Debian, so that debootstrap need not make one.
"""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from chroot_image import BuildFailed, Image, build, make_base
from dockerfile import read
from unit_file import restrictions

PROJECT = Path(__file__).resolve().parents[2]
PROGRAMS = ("chroot", "unshare", "mount", "debootstrap")
PATIENCE_S = 120
KEY = "a-key-of-the-test"
MEDIA_PORTS = (21_000, 21_020)
QUESTION = "is_the_front_door_locked.flac"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a chroot needs root"),
    pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason=f"a program is missing, of: {', '.join(PROGRAMS)}"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if given := os.environ.get("STREAMSRV_BASE_FOLDER"):
        return Path(given)
    folder = tmp_path_factory.mktemp("base")
    make_base(folder)
    return folder


@pytest.fixture(scope="module")
def image(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(read((PROJECT / "Dockerfile").read_text()), PROJECT, base, tmp_path_factory.mktemp("image"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The volume, owned by the image's user."""
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, 1000, 1000)
    return folder


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextmanager
def started(command: list[str]) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def first_process(process: subprocess.Popen[str]) -> int:
    """The process that is 1 in the container."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())


def status_of(process: subprocess.Popen[str]) -> str:
    return Path(f"/proc/{first_process(process)}/status").read_text()


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def until_listening(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if "Listening" in line:
            return
    pytest.fail(f"the server did not start:\n{output}")


def test_the_server_speaks_is_healthy_and_ends_at_sigterm(image: Image, data: Path):
    port = free_port()
    env = {"STREAMSRV_PORT": str(port), "STREAMSRV_API_KEYS": KEY}
    volume = {"/data": data}
    with started(image.command(image.entrypoint + image.cmd, env, volume, read_only=True)) as process:
        until_listening(process)
        health = run(image.command(image.healthcheck, env, volume, read_only=True))
        assert (health.returncode, health.stdout) == (0, "ok\n"), "the health check follows STREAMSRV_PORT"
        spoken = ["streamsrv", "talk", f"/fixtures/{QUESTION}", "--url", f"ws://127.0.0.1:{port}/v1/realtime"]
        (image.root / "fixtures").mkdir(exist_ok=True)
        fixtures = {"/fixtures": PROJECT / "fixtures"}
        turn = run(image.command([*spoken, "--key", KEY, "-o", "/data/reply.wav"], env, volume | fixtures))
        assert "front door" in turn.stdout.lower(), turn
        assert (data / "reply.wav").stat().st_size > 10_000
        (data / "reply.wav").unlink()
        assert b"streamsrv_" in scrape(port)
        os.kill(first_process(process), signal.SIGTERM)
        assert process.wait(30) == 0
    refused = run(image.command(image.healthcheck, env, volume, read_only=True))
    assert refused.returncode == 1
    assert list(data.rglob("*")) == [], "the server wrote nothing"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
async def test_the_server_speaks_over_webrtc_under_the_restrictions_of_the_unit(image: Image, data: Path):
    from caller import Caller  # it needs aiortc

    port = free_port()
    first, last = MEDIA_PORTS
    env = {"STREAMSRV_PORT": str(port), "STREAMSRV_API_KEYS": KEY, "STREAMSRV_WEBRTC_PORTS": f"{first}-{last}"}
    (image.root / "restricting").mkdir(exist_ok=True)
    mounts = {"/data": data, "/restricting": Path(__file__).parent}
    restricting = ["python3", "/restricting/restricted.py", restrictions(PROJECT / "deploy/streamsrv.service")]
    with started(image.command(restricting + image.cmd, env, mounts, read_only=True)) as process:
        await asyncio.to_thread(until_listening, process)
        status = status_of(process)
        assert "Seccomp:\t2" in status
        assert "NoNewPrivs:\t1" in status
        caller = Caller()
        reply = await caller.connect(SimpleNamespace(port=port), Authorization=f"Bearer {KEY}")
        assert reply.status == 201, reply
        ports = {int(port) for port in re.findall(r" (\d+) typ host", reply.body.decode())}
        assert ports <= set(range(first, last + 1))
        await caller.until("session.created")
        caller.send("response.create")
        await caller.hears(sound=True)
        await caller.close()
        os.kill(first_process(process), signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0


def scrape(port: int) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read()


def test_a_stop_while_models_load_is_heeded(image: Image, data: Path):
    env = {"STREAMSRV_PORT": str(free_port()), "STREAMSRV_API_KEYS": KEY}
    with started(image.command(image.cmd, env, {"/data": data}, read_only=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), "it has begun"
        os.kill(first_process(process), signal.SIGTERM)
        process.stdout.read()
        assert process.wait(30) in (0, 143)


def test_a_server_without_keys_says_so_in_one_line_and_does_not_start(image: Image, data: Path):
    result = run(image.command(image.cmd, {}, {"/data": data}, read_only=True))
    assert result.returncode == 2
    assert "STREAMSRV_API_KEYS" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_the_image_holds_no_sources_and_its_user_cannot_change_it(image: Image):
    found = run(
        image.command(
            [
                "find",
                "/",
                "-xdev",
                "-writable",
                "-not",
                "-type",
                "l",
                "-not",
                "-path",
                "/proc/*",
                "-not",
                "-path",
                "/dev/*",
            ]
        )
    )
    writable = [
        path for path in found.stdout.splitlines() if not path.startswith(("/tmp", "/data", "/var/tmp", "/run/lock"))
    ]
    assert writable == []
    packages = list(image.root.rglob("streamsrv/__init__.py"))
    assert len(packages) == 1
    assert packages[0].is_relative_to(image.root / "opt/streamsrv/lib")
    assert list(packages[0].parents[1].glob("streamsrv-*.dist-info/licenses/LICENSE"))
    assert not (image.root / "build").exists()


def test_an_image_without_a_library_that_a_model_needs_is_not_built(base: Path, tmp_path: Path):
    text = (PROJECT / "Dockerfile").read_text()
    assert "libgomp1 " in text
    with pytest.raises(BuildFailed) as failure:
        build(read(text.replace("libgomp1 ", "")), PROJECT, base, tmp_path)
    assert failure.value.command.startswith(("streamsrv pull", "streamsrv doctor --load"))
    assert "libgomp" in failure.value.output
