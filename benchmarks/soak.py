"""Measures whether the server's memory or latency grows: many short sessions, then one hour of conversation.

    .venv/bin/python benchmarks/soak.py ../shared/speech/manifest.jsonl [--sessions 10000] [--minutes 60]

A short session connects, appends a second of speech, commits it, requests a response and closes when that is done. The
long conversation is one session: commands followed by pauses, as fast as the server processes them; each waits for the
answer to the one before. Voice activity is real; recogniser, language model and voice are fakes (`density_server.py`),
so the benchmark measures the server. It leaves out the first fifth of each part, in which the process fills its pools.
A slope within two standard errors of zero is noise. Takes six minutes on two cores. Linux only.
"""

import argparse
import asyncio
import base64
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from live import RATE, machine
from peer import listening
from process import Process
from streamsrv.audio.files import read_audio

AT_ONCE = 4
"""Short sessions that run at the same time."""
SAMPLE_SESSIONS = 200
SAMPLE_TURNS = 10
PAUSE_S = 0.8
"""Seconds of silence after each command, longer than the silence that ends a turn."""
ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """`done`: number of sessions, or minutes of audio; `latency_ms`: median since the last sample."""

    done: float
    rss_mb: float
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth for each unit, with the standard error."""

    value: float
    error: float

    @property
    def is_noise(self) -> bool:
        return abs(self.value) <= 2 * self.error

    def __str__(self) -> str:
        return f"{self.value:+.4f} +- {self.error:.4f} ({'noise' if self.is_noise else 'GROWS or shrinks'})"


def slope(xs: list[float], ys: list[float]) -> Slope:
    """Fit a line by least squares. Successive samples are not independent, so the error counts every second one."""
    x, y = np.array(xs), np.array(ys)
    value, offset = np.polyfit(x, y, 1)
    residual = y - (value * x + offset)
    freedom = max(1.0, len(x) / 2 - 2)
    return Slope(float(value), float(np.sqrt(np.sum(residual**2) / freedom / np.sum((x - x.mean()) ** 2))))


def append(pcm: np.ndarray) -> str:
    audio = base64.b64encode(pcm.astype("<i2").tobytes()).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


async def answered(socket: ClientConnection) -> None:
    """Wait until a response is complete. Raises `RuntimeError` if it fails."""
    async with asyncio.timeout(ANSWER_S):
        async for frame in socket:
            event = json.loads(frame)
            if event["type"] == "error":
                raise RuntimeError(event["error"]["message"])
            if event["type"] == "response.done" and event["response"]["status"] == "completed":
                return
    raise RuntimeError("the server closed the session")


async def short_session(url: str, command: str) -> float:
    """Run a short session; return the ms from the commit to the end of the response."""
    async with connect(url, compression=None, max_size=None) as socket:
        manual = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
        await socket.send(json.dumps({"type": "session.update", "session": manual}))
        await socket.send(command)
        started_s = time.monotonic()
        await socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
        await socket.send(json.dumps({"type": "response.create"}))
        await answered(socket)
        return (time.monotonic() - started_s) * 1000


async def many_sessions(url: str, process: Process, commands: list[str], count: int) -> list[Sample]:
    samples: list[Sample] = []
    latencies: list[float] = []
    numbers = iter(range(count))

    async def caller() -> None:
        for number in numbers:
            latencies.append(await short_session(url, commands[number % len(commands)]))
            if (number + 1) % SAMPLE_SESSIONS == 0:
                take_sample(samples, number + 1, process, latencies)

    async with asyncio.TaskGroup() as callers:
        for _ in range(AT_ONCE):
            callers.create_task(caller())
    return samples


async def long_conversation(url: str, process: Process, commands: Iterator[np.ndarray], minutes: float) -> list[Sample]:
    samples: list[Sample] = []
    latencies: list[float] = []
    done_s = turns = 0
    async with connect(url, compression=None, max_size=None) as socket:
        detection = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
        await socket.send(json.dumps({"type": "session.update", "session": detection}))
        while done_s < minutes * 60:
            pcm = next(commands)
            await socket.send(append(pcm))
            started_s = time.monotonic()
            await answered(socket)
            latencies.append((time.monotonic() - started_s) * 1000)
            done_s += len(pcm) / RATE
            turns += 1
            if turns % SAMPLE_TURNS == 0:
                take_sample(samples, done_s / 60, process, latencies)
    return samples


def take_sample(samples: list[Sample], done: float, process: Process, latencies: list[float]) -> None:
    samples.append(Sample(round(done, 2), round(process.rss_mb, 2), round(float(np.median(latencies)), 2)))
    latencies.clear()
    print(f"{samples[-1].done:>9} {samples[-1].rss_mb:>9} MB {samples[-1].latency_ms:>9} ms", flush=True)


def summary(samples: list[Sample], unit: float, names: tuple[str, str]) -> dict[str, object]:
    """Return the slopes of memory and latency for each `unit`."""
    kept = samples[len(samples) // 5 :]
    done = [sample.done / unit for sample in kept]
    found = {
        names[0]: slope(done, [sample.rss_mb for sample in kept]),
        names[1]: slope(done, [sample.latency_ms for sample in kept]),
    }
    for name, grows in found.items():
        print(f"{name:<42}{grows}")
    return {name: asdict(grows) | {"is_noise": grows.is_noise} for name, grows in found.items()}


def spoken(manifest: Path) -> list[np.ndarray]:
    """Return short commands in English."""
    entries = [json.loads(line) for line in manifest.read_text().splitlines()]
    chosen = [e for e in entries if e["language"] == "en" and e["kind"] == "command" and e["duration_s"] < 3]
    return [read_audio(manifest.parent / entry["audio"], RATE) for entry in chosen[:12]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    recordings = spoken(options.manifest)
    pause = np.zeros(round(PAUSE_S * RATE), np.int16)
    turns = cycle([np.concatenate([pcm, pause]) for pcm in recordings])
    command = (sys.executable, str(Path(__file__).with_name("density_server.py")))
    with listening(command) as (server, port):
        process, url = Process(server.pid), f"ws://127.0.0.1:{port}/v1/realtime"
        seconds = [append(pcm[:RATE]) for pcm in recordings]
        short = asyncio.run(many_sessions(url, process, seconds, options.sessions))
        long = asyncio.run(long_conversation(url, process, turns, options.minutes))
    result = {
        **summary(short, 1000, ("MB for each 1,000 sessions", "ms of latency for each 1,000 sessions")),
        **summary(long, 1, ("MB for each minute of conversation", "ms of latency for each minute")),
        **machine(),
    }
    print(json.dumps(result))
    if options.json:
        samples = {"short": list(map(asdict, short)), "long": list(map(asdict, long))}
        options.json.write_text(json.dumps({"summary": result, "samples": samples}, indent=1))


if __name__ == "__main__":
    main()
