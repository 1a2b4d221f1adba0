"""A server with the embedded models contacts nobody by itself, and writes to its own folders only.

A tracer follows it and its helper processes while it loads, answers a spoken turn and carries a call.
"""

import functools
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from caller import calling
from served_process import PATIENCE_S, ServedProcess
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.cli.conversation import converse
from streamsrv.conformance.session import Target
from streamsrv.engines.catalogue import DEFAULT_MODELS, load_catalogue
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore

FIXTURE = Path(__file__).parents[2] / "fixtures" / "lock_the_front_door.flac"
CALLS = "connect,sendto,sendmsg,sendmmsg,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,symlink"
ADDRESS = re.compile(r"sin6?_port=htons\((\d+)\).*?inet_(?:addr|pton)\((?:AF_INET6, )?\"([^\"]+)\"")
NAMES_PATH = re.compile(r"^\d+ +(?:mkdir|rename|link|symlink|creat)\w*\((?:[^,\"]*, )?\"([^\"]+)\"")
OPENS_PATH = re.compile(r"^\d+ +open\w*\((?:(?:AT_FDCWD[^,]*|\d+<([^>]*)>), )?\"([^\"]+)\", (?:\{flags=)?([A-Z_|]+)")


def contacted(trace: str) -> Iterator[tuple[int, str]]:
    """The port and the address of every internet address that a process sent or connected to."""
    for port, address in ADDRESS.findall(trace):
        yield int(port), address


def written(trace: str, working_folder: Path) -> Iterator[Path]:
    """The absolute path of everything that a process opened for writing, made or renamed."""
    for line in trace.splitlines():
        if found := NAMES_PATH.match(line):
            yield working_folder / found[1]
        elif (found := OPENS_PATH.match(line)) and re.search("O_WRONLY|O_RDWR|O_CREAT", found[3]):
            yield working_folder / (found[1] or "") / found[2]


@functools.cache
def obstacle() -> str:
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run([*tracer(Path("/dev/null")), "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace: {tried.stderr.strip()}" if tried.returncode else ""


def test_the_trace_is_read_as_the_tracer_writes_it(tmp_path: Path):
    """The test of the test below: a look-up, a connection, a file in the home folder and a folder are seen."""
    if why := obstacle():
        pytest.skip(why)
    code = """
import os, socket
for address in (("192.0.2.1", 53), ("127.0.0.1", 9)):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(address)
        except OSError:
            pass
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
    try:
        sock.sendto(b"x", ("2001:db8::1", 53))
    except OSError:
        pass
open("relative", "w").close()
open("relative").close()
os.mkdir("made")
os.close(os.open("inside", os.O_CREAT | os.O_WRONLY, dir_fd=os.open("made", os.O_RDONLY)))
"""
    log = tmp_path / "trace"
    subprocess.run([*tracer(log), "python3", "-c", code], cwd=tmp_path, check=True)
    trace = log.read_text()
    assert set(contacted(trace)) >= {(53, "192.0.2.1"), (9, "127.0.0.1"), (53, "2001:db8::1")}
    paths = {path for path in written(trace, tmp_path) if path.is_relative_to(tmp_path)}
    assert paths == {tmp_path / "relative", tmp_path / "made", tmp_path / "made" / "inside"}


def tracer(log: Path) -> list[str]:
    options = ["-f", "--seccomp-bpf", "-y", "-qq", "-s", "4096", "-e", f"trace={CALLS}", "-e", "signal=none"]
    return ["strace", *options, "-o", str(log)]


async def test_a_server_contacts_nobody_and_writes_to_its_own_folders_only(tmp_path: Path):
    for name in DEFAULT_MODELS.values():
        if lacking := needs(load_catalogue()[name], ModelStore()):
            pytest.skip(f"{name} is not ready: {lacking[0]}")
    if why := obstacle():
        pytest.skip(why)
    home, log, models = tmp_path / "home", tmp_path / "trace", ModelStore().folder.absolute()
    home.mkdir()
    environment = {
        "HOME": str(home),
        "STREAMSRV_MODEL_FOLDER": str(models),
        "STREAMSRV_WEBRTC_HOSTS": "127.0.0.1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        environment[name] = str(home / name)
    chat = ("--chat", "smollm2-135m")
    with ServedProcess(tmp_path, *chat, before=tracer(log), environment=environment, start_new_session=True) as server:
        url = server.url()
        heard = await converse(Target.parse(url, patience_s=PATIENCE_S), read_audio(FIXTURE, PCM_RATE_HZ))
        assert heard.reply
        async with calling(cast("Any", SimpleNamespace(port=int(url.rpartition(":")[2])))) as caller:
            assert caller.call_id
        server.signal_group(signal.SIGTERM)
        server.process.wait(PATIENCE_S)
    assert list(home.iterdir()) == []
    trace = log.read_text()
    beyond = [
        (port, address) for port, address in contacted(trace) if port == 53 or not ip_address(address).is_loopback
    ]
    assert beyond == []
    allowed = (server.temporary, models, Path("/dev"), Path("/proc/self"))
    assert [path for path in written(trace, tmp_path) if not any(map(path.is_relative_to, allowed))] == []
    assert re.search(r"\.(onnx|gguf)\"", trace), "the models were loaded"
