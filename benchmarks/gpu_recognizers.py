"""Runs Whisper on a GPU: the conformance suite, and what batches of windows are worth. At most 8 minutes.

    .venv/bin/python benchmarks/gpu_recognizers.py [--device cpu] [--json out.json]

Nobody has run this on a GPU yet, so no figure exists. It needs streamsrv[whisper], the CUDA libraries that CTranslate2
asks for (cuBLAS, cuDNN 9), and `streamsrv pull whisper-tiny.en whisper-base`; no network. `--device cpu --no-suite`
tries the script itself. First the suite runs, on a GPU if there is one. Then the texts of batches are compared with
those of single windows and with a CPU's. Windows of 5 and 10 s are timed 1, 8 and 32 at once, and streams of many
sessions, whose audio comes at once.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live import machine
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.faster_whisper import load
from streamsrv.engines.asr.whisper.decoder import DecoderSettings, WhisperDecoder
from streamsrv.engines.asr.whisper.model import open_model
from streamsrv.engines.asr.whisper.model_files import ModelFiles
from streamsrv.engines.asr.windows.incremental import Decode, IncrementalRecognizer
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Priority, Scheduler

MODELS = ("whisper-tiny.en", "whisper-base")
FIXTURES = Path(__file__).parents[1] / "fixtures"
RECORDINGS = ("block_books", "is_the_front_door_locked", "is_the_garage_door_open", "lock_the_front_door")
SECONDS = (5, 10)
BATCHES = (1, 8, 32)
SESSIONS = (1, 16, 64)
REPEATS = 5
SUITE_S = 200
"""Most seconds for the conformance suite."""
LIMIT_S = 400.0
"""Seconds after which no further measurement begins."""


def speech() -> list[NDArray[np.int16]]:
    return [read_audio(FIXTURES / f"{name}.flac", SPEECH_RATE_HZ) for name in RECORDINGS]


def window(pcm: NDArray[np.int16]) -> Decode:
    return Decode(pcm, RecognitionOptions(language="en"), Priority.FINAL, is_complete=True)


def texts(decoder: WhisperDecoder, windows: Sequence[Decode]) -> list[str]:
    return [each.text for each in decoder.decode(windows)]


def compare_texts(files: ModelFiles, device: Any) -> dict[str, Any]:
    """Return how many texts differ between one window at a time and batches, and between the device and a CPU."""
    windows = [window(pcm) for pcm in speech()] * 8
    model = open_model(files, device, "auto", 1, print)
    alone = [texts(WhisperDecoder(model), [each])[0] for each in windows[: len(RECORDINGS)]] * 8
    together = texts(WhisperDecoder(model, DecoderSettings(max_batch=32)), windows)
    cpu = [texts(WhisperDecoder(open_model(files, "cpu", "auto", 1, print)), [each])[0] for each in windows[:4]] * 8
    return {
        "device": model.device,
        "compute_type": model.whisper.compute_type,
        "batched_differ": sum(a != b for a, b in zip(alone, together, strict=True)),
        "device_and_cpu_differ": sum(a != b for a, b in zip(alone, cpu, strict=True)),
        "empty": sum(not text for text in together),
    }


def time_batches(files: ModelFiles, device: Any, ends_s: float) -> dict[str, float]:
    """Return the ms that a call takes for batches of windows of one length."""
    decoder = WhisperDecoder(open_model(files, device, "auto", 1, print), DecoderSettings(max_batch=max(BATCHES)))
    source = np.concatenate(speech())
    figures: dict[str, float] = {}
    for seconds in SECONDS:
        for batch in BATCHES:
            if time.monotonic() > ends_s:
                return figures
            windows = [window(np.roll(source, 4000 * n)[: seconds * SPEECH_RATE_HZ]) for n in range(batch)]
            decoder.decode(windows)
            took = [_ms(decoder, windows) for _ in range(REPEATS)]
            figures[f"{seconds} s x {batch}"] = round(statistics.median(took), 1)
    return figures


def _ms(decoder: WhisperDecoder, windows: Sequence[Decode]) -> float:
    started = time.perf_counter()
    decoder.decode(windows)
    return 1000 * (time.perf_counter() - started)


async def recognize(recognizer: IncrementalRecognizer, pcm: NDArray[np.int16]) -> str:
    async with aclosing(recognizer.connect().open(RecognitionOptions(language="en"))) as stream:
        for start in range(0, len(pcm), 512):
            stream.push(pcm[start : start + 512])
            await asyncio.sleep(0)
        stream.finish()
        *_, final = [transcript async for transcript in stream]
    return final.text


async def time_sessions(recognizer: IncrementalRecognizer, ends_s: float) -> dict[str, Any]:
    """Return the seconds of speech recognised in a second while many sessions speak, and the texts that differ."""
    pcm = speech()[0]
    expected = await recognize(recognizer, pcm)
    figures: dict[str, Any] = {}
    for sessions in SESSIONS:
        if time.monotonic() > ends_s:
            break
        started = time.perf_counter()
        heard = await asyncio.gather(*(recognize(recognizer, pcm) for _ in range(sessions)))
        took_s = time.perf_counter() - started
        rate = sessions * len(pcm) / SPEECH_RATE_HZ / took_s
        figures[f"{sessions} sessions"] = {
            "speech_s_per_s": round(rate, 1),
            "differ": sum(t != expected for t in heard),
        }
    return figures


def run_suite() -> None:
    """Run the conformance suite on the models, and print how it ended."""
    suite = [sys.executable, "-m", "pytest", "-q", "tests/engines/test_recognizers.py", "-k", " or ".join(MODELS)]
    try:
        subprocess.run(suite, cwd=Path(__file__).parents[1], timeout=SUITE_S, check=False)
    except subprocess.TimeoutExpired:
        print(f"the conformance suite did not end within {SUITE_S} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cuda")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S)
    parser.add_argument("--no-suite", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ends_s = time.monotonic() + options.limit_s
    if not options.no_suite:
        run_suite()
    catalogue, store, report = load_catalogue(), ModelStore(), {**machine()}
    for name in MODELS:
        located = store.locate(catalogue[name])
        files = ModelFiles(located)
        figures: dict[str, Any] = {"texts": compare_texts(files, options.device)}
        figures["ms_per_call"] = time_batches(files, options.device, ends_s)
        scheduler = Scheduler(2)
        entry = replace(catalogue[name], options={"device": options.device, "batch": 32})
        recognizer = load(entry, LoadContext(scheduler, located))
        figures["sessions"] = asyncio.run(time_sessions(recognizer, ends_s))
        scheduler.close()
        report[name] = figures
        print(name, json.dumps(figures, indent=2), flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
