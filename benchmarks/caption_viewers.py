"""Measures the cost of a viewer of a caption room: part of `benchmarks/captions.py`.

A server process without models publishes events in one room at ten times the rate of a fluent speaker: a fluent speaker
gives four partial texts a second and a final text every ten seconds. Viewers read them over loopback, and one more
viewer reads nothing. The benchmark measures the server's CPU time for each event and viewer, less that without viewers,
and the time from the event to each viewer.
"""

import asyncio
import json
import multiprocessing
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from streamsrv.app import build_app
from streamsrv.engines.asr.base import RecognizedUtterance
from streamsrv.server import Server, bind
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.testing.fakes import fake_engines

EVENTS = 400
PERIOD_S = 0.025
FINAL_EVERY = 40
TEXT = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness."


@dataclass(frozen=True, slots=True)
class Fanout:
    """`cpu_us`: CPU time of the server for each event and viewer; other fields: time from the event to a viewer."""

    viewers: int
    cpu_us: float
    p50_ms: float
    p95_ms: float
    max_ms: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_fanout(most: int) -> list[Fanout]:
    """Measure with 1 viewer and with `most`."""
    alone_s, _ = _run(0)
    return [_summary(viewers, alone_s, *_run(viewers)) for viewers in (1, most)]


def _summary(viewers: int, alone_s: float, cpu_s: float, delays_ms: list[float]) -> Fanout:
    cpu_us = (cpu_s - alone_s) * 1e6 / (EVENTS * viewers)
    p50, p95 = np.percentile(delays_ms, [50, 95])
    return Fanout(viewers, round(cpu_us, 1), round(float(p50), 1), round(float(p95), 1), round(max(delays_ms), 1))


def _run(viewers: int) -> tuple[float, list[float]]:
    """Return the CPU seconds of the server, and the delays of all events at all viewers in ms."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, viewers + 1 if viewers else 0))
    process.start()
    try:
        delays_ms = asyncio.run(_view(ours.recv(), viewers)) if viewers else []
        if not viewers:
            ours.recv()
        return ours.recv(), delays_ms
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, viewers: int) -> None:
    asyncio.run(_serve_and_show(pipe, viewers))


async def _serve_and_show(pipe: Connection, viewers: int) -> None:
    app = build_app(Settings(), fake_engines())
    listener = bind("127.0.0.1", 0)
    server = Server(app, lambda: pipe.send(listener.getsockname()[1]))
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=[listener]))
        pipe.send(await _show(app.state.service, viewers))
        await serving


async def _show(service: Service, viewers: int) -> float:
    """Publish the events when all viewers are connected; return the CPU seconds of this process."""
    opened = service.rooms.open("bench")
    opened.room.enter("speaker")
    while service.rooms.viewers < viewers:  # noqa: ASYNC110  the server has no event for this, and needs none
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    began_s, cpu_s = time.monotonic(), time.process_time()
    for number in range(EVENTS):
        await asyncio.sleep(max(0.0, began_s + number * PERIOD_S - time.monotonic()))
        now_ms, item_id = number * 250, f"item{number // FINAL_EVERY}"
        stamped = f"{time.monotonic_ns()} {TEXT}"
        if number % FINAL_EVERY == FINAL_EVERY - 1:
            utterance = RecognizedUtterance(stamped, now_ms, now_ms + 200)
            opened.room.settle("speaker", item_id, utterance, now_ms, now_ms)
        else:
            opened.room.show("speaker", item_id, stamped, "and so on", now_ms, now_ms, now_ms)
        opened.news.notify()
    await asyncio.sleep(1.0)
    used_s = time.process_time() - cpu_s
    opened.room.settle("speaker", "end", RecognizedUtterance("end", 0, 0), 0, 0)
    opened.news.notify()
    return used_s


async def _view(port: int, viewers: int) -> list[float]:
    async with _watching(port):  # a viewer that reads nothing
        delays = await asyncio.gather(*(_delays_ms(port) for _ in range(viewers)))
    return [delay for each in delays for delay in each]


async def _delays_ms(port: int) -> list[float]:
    found: list[float] = []
    async with _watching(port) as reader:
        while line := await reader.readline():
            if line.startswith(b"data: ") and b'"item_id"' in line:
                event = json.loads(line.removeprefix(b"data: "))
                stamp = (event.get("text") or event.get("stable", "")).split(" ", 1)[0]
                if stamp == "end":
                    break
                found.append((time.monotonic_ns() - int(stamp)) / 1e6)
    return found


@asynccontextmanager
async def _watching(port: int) -> AsyncGenerator[asyncio.StreamReader]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET /v1/streamsrv/captions/bench/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        yield reader
    finally:
        writer.close()
