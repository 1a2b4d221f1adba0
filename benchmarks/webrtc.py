"""Measures the delay, the cost and the loss recovery of the WebRTC transport, compared with stock aiortc.

    .venv/bin/python benchmarks/webrtc.py [--json out.json] [--only connect|echo|page|loss] [--most 24]

Two servers take the same calls on loopback: streamsrv's transport with an echo instead of session and models
(`webrtc_server.py`), and an unmodified aiortc that sends audio back (`webrtc_aiortc.py`). Callers (`webrtc_caller.py`)
send prepared Opus packets with a tone every 200 ms.

- connect: ms from before the offer is created until the data channel is open, for the first call to a server and as the
  median of later calls.
- echo: from sending a tone until its first sample returns in a packet, without a receive buffer of the caller; with one
  call, and with more until p95 doubles, packets are missing or `--most` is reached. CPU is that of all processes of the
  server; sessions per core is the inverse of the CPU of one call, at the most calls that succeeded.
- page: the same from a page in Chromium to the same page, including its jitter buffer; left out if playwright or
  Chromium is missing. Run it in a network with only loopback:
  `unshare -n sh -c 'ip link set lo up && exec .venv/bin/python benchmarks/webrtc.py'`.
- loss: from sending a tone until a session could read its first sample: before, during and after a loss of 1, 3 and 5 %
  of the caller's packets (`streamsrv.testing.lossy_path`). "Back" is the time from the last lost packet until all
  further tones arrive within 20 ms of the median before the loss.

Linux only. Takes four minutes and nearly both of two cores; run nothing else meanwhile.
"""

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import uvloop

from live import machine
from streamsrv.testing.lossy_path import LossyPath
from webrtc_caller import Caller, Delay
from webrtc_tones import tone_packets

HERE = Path(__file__).parent
SERVERS = {"streamsrv": "webrtc_server.py", "aiortc": "webrtc_aiortc.py"}
CONNECTS = 10
STEPS = (1, 2, 4, 8, 12, 16, 20, 24, 32, 40)
SETTLE_S, MEASURE_S = 1.5, 5.0
PACKETS_S = 50
LOSSES = (0.01, 0.03, 0.05)
PAGE_S = 20.0
PAGE_CLICKS_LEFT_OUT = 4
"""First clicks that are left out, while Chromium's jitter buffer settles."""
BEFORE_S, LOSING_S, AFTER_S = 3.0, 10.0, 4.0
BACK_MS = 20.0


@dataclass(frozen=True, slots=True)
class Connect:
    first_ms: float
    median_ms: float
    worst_ms: float


@dataclass(frozen=True, slots=True)
class Step:
    sessions: int
    p50_ms: float
    p95_ms: float
    missing: float
    """Share of packets that did not arrive."""
    server_cpu: float
    """CPU time of the server as a share of one core; `caller_cpu` is that of the callers."""
    caller_cpu: float
    caller_late_ms: float
    """99th percentile of the delay with which packets were sent."""


@dataclass(frozen=True, slots=True)
class Loss:
    loss: float
    lost_packets: int
    before_ms: float
    during_p50_ms: float
    during_worst_ms: float
    after_ms: float
    """Median of the last two seconds after the loss."""
    back_s: float | None
    """Seconds until the delay was back to normal; None: not within `AFTER_S`."""


@dataclass(frozen=True, slots=True)
class Page:
    p50_ms: float
    worst_ms: float
    clicks: int


@dataclass(slots=True)
class Result:
    server: str
    connect: Connect | None = None
    page: Page | None = None
    steps: list[Step] = field(default_factory=list[Step])
    sessions_per_core: float | None = None
    losses: list[Loss] = field(default_factory=list[Loss])


class ServerProcess:
    """A server process and its child processes."""

    def __init__(self, pid: int, url: str) -> None:
        self.pid = pid
        self.url = url

    @property
    def cpu_s(self) -> float:
        """CPU time of all its processes so far, in seconds."""
        return sum(_cpu_s(pid) for pid in _family(self.pid))


def _family(pid: int) -> list[int]:
    children = [
        int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
    ]
    return [pid, *(member for child in children for member in _family(child))]


def _cpu_s(pid: int) -> float:
    times_ns = [int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}").glob("task/*/schedstat")]
    return sum(times_ns) / 1e9


@contextlib.contextmanager
def serving(server: str, *flags: str) -> Generator[ServerProcess]:
    command = [sys.executable, str(HERE / SERVERS[server]), *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout or ():
            if found := re.fullmatch(r"Listening on (\S+)", line.strip()):
                yield ServerProcess(process.pid, f"http://{found[1]}")
                return
        raise SystemExit(f"{server} did not start")
    finally:
        process.terminate()
        process.wait(30)


async def measure_connect(server: ServerProcess, packets: list[bytes]) -> Connect:
    took_ms: list[float] = []
    for _ in range(1 + CONNECTS):
        caller = Caller(server.url, packets)
        took_ms.append(await caller.connect())
        await caller.hang_up()
    later = took_ms[1:]
    return Connect(round(took_ms[0]), round(float(np.median(later))), round(max(later)))


async def climb(result: Result, server: ServerProcess, packets: list[bytes], most: int) -> None:
    """Add calls in steps until one step fails."""
    callers: list[Caller] = []
    try:
        for sessions in (count for count in STEPS if count <= most):
            while len(callers) < sessions:
                callers.append(Caller(server.url, packets))
                await callers[-1].connect()
            step = await measure_step(server, callers)
            result.steps.append(step)
            show_step(result.server, step)
            if step.missing > 0.02 or step.p95_ms > 2 * result.steps[0].p95_ms:
                break
            result.sessions_per_core = round(sessions / step.server_cpu, 1)
    finally:
        await asyncio.gather(*(caller.hang_up() for caller in callers))


async def measure_step(server: ServerProcess, callers: list[Caller]) -> Step:
    await asyncio.sleep(SETTLE_S)
    for caller in callers:
        caller.record.clear()
    started_s, server_s, caller_s = time.monotonic(), server.cpu_s, time.process_time()
    await asyncio.sleep(MEASURE_S)
    took_s = time.monotonic() - started_s
    records = [caller.record for caller in callers]
    trips_ms = [delay.ms for record in records for delay in record.round_trips]
    late_ms = [late for record in records for late in record.late_ms]
    came = sum(record.packets for record in records) / (len(records) * PACKETS_S * took_s)
    return Step(
        sessions=len(callers),
        p50_ms=percentile(trips_ms, 50),
        p95_ms=percentile(trips_ms, 95),
        missing=round(max(0.0, 1 - came), 3),
        server_cpu=round((server.cpu_s - server_s) / took_s, 3),
        caller_cpu=round((time.process_time() - caller_s) / took_s, 3),
        caller_late_ms=percentile(late_ms, 99),
    )


async def measure_page(server: ServerProcess) -> Page | None:
    try:
        from webrtc_browser import CHROMIUM, page_round_trips
    except ImportError:
        print("No page: playwright is not installed.", file=sys.stderr)
        return None
    if not CHROMIUM.exists():
        print(f"No page: there is no {CHROMIUM}.", file=sys.stderr)
        return None
    delays_ms = (await page_round_trips(server.url, PAGE_S))[PAGE_CLICKS_LEFT_OUT:]
    return Page(percentile(delays_ms, 50), percentile(delays_ms, 100), len(delays_ms))


async def measure_loss(server: ServerProcess, packets: list[bytes], loss: float) -> Loss:
    async with LossyPath(seed=round(loss * 100)) as path:
        caller = Caller(server.url, packets)
        await caller.connect(path)
        try:
            await asyncio.sleep(SETTLE_S)
            caller.record.clear()
            await asyncio.sleep(BEFORE_S)
            began_s, path.uplink.loss = time.monotonic(), loss
            await asyncio.sleep(LOSING_S)
            ended_s, path.uplink.loss = time.monotonic(), 0.0
            await asyncio.sleep(AFTER_S)
        finally:
            await caller.hang_up()
        return summarize_loss(loss, path.uplink.dropped, caller.record.heard, began_s, ended_s)


def summarize_loss(loss: float, lost: int, heard: list[Delay], began_s: float, ended_s: float) -> Loss:
    before_ms = percentile([delay.ms for delay in heard if delay.sent_s < began_s], 50)
    during_ms = [delay.ms for delay in heard if began_s <= delay.sent_s < ended_s]
    after = [delay for delay in heard if delay.sent_s >= ended_s]
    late_s = [delay.sent_s - ended_s for delay in after if delay.ms > before_ms + BACK_MS]
    back_s = round(max(late_s, default=0.0), 1)
    return Loss(
        loss=loss,
        lost_packets=lost,
        before_ms=before_ms,
        during_p50_ms=percentile(during_ms, 50),
        during_worst_ms=percentile(during_ms, 100),
        after_ms=percentile([delay.ms for delay in after if delay.sent_s > ended_s + AFTER_S - 2], 50),
        back_s=back_s if after and back_s < AFTER_S - 1 else None,
    )


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile; infinite if there are no values."""
    return round(float(np.percentile(values, percent)), 1) if values else float("inf")


def show_step(server: str, step: Step) -> None:
    print(
        f"{server:<12}{step.sessions:>9}{step.p50_ms:>9}{step.p95_ms:>9}{step.missing:>9.1%}{step.server_cpu:>9.2f}"
        f"{step.caller_cpu:>9.2f}{step.caller_late_ms:>8}",
        flush=True,
    )


async def measure(server: str, packets: list[bytes], options: argparse.Namespace) -> Result:
    result = Result(server)
    if options.only in (None, "connect"):
        with serving(server) as process:
            result.connect = await measure_connect(process, packets)
    if options.only in (None, "echo"):
        with serving(server) as process:
            await climb(result, process, packets, options.most)
    if options.only in (None, "page"):
        with serving(server) as process:
            result.page = await measure_page(process)
    if options.only in (None, "loss"):
        with serving(server, "--listen") as process:
            calls = [measure_loss(process, packets, loss) for loss in LOSSES]
            result.losses = await asyncio.gather(*calls)
    return result


def show(results: list[Result]) -> None:
    print(f"\n{'':<12}{'connect, first':>16}{'median':>8}{'worst':>8}   (ms)")
    for result in results:
        if (connect := result.connect) is not None:
            print(f"{result.server:<12}{connect.first_ms:>16}{connect.median_ms:>8}{connect.worst_ms:>8}")
    print(f"\n{'':<12}{'page to page, p50':>18}{'worst':>8}{'clicks':>8}   (ms)")
    for result in results:
        if (page := result.page) is not None:
            print(f"{result.server:<12}{page.p50_ms:>18}{page.worst_ms:>8}{page.clicks:>8}")
    print(f"\n{'':<12}{'loss':>6}{'packets':>9}{'before':>8}{'while':>8}{'worst':>8}{'after':>8}   (ms){'back s':>8}")
    for result in results:
        for loss in result.losses:
            back = "never" if loss.back_s is None else loss.back_s
            print(
                f"{result.server:<12}{loss.loss:>6.0%}{loss.lost_packets:>9}{loss.before_ms:>8}"
                f"{loss.during_p50_ms:>8}{loss.during_worst_ms:>8}{loss.after_ms:>8}{back:>13}"
            )


def compare(results: list[Result]) -> dict[str, object]:
    """Return the figures that have an aim, compared with aiortc."""
    summary: dict[str, object] = {}
    ours, theirs = results
    if ours.steps and theirs.steps:
        summary["round_trip_ms"] = [ours.steps[0].p50_ms, theirs.steps[0].p50_ms]
        summary["round_trip_ratio"] = round(ours.steps[0].p50_ms / theirs.steps[0].p50_ms, 2)
    if ours.page and theirs.page:
        summary["page_ms"] = [ours.page.p50_ms, theirs.page.p50_ms]
        summary["page_ratio"] = round(ours.page.p50_ms / theirs.page.p50_ms, 2)
    if ours.sessions_per_core and theirs.sessions_per_core:
        summary["sessions_per_core"] = [ours.sessions_per_core, theirs.sessions_per_core]
        summary["sessions_per_core_ratio"] = round(ours.sessions_per_core / theirs.sessions_per_core, 2)
    return {**summary, **machine()}


async def run(options: argparse.Namespace) -> None:
    packets = tone_packets()
    print(f"{'':<12}{'sessions':>9}{'p50 ms':>9}{'p95 ms':>9}{'missing':>9}{'server':>9}{'callers':>9}{'late':>8}")
    results = [await measure(server, packets, options) for server in SERVERS]
    show(results)
    summary = compare(results)
    print(f"\n{json.dumps(summary)}")
    if options.json:
        options.json.write_text(json.dumps({"summary": summary, "results": list(map(asdict, results))}, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["connect", "echo", "page", "loss"])
    parser.add_argument("--most", type=int, default=STEPS[-1], help="largest number of calls")
    parser.add_argument("--json", type=Path)
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
