"""Measures how long a browser needs until a page can be used, on slow networks and a slow processor.

A page can be used when a press of a button does what the button is for: the talk button of the assistant starts a
session, and the viewer of captions makes its text larger. The script presses until that is so. Chromium's own emulation
delays every response and limits the bytes per second; on a slow processor everything takes four times as long.

Each page is loaded in a new tab of a window that is open and has nothing more to do: a new window loads scripts of
Chromium's own for half a second, which takes the processor from the page.

Run: `python benchmarks/page_load.py [--runs 5] [--network NAME] [--json FILE]`, on a machine that does nothing else.
"""

import argparse
import asyncio
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright

from live import machine, server

CHROMIUM = Path("/usr/lib/chromium/chromium")
ARGUMENTS = ("--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run")
LIGHT = ("--recognizer", "none", "--synthesizer", "none", "--vad", "webrtc")
"""Options of a server that starts quickly; the pages are the same."""
SETTLED_WITHIN_S = 20
LOOK_S = 0.25
IDLE = 0.05
"""Part of one processor that a browser may use which counts as doing nothing."""
PRESS = Path(__file__).with_name("page_load_press.js")


@dataclass(frozen=True, slots=True)
class Network:
    """`latency_ms` before each response, `bytes_per_s` each way (-1: unlimited); `slowdown` of the processor."""

    name: str
    latency_ms: float
    bytes_per_s: float
    slowdown: float


NETWORKS = (
    Network("local", 0, -1, 1),
    Network("40 ms", 40, -1, 1),
    Network("150 ms, 200 kB/s, CPU/4", 150, 200_000, 4),
    Network("400 ms, 50 kB/s, CPU/4", 400, 50_000, 4),
)
PAGES = {"assistant": ("", "#talk"), "viewer": ("captions/main", "#larger")}
"""The pages: their address below the server's root, and the button that is pressed."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load: seconds until something is painted and until the page can be used; requests and bytes until then."""

    painted_s: float
    usable_s: float
    requests: int
    kilobytes: float


async def measured(page: Page, url: str, button: str) -> Load:
    """Open an address in a page and press the button until it works."""
    await page.goto(url, wait_until="commit")
    found: dict[str, Any] = await page.evaluate("window.pageLoad")
    return Load(found["painted"] / 1000, found["usable"] / 1000, found["requests"], found["bytes"] / 1000)


async def emulate(context: BrowserContext, page: Page, network: Network) -> None:
    devtools = await context.new_cdp_session(page)
    await devtools.send("Network.enable")
    conditions = {
        "offline": False,
        "latency": network.latency_ms,
        "downloadThroughput": network.bytes_per_s,
        "uploadThroughput": network.bytes_per_s,
    }
    await devtools.send("Network.emulateNetworkConditions", conditions)
    await devtools.send("Emulation.setCPUThrottlingRate", {"rate": network.slowdown})


async def settled(browser: Browser) -> None:
    """Wait until the browser does next to nothing. Raises `TimeoutError`."""
    devtools = await browser.new_browser_cdp_session()
    async with asyncio.timeout(SETTLED_WITHIN_S):
        before_s = await used_cpu_s(devtools)
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = await used_cpu_s(devtools)
            if now_s - before_s < IDLE * LOOK_S:
                break
            before_s = now_s
    await devtools.detach()


async def used_cpu_s(devtools: CDPSession) -> float:
    """Return the processor time that all processes of the browser have had."""
    processes = (await devtools.send("SystemInfo.getProcessInfo"))["processInfo"]
    return sum(process["cpuTime"] for process in processes)


async def cold_and_warm(browser: Browser, url: str, button: str, network: Network) -> tuple[Load, Load]:
    """Load a page in a browser that does not know it, and again in a new tab."""
    context = await browser.new_context(permissions=["microphone"])
    await context.new_page()  # the window stays open
    await context.add_init_script(f"window.buttonToPress = {json.dumps(button)};")
    await context.add_init_script(path=PRESS)
    loads: list[Load] = []
    for _ in range(2):
        page = await context.new_page()
        await settled(browser)
        await emulate(context, page, network)
        loads.append(await measured(page, url, button))
        await page.close()
    await context.close()
    return loads[0], loads[1]


def median(loads: list[Load]) -> Load:
    return Load(
        statistics.median(load.painted_s for load in loads),
        statistics.median(load.usable_s for load in loads),
        round(statistics.median(load.requests for load in loads)),
        statistics.median(load.kilobytes for load in loads),
    )


async def measure(root: str, networks: list[Network], runs: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        await cold_and_warm(browser, root, "#talk", NETWORKS[0])  # the server has made everything once
        for name, (path, button) in PAGES.items():
            for network in networks:
                loads = [await cold_and_warm(browser, root + path, button, network) for _ in range(runs)]
                cold, warm = median([pair[0] for pair in loads]), median([pair[1] for pair in loads])
                rows.append({"page": name, "network": network.name, "cold": asdict(cold), "warm": asdict(warm)})
                print(
                    f"{name:10} {network.name:24} cold {cold.usable_s:.2f} s, painted {cold.painted_s:.2f} s, "
                    f"{cold.requests} requests, {cold.kilobytes:.0f} kB; warm {warm.usable_s:.2f} s, "
                    f"painted {warm.painted_s:.2f} s, {warm.requests} requests, {warm.kilobytes:.0f} kB",
                    flush=True,
                )
        await browser.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="loads of each kind; the median counts (default 5)")
    parser.add_argument("--network", choices=[network.name for network in NETWORKS], help="default: all")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    networks = [network for network in NETWORKS if arguments.network in (None, network.name)]
    with server(*LIGHT) as realtime:
        rows = asyncio.run(measure(f"http://{urlsplit(realtime).netloc}/", networks, arguments.runs))
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "runs": arguments.runs, "loads": rows}, indent=1))


if __name__ == "__main__":
    main()
