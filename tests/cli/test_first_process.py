"""The command as the first process of a container (PID 1), tried in a PID namespace of its own."""

import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from served_process import PATIENCE_S, ServedProcess

NAMESPACE = [
    "unshare",
    *([] if os.getuid() == 0 else ["--map-root-user"]),
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
]


@functools.cache
def obstacle() -> str:
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    tried = subprocess.run([*NAMESPACE, "true"], capture_output=True, text=True, check=False)
    return f"no PID namespace: {tried.stderr.strip()}" if tried.returncode else ""


@pytest.fixture(autouse=True)
def _namespaces_are_allowed() -> None:
    if why := obstacle():
        pytest.skip(why)


def first_process(unshare: int) -> int:
    """The first process of the namespace, as it is numbered outside of it."""
    children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
    return int(children[0])


@contextmanager
def running(code: str) -> Generator[subprocess.Popen[str]]:
    """Python code that runs in the child of PID 1, after it has printed a line."""
    begin = "from streamsrv.cli.first_process import run_in_child_of_first_process as run; run()\n"
    process = subprocess.Popen([*NAMESPACE, sys.executable, "-c", begin + code], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


PRINT_READY = "import os, signal, sys, time; print(os.getpid(), flush=True)\n"


@pytest.mark.parametrize(
    ("code", "number", "status"),
    [
        ("signal.pause()", signal.SIGTERM, 128 + signal.SIGTERM),
        ("signal.signal(signal.SIGHUP, lambda *_: sys.exit(7)); print(flush=True); signal.pause()", signal.SIGHUP, 7),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print(flush=True); signal.pause()", signal.SIGTERM, 0),
    ],
)
def test_signals_reach_the_command_and_its_status_is_that_of_the_container(code: str, number: int, status: int):
    with running(PRINT_READY + code) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 1
        if "print(flush" in code:
            process.stdout.readline()
        os.kill(first_process(process.pid), number)
        assert process.wait(PATIENCE_S) == status


def test_orphans_of_others_do_not_stay_as_zombies():
    code = """
import os, time

def is_zombie(pid):
    try:
        return open(f"/proc/{pid}/stat").read().split()[2] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False  # it is gone since the folder was listed

if os.fork() == 0:
    orphan = os.fork()
    if orphan:
        print(orphan, flush=True)
        os._exit(0)  # its child is now one of PID 1
    os._exit(0)
os.wait()
while any(is_zombie(pid) for pid in os.listdir("/proc") if pid.isdigit()):
    time.sleep(0.01)
"""
    with running(code) as process:
        assert process.wait(PATIENCE_S) == 0


def test_a_server_that_loads_its_models_ends_at_once(tmp_path: Path):
    with ServedProcess(tmp_path, before=NAMESPACE) as server:
        server.until("Loading models")
        os.kill(first_process(server.process.pid), signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert "Listening" not in server.log
