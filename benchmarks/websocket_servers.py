"""Compares WebSocket servers: the CPU time that each takes for a chunk of audio, and the lag behind many clients.

    .venv/bin/python benchmarks/websocket_servers.py [--sessions 300] [--rounds 2] [--json out.json]

Each server (`websocket_server.py`) discards the audio of paced clients, as `density.py` sends it, and answers their
requests. "nothing but reading" is the lower bound: what the sockets and the event loop cost. The servers run one after
the other, in each round again. Those that streamsrv does not need are installed into an environment of their own,
which the first run creates below the user's cache folder. Linux only. Takes two minutes a round.
"""

import argparse
import json
import os
import statistics
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from density import measure, realtime
from density_load import Microphones
from live import machine
from peer import environment, listening
from process import Process
from websocket_server import SERVERS

HERE = Path(__file__).parent
PACKAGES = (
    "granian==2.8.9",
    "httptools",
    "hypercorn==0.18.0",
    "picows==2.3.1",
    "uvicorn==0.54.0",
    "uvloop",
    "websockets==16.1.1",
    "wsproto==1.3.2",
)


@dataclass(slots=True)
class Cost:
    server: str
    sessions: int
    cpu_us: float
    """CPU time of the server for each chunk."""
    p50_ms: float
    p99_ms: float


def cost(python: str, server: str, sessions: int) -> Cost:
    noise = np.random.default_rng(1).standard_normal(24_000 * 5) * 100
    dialect = realtime([noise.astype(np.int16)], turn_detection=False)
    with listening((python, str(HERE / "websocket_server.py"), server)) as (started, port):
        microphones = Microphones(port, dialect)
        microphones.grow(sessions)
        step = measure(Process(started.pid), microphones, sessions)
        microphones.close()
    return Cost(server, sessions, round(step.server_cpu / (sessions * 50) * 1e6, 1), step.p50_ms, step.p99_ms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="only servers whose name contains this")
    parser.add_argument("--python", help="the interpreter of an environment that has them all")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    python = options.python or str(environment("websocket-servers", PACKAGES))
    os.environ["PYTHONPATH"] = str(HERE.parent)
    found: dict[str, list[Cost]] = defaultdict(list)
    print(f"{'':<32}{'us a chunk':>12}{'p50 ms':>9}{'p99 ms':>9}")
    for _ in range(options.rounds):
        for server in (name for name in SERVERS if options.only in name):
            one = cost(sys.executable if server == "streamsrv's transport" else python, server, options.sessions)
            found[server].append(one)
            print(f"{server:<32}{one.cpu_us:>12}{one.p50_ms:>9}{one.p99_ms:>9}", flush=True)
    print(f"\nmedians of {options.rounds} rounds, {options.sessions} sessions")
    for server, costs in found.items():
        medians = [statistics.median(getattr(one, key) for one in costs) for key in ("cpu_us", "p50_ms", "p99_ms")]
        print(f"{server:<32}{medians[0]:>12.1f}{medians[1]:>9.1f}{medians[2]:>9.1f}")
    print(json.dumps(machine()))
    if options.json:
        costs = [asdict(one) for costs in found.values() for one in costs]
        options.json.write_text(json.dumps({"summary": machine(), "costs": costs}, indent=1))


if __name__ == "__main__":
    main()
