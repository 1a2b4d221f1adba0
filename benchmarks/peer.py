"""Runs other software for comparison: its environment, its server process, and the wire format of pipecat."""

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

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


def audio_of(message: bytes) -> bytes:
    """Return the audio in a message of its server; empty if it is none."""
    return _fields(_fields(message).get(2, b"")).get(3, b"")


def message_of(message: bytes) -> dict[str, Any] | None:
    """Return the application's message in a message of its server; None if it is something else."""
    told = _fields(message).get(4)
    return None if told is None else json.loads(_fields(told)[1])


def _fields(message: bytes) -> dict[int, bytes]:
    """Return the fields of a protobuf message that are bytes, by number."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(message):
        tag, at = _number(message, at)
        number, at = _number(message, at)  # the value, or the length of what follows
        if tag & 7 == 2:
            found[tag >> 3] = message[at : at + number]
            at += number
    return found


def _number(message: bytes, at: int) -> tuple[int, int]:
    """Return the varint at a place, and the place after it."""
    shift = value = 0
    while True:
        value |= (message[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if message[at - 1] < 0x80:
            return value, at


def _varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80]) + _varint(number >> 7) if number > 0x7F else bytes([number])
