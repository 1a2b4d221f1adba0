"""Runs other software for comparison: its environment, its server process, and the wire format of pipecat."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from platformdirs import user_cache_path

PACKAGES = ("pipecat-ai[silero,websocket,openai]==1.14.0", "uvicorn==0.54.0", "httptools", "uvloop")
RATE = 16_000
"""Sample rate of the audio of its clients, in Hz."""


def peer_python() -> Path:
    """Return the interpreter of an environment with pipecat. Raises `OSError` or `CalledProcessError` if that fails."""
    return environment("pipecat-1.14.0-openai", PACKAGES)


def environment(name: str, packages: tuple[str, ...]) -> Path:
    """Return the interpreter of an environment with packages, which the first call creates in the user's cache folder.

    Raises `OSError` or `CalledProcessError` if that fails.
    """
    folder = user_cache_path("streamsrv") / "benchmarks" / name
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"Installing {', '.join(packages)} into {folder} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True
        )
        (folder / "complete").touch()
    return python


@contextlib.contextmanager
def listening(command: tuple[str, ...]) -> Generator[tuple[subprocess.Popen[str], int]]:
    """Start a server that prints `Listening on HOST:PORT`; yield the process and the port."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for line in process.stdout or ():
            if found := re.fullmatch(r"Listening on \S+:(\d+)", line.strip()):
                yield process, int(found[1])
                return
        raise SystemExit(f"{command} did not start.")
    finally:
        process.kill()
        process.wait()


def audio_message(audio: bytes) -> bytes:
    """Return `Frame{audio: AudioRawFrame{audio, sample_rate, num_channels}}` of its frames.proto, mono at `RATE`."""
    inner = b"\x1a" + _varint(len(audio)) + audio + b"\x20" + _varint(RATE) + b"\x28\x01"
    return b"\x12" + _varint(len(inner)) + inner


def is_audio(message: bytes) -> bool:
    """Return whether a message of its server is audio that is not silent."""
    return message[:1] == b"\x12" and any(message[-200:-8])


def _varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80]) + _varint(number >> 7) if number > 0x7F else bytes([number])
