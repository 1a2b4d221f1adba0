"""Firefox ESR, driven over WebDriver BiDi: Playwright drives only a build of its own.

Source: https://w3c.github.io/webdriver-bidi
"""

import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from waiting import until

PREFERENCES = {
    "media.navigator.permission.disabled": True,  # answers the permission prompt
    "media.autoplay.default": 0,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
IDLE_S = 2.0
"""How long the processes of a Firefox that does not answer are watched."""
ADDRESS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


def installed() -> str | None:
    return shutil.which("firefox-esr")


class Firefox:
    """One window. A script is an expression, or a promise of a value."""

    def __init__(self, connection: ClientConnection, process_id: int) -> None:
        self._connection = connection
        self._process_id = process_id
        self._numbers = itertools.count(1)
        self._errors: list[str] = []
        self._allowed: list[str] = []
        self._command("session.new", capabilities={})
        self._command("session.subscribe", events=["log.entryAdded"])
        self._window = self._command("browsingContext.getTree")["contexts"][0]["context"]

    def open(self, url: str) -> None:
        self._command("browsingContext.navigate", context=self._window, url=url, wait="complete")

    def evaluate(self, script: str) -> Any:
        """The value of a script as JSON can hold it. It counts as a gesture of the user."""
        answer = self._command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({script})) ?? null))()",
            target={"context": self._window},
            awaitPromise=True,
            userActivation=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    def wait_for(self, script: str, seconds: float = 60) -> Any:
        """The first true value of a script."""
        return until(lambda: self.evaluate(script), script, seconds)

    def text(self) -> str:
        """What can be read on the page."""
        return self.evaluate("document.body.innerText")

    def screenshot(self, path: Path) -> None:
        path.write_bytes(
            base64.b64decode(self._command("browsingContext.captureScreenshot", context=self._window)["data"])
        )

    def allow(self, text: str) -> None:
        """Errors on the console that have this in them are part of the test."""
        self._allowed.append(text)

    def unexpected_errors(self) -> list[str]:
        """What the page wrote on the console as an error, and what it did not catch."""
        return [error for error in self._errors if not any(text in error for text in self._allowed)]

    def _command(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        deadline = time.monotonic() + 60
        while True:
            try:
                message = json.loads(self._connection.recv(timeout=max(deadline - time.monotonic(), 0)))
            except TimeoutError:
                self._skip_if_deadlocked()
                raise
            if message.get("method") == "log.entryAdded":
                self._log(message["params"])
            elif message.get("id") == number:
                assert message["type"] == "success", f"{method}: {message.get('message')}"
                return message["result"]

    def _skip_if_deadlocked(self) -> None:
        """Skip the test if Firefox itself is stuck: now and then its content process waits for a lock for ever.

        A page that hangs computes, and its test fails.
        """
        before_s = _cpu_s(self._process_id)
        time.sleep(IDLE_S)
        if _cpu_s(self._process_id) - before_s < IDLE_S / 4:
            pytest.skip("Firefox answers no command any more, and computes nothing: it is deadlocked")

    def _log(self, entry: dict[str, Any]) -> None:
        if entry["level"] == "error":
            self._errors.append(str(entry.get("text")))


@contextlib.contextmanager
def running(folder: Path, environment: Mapping[str, str]) -> Iterator[Firefox]:
    """Start it with a profile of its own in `folder`."""
    profile = folder / "profile"
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines))
    log = folder / "firefox.log"
    command = ["firefox-esr", "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        address = until(lambda: ADDRESS.search(log.read_text(errors="replace")), "Firefox listens", 90).group(1)
        with connect(address + "/session", max_size=None, compression=None) as connection:
            yield Firefox(connection, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()


def _cpu_s(process_id: int) -> float:
    """The CPU time in s of a process and of all below it that run."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            fields = file.read_text(errors="replace").rpartition(")")[2].split()
            parents[int(file.parent.name)] = int(fields[1])
            ticks[int(file.parent.name)] = int(fields[11]) + int(fields[12])
    family = {process_id}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(pid, 0) for pid in family) / os.sysconf("SC_CLK_TCK")
