"""The desktop's speech service with espeak-ng, which browsers use for `speechSynthesis` on Linux."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sound_card import SoundCard
from waiting import until

CONFIGURATION = """
CommunicationMethod "unix_socket"
AudioOutputMethod "pulse"
Timeout 0
LogLevel 1
AddModule "espeak-ng" "sd_espeak-ng" "espeak-ng.conf"
DefaultModule espeak-ng
DefaultLanguage "en"
"""
"""Timeout 0: it would end a few seconds after its last client otherwise."""


def missing() -> str | None:
    """What it lacks on this machine."""
    if shutil.which("speech-dispatcher") is None:
        return "speech-dispatcher is not installed"
    if not Path("/usr/lib/speech-dispatcher-modules/sd_espeak-ng").exists():
        return "speech-dispatcher-espeak-ng is not installed"
    return None


@contextlib.contextmanager
def running(folder: Path, sound_card: SoundCard) -> Iterator[dict[str, str]]:
    """Start it; yields the environment of a browser that speaks through it."""
    configuration = folder / "configuration"
    shutil.copytree("/etc/speech-dispatcher", configuration)
    (configuration / "speechd.conf").write_text(CONFIGURATION)
    socket = folder / "speech.sock"
    command = ["speech-dispatcher", "--run-single", "--config-dir", str(configuration), "--log-dir", str(folder)]
    command += ["--communication-method", "unix_socket", "--socket-path", str(socket), "--pid-file"]
    with (folder / "speech-dispatcher.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(folder / "pid")], env=sound_card.environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until(socket.exists, "speech-dispatcher listens", 30)
        yield {**sound_card.environment, "SPEECHD_ADDRESS": f"unix_socket:{socket}"}
    finally:
        process.terminate()
        try:
            process.wait(10)
        finally:
            process.kill()
