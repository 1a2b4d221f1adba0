"""Speaks each text that comes on standard input through the real server, and prints the peak memory of the process.

Run in a process of its own by `test_speech_bounds`, because the peak of a process never sinks.
"""

import asyncio
import json
import re
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

from serving import serving
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import fake_engines

FIRST_BYTES = 40_000
"""Of PCM, after which the client goes away."""


def speak(port: int, text: str) -> tuple[int, float]:
    """The status, and the seconds until the first audio."""
    started_s = time.monotonic()
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    body = json.dumps({"input": text, "response_format": "pcm"})
    connection.request("POST", "/v1/audio/speech", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read(1)
    first_s = time.monotonic() - started_s
    answer.read(FIRST_BYTES)
    connection.close()
    return answer.status, first_s


def peak_mib() -> int:
    """Peak resident memory of this program on Linux. `ru_maxrss` would include that of the process that started it."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def main() -> None:
    scheduler = Scheduler(1)
    voice = load_engine(ModelEntry("hibari", "synthesizer", "hibari"), LoadContext(scheduler, {}))
    asyncio.run(voice.warm_up())
    with serving(fake_engines(synthesizer=voice)) as server:
        found = [speak(server.port, text) for text in json.load(sys.stdin)]
    print(json.dumps({"answers": found, "peak_mib": peak_mib()}))


main()
