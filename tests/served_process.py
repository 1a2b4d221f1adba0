"""`streamsrv serve` in a process of its own, for tests of what the process does."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

LIGHT = ("--chat", "smollm2-135m", "--recognizer", "none", "--synthesizer", "none", "--vad", "webrtc")
"""Options of a server that starts quickly: text answers only, by the embedded language model."""
LISTENING = re.compile(r"Listening on (http://[^/\s]+)")
PATIENCE_S = 60


class ServedProcess:
    """A server on a free port. `folder` is its working folder and has its log; `tmp` in it is its temporary folder.

    `before`: a command that runs the server, such as `strace`. The process is killed when the block ends.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        before: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        **popen: Any,
    ) -> None:
        self._leads_session = bool(popen.get("start_new_session"))
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self._log = folder / "server.log"
        command = [*before, sys.executable, "-m", "streamsrv", "serve", "--port", "0", *(options or LIGHT)]
        variables = {**os.environ, "STREAMSRV_LEDGER": "none", "TMPDIR": str(self.temporary), **(environment or {})}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **popen
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leads_session:  # a tracer that is killed leaves the server behind
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def signal_group(self, number: int) -> None:
        """Signal the server and what runs it, if it was started in a session of its own."""
        os.killpg(self.process.pid, number)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until the process has printed this, and return the match; fail if it ends before."""
        while True:
            ended = self.process.poll() is not None
            if found := re.search(pattern, self.log):
                return found
            assert not ended, f"the server ended with {self.process.returncode}:\n{self.log}"
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)

    def url(self) -> str:
        """Wait until it listens, and return its address (`http://host:port`)."""
        return self.until(LISTENING.pattern)[1]

    def ask(self, text: str) -> str:
        """Return the language model's answer in a conversation that began with this text of the user."""
        said = [("user", text), ("assistant", "Yes."), ("user", "Is that so?")]
        messages = [{"role": role, "content": content} for role, content in said]
        body = {"model": "smollm2-135m", "max_tokens": 2, "messages": messages}
        request = Request(
            f"{self.url()}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=PATIENCE_S) as response:
            return json.load(response)["choices"][0]["message"]["content"]

    def unnamed_files(self) -> list[Path]:
        """The open files of the process that have no name any more."""
        opened = Path(f"/proc/{self.process.pid}/fd")
        return [link for link in opened.iterdir() if _target(link).endswith("(deleted)")]


def _target(link: Path) -> str:
    """Return what a link of /proc points to; empty if the descriptor was closed meanwhile."""
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""
