"""How `streamsrv serve` ends: by which signals, with which status, and what it leaves behind."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from served_process import PATIENCE_S, ServedProcess
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore

WORDS = "My secret is number"
CONVERSATIONS = 6
"""More than the language model has slots, so that some are saved."""


@pytest.fixture(scope="module", autouse=True)
def _default_models() -> None:
    if lacking := needs(load_catalogue()["smollm2-135m"], ModelStore()):
        pytest.skip(f"smollm2-135m is not ready: {lacking[0]}")


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def save_conversations(server: ServedProcess) -> None:
    for number in range(CONVERSATIONS):
        server.ask(f"{WORDS} {number}.")
    if Path("/proc/self/fd").exists():
        sizes = [path.stat().st_size for path in server.unnamed_files()]
        assert any(size > 10_000 for size in sizes), "a conversation was saved"


def check_that_nothing_is_left(server: ServedProcess) -> None:
    assert files_below(server.temporary) == []
    assert WORDS not in server.log
    assert "Traceback" not in server.log


def test_sigterm_ends_the_server_in_good_order_and_a_hang_up_without_a_terminal_does_not(tmp_path: Path):
    with ServedProcess(tmp_path, start_new_session=True) as server:
        server.until("Loading models")
        server.process.send_signal(signal.SIGHUP)
        server.url()
        server.process.send_signal(signal.SIGHUP)
        save_conversations(server)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == 0, server.log
    check_that_nothing_is_left(server)


def test_nothing_that_was_said_is_left_by_a_server_that_was_killed(tmp_path: Path):
    with ServedProcess(tmp_path) as server:
        save_conversations(server)
        server.process.kill()
        server.process.wait()
    check_that_nothing_is_left(server)


@pytest.mark.slow
def test_a_closed_terminal_ends_the_server_in_good_order(tmp_path: Path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", _IN_TERMINAL, os.ttyname(theirs)]
    with ServedProcess(tmp_path, before=command, start_new_session=True) as server:
        os.close(theirs)
        save_conversations(server)
        os.close(ours)  # the kernel now signals the session
        assert server.process.wait(PATIENCE_S) == 0, server.log
    assert "SIGHUP" in server.log
    check_that_nothing_is_left(server)


_IN_TERMINAL = """
import fcntl, os, sys, termios
terminal = os.open(sys.argv[1], os.O_RDWR)
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
os.close(terminal)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Makes the terminal the controlling one of a new session, then runs the rest of its arguments."""


def test_a_signal_ends_a_server_that_still_loads_its_models(tmp_path: Path):
    with ServedProcess(tmp_path) as server:
        server.until("Loading models")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == -signal.SIGTERM
    assert "Listening" not in server.log
    assert files_below(server.temporary) == []


_SLOW_TO_STOP = """
import asyncio, streamsrv.cli.process_signals as module

async def main():
    signals = module.ProcessSignals()
    signals.serve(lambda: print("stops", flush=True), lambda: print("reloads", flush=True))
    print("serves", flush=True)
    await asyncio.sleep(60)

module.SAME_REQUEST_S = float(__import__("sys").argv[1])
asyncio.run(main())
"""
"""Handles signals as a server that does not end by itself; the argument is `SAME_REQUEST_S`."""


def started(*command: object, waits_for: str, **popen: Any) -> subprocess.Popen[str]:
    """A Python process that has printed this line."""
    process = subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE, text=True, start_new_session=True, **popen
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == waits_for
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_server_that_does_not_stop(number: signal.Signals):
    with started("-c", _SLOW_TO_STOP, 0, waits_for="serves") as process:
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stdout.readline() == "stops\n"
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == -number


def test_a_signal_that_comes_twice_at_once_is_one_request():
    with started("-c", _SLOW_TO_STOP, PATIENCE_S, waits_for="serves") as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "reloads\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stops\n"
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)  # nor is anything reloaded now
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()
        assert process.stdout.read() == ""


def test_a_process_that_ignores_hang_ups_goes_on_ignoring_them():
    with started("-c", _SLOW_TO_STOP, 0, waits_for="serves", preexec_fn=_ignore_hang_ups) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stops\n"
        process.kill()


def _ignore_hang_ups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
