"""Shared parts of the benchmarks with a live server: the server process, a paced microphone, the machine."""

import asyncio
import base64
import contextlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

RATE = 24_000


@contextlib.contextmanager
def server(*flags: str, **environment: str) -> Generator[str]:
    """Start a server with the embedded models and additional environment variables; yield its Realtime URL."""
    with server_process(*flags, **environment) as (url, _):
        yield url


@contextlib.contextmanager
def server_process(*flags: str, **environment: str) -> Generator[tuple[str, int]]:
    """Do the same as `server`; yield the Realtime URL and the id of the process."""
    command = [sys.executable, "-m", "streamsrv", "serve", "--port", "0", "--chat", "smollm2-135m", *flags]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | environment
    )
    try:
        for line in process.stdout or ():
            if found := re.search(r"ws://\S+?(?=\))", line):
                yield found[0], process.pid
                return
        raise SystemExit("the server did not start")
    finally:
        process.terminate()
        process.wait(30)


def append(audio: bytes) -> str:
    """Return the event that appends audio to the input buffer."""
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()})


class Microphone:
    """Sends 20 ms chunks in real time: the audio given to `play`, and silence in between.

    `pack` makes a message from the bytes of a chunk, mono PCM at `rate` Hz.
    """

    def __init__(
        self, socket: ClientConnection, rate: int = RATE, pack: Callable[[bytes], str | bytes] = append
    ) -> None:
        self._socket = socket
        self._pack = pack
        self._chunk = rate // 50
        self._waiting: list[bytes] = []
        self._sent = 0
        self._started_s = time.monotonic()

    def play(self, pcm: NDArray[np.int16]) -> float:
        """Play mono audio next; return the time (monotonic seconds) at which its first sample is sent."""
        chunks = np.pad(pcm, (0, -len(pcm) % self._chunk)).reshape(-1, self._chunk)
        first = self._sent + len(self._waiting)
        self._waiting += [chunk.tobytes() for chunk in chunks]
        return self._started_s + first / 50

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await asyncio.sleep(max(0.0, self._started_s + self._sent / 50 - time.monotonic()))
            audio = self._waiting.pop(0) if self._waiting else bytes(2 * self._chunk)
            await self._socket.send(self._pack(audio))
            self._sent += 1


@contextlib.asynccontextmanager
async def session(url: str, **options: Any) -> AsyncGenerator[tuple[ClientConnection, Microphone]]:
    """Open a session with these options and a microphone that sends until the end of the block."""
    async with connect(url, max_size=None, compression=None) as socket:
        await socket.send(json.dumps({"type": "session.update", "session": options}))
        microphone = Microphone(socket)
        running = asyncio.create_task(microphone.run())
        try:
            yield socket, microphone
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def machine() -> dict[str, str]:
    """Return the machine, its load and the date of a measurement."""
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}",
        "date": date.today().isoformat(),
    }
