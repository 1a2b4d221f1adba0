"""Measures how much memory each model takes in its process: the field `memory` of the catalogue.

    python benchmarks/model_memory.py [NAME...]

Each model is loaded and run once in a process of its own. Its memory is the growth of the resident set from before its
engine is imported; packages that several models share count for each. Without names: every model that is ready here.
"""

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler

FIXTURE = Path(__file__).parent.parent / "fixtures" / "is_the_front_door_locked.flac"


def resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell the resident set")


async def run_once(model: object, kind: str) -> None:
    if hasattr(model, "warm_up"):
        await model.warm_up()
    if kind != "recognizer":
        return
    session = model.connect()  # type: ignore[attr-defined]
    stream = session.open(RecognitionOptions())
    stream.push(read_audio(str(FIXTURE), SPEECH_RATE_HZ))
    stream.finish()
    async for _ in stream:
        pass
    await session.aclose()


def measure(name: str) -> None:
    catalogue, scheduler = load_catalogue(), Scheduler(1)
    entry = catalogue.find(name)
    before = resident_bytes()
    model = EngineLoader(catalogue, ModelStore(), scheduler).load(entry)
    asyncio.run(run_once(model, entry.kind))
    gc.collect()
    print(f"{name:<24} {(resident_bytes() - before) / 1e6:6.0f} MB", flush=True)
    scheduler.close()


def main() -> None:
    catalogue, store, scheduler = load_catalogue(), ModelStore(), Scheduler(1)
    loader = EngineLoader(catalogue, store, scheduler)
    names = sys.argv[1:] or [
        entry.name for entry in catalogue.entries() if entry.hardware != "remote" and not loader.needs(entry)
    ]
    scheduler.close()
    for name in names:
        subprocess.run([sys.executable, __file__, "--one", name], check=False)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(sys.argv[2])
    else:
        main()
