"""An account of its own for the operator's day: a home folder that nothing else uses and, for root, a user id."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

LISTENING = re.compile(r"Listening on http://(\S+)")
PATIENCE_S = 180
KEPT = ("PATH", "LANG", "PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
"""Beginnings of the names of the variables that the account takes over, so that pip finds its index."""


class Account:
    """Runs programs as a user who has nothing but a home folder. Root becomes a user without a name or a password."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.temporary = home / "tmp"
        self.uid = _unused_uid() if os.getuid() == 0 else os.getuid()
        self._environment = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
        self._environment |= {"HOME": str(home), "TMPDIR": str(self.temporary)}
        self._identity = {"user": self.uid, "group": self.uid, "extra_groups": []} if os.getuid() == 0 else {}
        self.temporary.mkdir()
        self.give(home, self.temporary)

    def give(self, *paths: Path) -> None:
        """Make the account the owner."""
        if self._identity:
            for path in paths:
                os.chown(path, self.uid, self.uid)

    def python(self) -> str:
        """A Python that the account may run: that of this process, else that of the system."""
        found = [sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin") or ""]
        check = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"
        for python in (str(Path(path).resolve()) for path in found if path):
            try:
                if self.run(python, "-c", check, expect=None).returncode == 0:
                    return python
            except PermissionError:
                continue
        raise SystemExit(
            "There is no Python 3.11 with venv that other users may run (Debian: apt-get install python3-venv)."
        )

    def run(self, *command: str | Path, expect: int | None = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end. `expect`: its exit status; None: any."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.home,
            env=self._environment | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            **self._identity,
        )
        said = done.stdout + done.stderr
        assert expect is None or done.returncode == expect, f"{command} ended with {done.returncode}:\n{said}"
        assert "Traceback" not in said, f"{command} printed a traceback:\n{said}"
        return done

    def files(self) -> set[str]:
        """The files in the home folder, but for those of pip and of the environment."""
        paths = (path.relative_to(self.home) for path in self.home.rglob("*") if not path.is_dir())
        return {str(path) for path in paths if path.parts[0] != "venv" and path.parts[:2] != (".cache", "pip")}

    @contextmanager
    def serving(self, *command: str | Path, **environment: str) -> Generator["Served"]:
        """Run a server until the block ends, or until the block has stopped it."""
        log = self.home.parent / f"server-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.home,
                env=self._environment | environment,
                stdout=output,
                stderr=output,
                **self._identity,
            )
        served = Served(process, log)
        try:
            served.wait_until_it_listens()
            yield served
        finally:
            process.kill()
            process.wait()


class Served:
    """A server that runs as the account; `address` is its `host:port`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self.address = ""

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_until_it_listens(self) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not (found := LISTENING.search(self.log())):
            assert self._process.poll() is None, f"the server ended:\n{self.log()}"
            assert time.monotonic() < deadline_s, f"the server does not listen:\n{self.log()}"
            time.sleep(0.05)
        self.address = found[1]

    def stop(self) -> int:
        """End it as a service manager does; return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)


@contextmanager
def new_account() -> Generator[Account]:
    """An account that is gone after the block, with all its files."""
    folder = Path(tempfile.mkdtemp(prefix="operators-day-"))
    try:
        folder.chmod(0o755)
        (folder / "home").mkdir()
        yield Account(folder / "home")
    finally:
        shutil.rmtree(folder)


def _unused_uid() -> int:
    """A user id that owns no process, so that what it leaves running is its own."""
    taken = {path.stat().st_uid for path in Path("/proc").glob("[0-9]*")}
    return next(uid for uid in range(40_000 + os.getpid() % 10_000, 60_000) if uid not in taken)


def processes_of(uid: int) -> list[str]:
    """The command lines of the processes of a user."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_uid == uid:
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
