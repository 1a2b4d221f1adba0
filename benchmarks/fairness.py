"""Measures how late a session gets answers while another one floods the server.

    .venv/bin/python benchmarks/fairness.py [--seconds 5] [--vad silero] [--json out.json]

Starts a server with real voice activity and fakes of the other models (`density_server.py`). One client sends 32 ms of
audio and a clear at a fixed rate, and measures the time to each response, by which the audio is processed. Another
client sends without pause: malformed events, tiny events, requests for a long item, audio in short and in 16 MiB
appends, 16 MiB of values, 16 MiB of text. Takes a minute.
"""

import argparse
import asyncio
import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from websockets.asyncio.client import connect

from live import machine
from streamsrv.testing.flood import Flood, FloodKind, flood_kinds

FRAME_S = 0.032


@contextmanager
def server(vad: str) -> Generator[int]:
    """Start a server process; yield its port."""
    command = [sys.executable, str(Path(__file__).with_name("density_server.py")), "--vad", vad]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout or ():
            if found := re.search(r":(\d+)$", line.strip()):
                yield int(found[1])
                return
        raise SystemExit("the server did not start")
    finally:
        process.terminate()
        process.wait(30)


async def answer_times_ms(port: int, seconds: float) -> list[float]:
    """Return the times to each response for a client that does not flood."""
    times_ms: list[float] = []
    audio = base64.b64encode(bytes(1536)).decode()
    async with connect(f"ws://127.0.0.1:{port}/v1/realtime", compression=None) as socket:
        await socket.recv()
        next_s = time.monotonic()
        until_s = next_s + seconds
        while next_s < until_s:
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
            asked_s = time.monotonic()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
            await socket.send('{"type": "input_audio_buffer.clear"}')
            while json.loads(await socket.recv())["type"] != "input_audio_buffer.cleared":
                pass
            times_ms.append((time.monotonic() - asked_s) * 1000)
            next_s = max(next_s + FRAME_S, time.monotonic())
    return times_ms


async def measure(port: int, kind: FloodKind | None, seconds: float) -> dict[str, object]:
    flood = Flood("127.0.0.1", port, kind) if kind is not None else None
    if flood is not None:
        flood.start()
    try:
        times_ms = await answer_times_ms(port, seconds)
    finally:
        if flood is not None:
            await asyncio.to_thread(flood.stop)
    half, most = np.percentile(times_ms, [50, 99])
    return {
        "flood": kind.name if kind is not None else "none",
        "answers": len(times_ms),
        "p50_ms": round(float(half), 1),
        "p99_ms": round(float(most), 1),
        "max_ms": round(max(times_ms), 1),
    }


async def run(vad: str, seconds: float) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for kind in (None, *flood_kinds()):
        with server(vad) as port:
            rows.append(await measure(port, kind, seconds))
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--vad", default="silero")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = asyncio.run(run(given.vad, given.seconds))
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
