"""The real server with the real embedded models, as a process that tests can stop, kill and start again."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from waiting import until

ROOT = Path(__file__).parents[2]
LOG_LINES = 60
LISTENING = re.compile(r"Listening on (http://\S+)")


class ServerProcess:
    """`streamsrv serve` with the embedded models; `settings` as in streamsrv/settings.py."""

    running: ClassVar[list["ServerProcess"]] = []

    @classmethod
    def logs(cls) -> Iterator[str]:
        """The last lines of the log of every server that runs."""
        for server in cls.running:
            lines = server.log().splitlines()[-LOG_LINES:]
            yield "\n".join([f"Log of {server.url}:", *lines])

    def __init__(self, folder: Path, **settings: object) -> None:
        self._log = folder / "server.log"
        self._settings = {"chat": "smollm2-135m", "port": 0, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        """Where it listens, without a slash at the end."""

    def start(self) -> None:
        """Start it and wait until it listens: after the first start, on the same port again."""
        environment = os.environ | {f"STREAMSRV_{name.upper()}": str(value) for name, value in self._settings.items()}
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "streamsrv", "serve"]
            folder = self._log.parent  # which has no settings file
            self._process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self.running.append(self)
        self.url = until(self._listening, "the server listens", 120)
        self._settings["port"] = int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        """Stop it in good order, as Ctrl-C does."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it without a word to its clients."""
        self._end(signal.SIGKILL)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _listening(self) -> str:
        assert self._process is not None
        assert self._process.poll() is None, f"the server ended:\n{self.log()}"
        found = LISTENING.search(self.log())
        return found.group(1) if found else ""

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self.running.remove(self)
            self._process.send_signal(how)
            try:
                self._process.wait(30)
            finally:
                self._process.kill()
                self._process = None
