"""Runs the command espeak-ng: once for a short text, within bounds of time and output, and ended when asked to."""

import os
import subprocess
import threading
from collections.abc import Sequence

from streamsrv.errors import Unavailable
from streamsrv.processes.environment import ALLOWED

COMMAND = "espeak-ng"
_TIMEOUT_S = 10.0
_NOWHERE = {"HOME": "/nonexistent", "XDG_RUNTIME_DIR": "/nonexistent", "PULSE_SERVER": "unix:/nonexistent"}
"""The command looks for a sound server, even if it plays nothing, which would leave files in the user's folders."""
_NO_TEXT = dict.fromkeys(range(32), " ") | {127: " "}
"""Control characters would end the text or a line of it."""


class EspeakRun:
    """One use of the command. `run` blocks a worker thread; `kill` may be called on any thread, at any time.

    The command reads `lines` one after the other. Together they have a few thousand characters at most.
    """

    def __init__(
        self, options: Sequence[str], lines: Sequence[str], *, max_bytes: int, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._command = [COMMAND, *options]
        self._text = "\n".join(map(plain, lines))
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_killed = False
        self._is_late = False

    def run(self) -> bytes:
        """Return the standard output; nothing after `kill`. Raises `Unavailable`."""
        process = self._start()
        if process is None:
            return b""
        timer = threading.Timer(self._timeout_s, self._expire)
        timer.daemon = True
        timer.start()
        try:
            output = self._converse(process)
        finally:
            timer.cancel()
            process.kill()
            process.wait()
        return self._checked(output, process.returncode)

    def kill(self) -> None:
        """End the program, or keep it from being started."""
        with self._lock:
            self._is_killed = True
            if self._process is not None:
                self._process.kill()

    def _start(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._is_killed:
                return None
            try:
                # In a session of its own, so that Ctrl-C in the terminal of the server does not end it.
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={name: value for name, value in os.environ.items() if name in ALLOWED} | _NOWHERE,
                    start_new_session=True,
                )
            except OSError as error:
                raise Unavailable(f"{COMMAND} cannot be run: {error.strerror}") from error
            return self._process

    def _converse(self, process: subprocess.Popen[bytes]) -> bytes:
        """Write the text, which fits into the pipe, and read up to one byte more than is allowed."""
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin as pipe, process.stdout as output:
            try:
                pipe.write(self._text.encode())
                pipe.close()
            except BrokenPipeError:
                pass  # it ended without reading; its status tells more
            said = output.read(self._max_bytes + 1)
            if len(said) <= self._max_bytes and not self._is_killed:
                process.wait()
            return said

    def _expire(self) -> None:
        self._is_late = True
        if self._process is not None:
            self._process.kill()

    def _checked(self, output: bytes, status: int) -> bytes:
        if self._is_killed:
            return b""
        if self._is_late:
            raise Unavailable(f"{COMMAND} did not end within {self._timeout_s:g} s.")
        if len(output) > self._max_bytes:
            raise Unavailable(f"{COMMAND} wrote more than {self._max_bytes} bytes for {len(self._text)} characters.")
        if status:
            raise Unavailable(f"{COMMAND} ended with status {status}.")
        return output


def plain(text: str) -> str:
    """Return the text as one line without what the command would not read as text: control characters, phonemes."""
    text = text.translate(_NO_TEXT).encode(errors="replace").decode()
    return text.replace("[", "[ ") if "[[" in text else text
