"""How XTTS's serving loop speaks on a GPU: first audio, steps, and segments at once. Needs the extra `xtts`.

    python benchmarks/voices_gpu.py -o xtts.json            # at most 8 minutes on one GPU
    python benchmarks/voices_gpu.py --tiny -o xtts.json     # a tiny model, to try the script on a CPU

The model has the classes and the size of the published one, and random weights: that is as fast, and says nothing about
quality. A segment has the tokens that its text would have at 15 characters a second. Live segments are played in real
time: each listener gets the next segment when two seconds of the last one are left.
"""

import argparse
import contextlib
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "engines"))

import numpy as np
from tiny_xtts import PUBLISHED, TINY, files_of, make_random_xtts, narrow_vocoder, options

from streamsrv.engines.tts.process.messages import Ended, Speak, Spoken

TEXT = "The quick brown fox jumps over the lazy dog near the river bank, and then it rests in the shade of a tree. " * 2
RATE = 24_000
TOKEN_S = 1024 / 22_050
LEFT_S = 2.0
"""Seconds of a segment that are left when a listener gets the next one."""


@dataclass(slots=True)
class Listener:
    """Plays what comes of a stream from its first sample on."""

    started_s: float = 0.0
    heard_s: float = 0.0
    is_speaking: bool = False
    underruns: int = 0

    def take(self, samples: int, now_s: float) -> None:
        if not self.started_s:
            self.started_s = now_s
        elif now_s > self.started_s + self.heard_s:
            self.underruns += 1
            self.started_s = now_s - self.heard_s
        self.heard_s += samples / RATE

    def left_s(self, now_s: float) -> float:
        return self.started_s + self.heard_s - now_s


class Bench:
    """A loaded loop whose segments have `tokens` tokens each."""

    def __init__(self, folder: Path, tokens: int, **given: Any) -> None:
        loops = import_module("streamsrv.engines.tts.xtts_model.loop")
        loading = import_module("streamsrv.engines.tts.xtts_model.loading")
        chosen = options(**given)
        started = time.perf_counter()
        self.model = loading.load_model(files_of(folder), chosen)
        loaded = time.perf_counter()
        self.loop = loops.XttsLoop(self.model, chosen)
        self.times = {"load_s": round(loaded - started, 1), "warm_up_s": round(time.perf_counter() - loaded, 1)}
        self.loop._gpt.stop_token, self.loop._gpt.max_tokens = -1, tokens
        self._number = 0

    def begin(self) -> int:
        self._number += 1
        self.loop.begin(Speak(self._number, TEXT, "", "en", 1.0))
        return self._number

    def clear(self) -> None:
        for number in list(self.loop._segments):
            self.loop.cancel(number)

    def first_audio_ms(self) -> float:
        """The time from a text to the first samples, alone."""
        started = time.perf_counter()
        number = self.begin()
        while not any(isinstance(told, Spoken) for told in self.loop.step()):
            pass
        taken = (time.perf_counter() - started) * 1000
        self.loop.cancel(number)
        return taken

    def step_ms(self, streams: int, steps: int) -> float:
        """The median time of a step of the GPT alone."""
        torch = import_module("torch")
        for _ in range(streams):
            self.begin()
        while any(segment.tokens == 0 for segment in self.loop._segments.values()):
            self.loop.step()
        times: list[float] = []
        with torch.inference_mode():
            for _ in range(steps):
                started = time.perf_counter()
                self.loop._gpt.step()
                times.append((time.perf_counter() - started) * 1000)
        self.clear()
        return round(statistics.median(times), 2)

    def live(self, streams: int, seconds: float) -> dict[str, Any]:
        """Keep so many listeners supplied, and let one more come every half second for its first audio."""
        listeners: dict[int, Listener] = {}
        audience = [Listener() for _ in range(streams)]
        begin = time.perf_counter()
        came: list[float] = []
        newcomer, asked, next_newcomer = 0, 0.0, begin + 0.3 * seconds
        busy = produced = 0.0
        while (now := time.perf_counter()) < begin + seconds:
            arrived = int(streams * min(1.0, (now - begin) / (0.2 * seconds)))  # they do not all begin at once
            for listener in audience[:arrived]:
                if not listener.is_speaking and (not listener.started_s or listener.left_s(now) < LEFT_S):
                    listener.is_speaking = True
                    listeners[self.begin()] = listener
            if not newcomer and now > next_newcomer:
                newcomer, asked = self.begin(), time.perf_counter()
            started = time.perf_counter()
            for told in self.loop.step():
                now = time.perf_counter()
                if isinstance(told, Spoken) and told.stream == newcomer:
                    came.append((now - asked) * 1000)
                    self.loop.cancel(newcomer)
                    newcomer, next_newcomer = 0, now + 0.5
                elif isinstance(told, Spoken) and told.stream in listeners:
                    listeners[told.stream].take(len(told.pcm) // 2, now)
                    produced += len(told.pcm) / 2 / RATE
                elif isinstance(told, Ended) and told.stream in listeners:
                    listeners.pop(told.stream).is_speaking = False
            busy += time.perf_counter() - started
        self.clear()
        return {
            "streams": streams,
            "underruns": sum(listener.underruns for listener in audience),
            "times_real_time": round(produced / seconds, 1),
            "busy": round(busy / seconds, 2),
            "first_audio_ms": summary(came),
        }

    def agreement(self) -> dict[str, Any]:
        """How far the audio of a segment is from that of the model's own vocoder, on this device."""
        torch = import_module("torch")
        number = self.begin()
        segment = self.loop._segments[number]
        audio: list[Any] = []
        while number in self.loop._segments:
            audio += [told.pcm for told in self.loop.step() if isinstance(told, Spoken)]
        heard = np.frombuffer(b"".join(audio), np.int16) / 32768
        with torch.inference_mode():
            latents = self.loop._gpt.latents[segment.slot : segment.slot + 1, : segment.tokens].float()
            whole = self.model.hifigan_decoder(latents, g=segment.speaker.embedding[None])[0, 0].cpu().numpy()
        return {"samples": [len(heard), len(whole)], "max_difference": float(np.abs(heard - whole).max())}


def summary(times: list[float]) -> dict[str, float]:
    """Median, 95th percentile and worst."""
    if not times:
        return {}
    ordered = sorted(times)
    return {
        "n": len(ordered),
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "worst": round(ordered[-1], 1),
    }


class Report:
    """Prints each result and writes all of them, until the time is over."""

    def __init__(self, path: Path, minutes: float) -> None:
        self._path, self._until = path, time.perf_counter() + 60 * minutes
        self._results: dict[str, Any] = {}

    def add(self, name: str, measure: Callable[[], Any], needs_s: float = 0) -> None:
        """Measure if there is time for it; a failure is a result, too."""
        if time.perf_counter() + needs_s > self._until:
            self._results[name] = "no time was left"
        else:
            try:
                self._results[name] = measure()
            except Exception as error:
                self._results[name] = f"{type(error).__name__}: {error}"
        print(f"{name}: {self._results[name]}", flush=True)
        self._path.write_text(json.dumps(self._results, indent=1))


@contextlib.contextmanager
def made(tiny: bool) -> Iterator[Path]:
    """A folder with a model of random weights."""
    with narrow_vocoder() if tiny else contextlib.nullcontext(), tempfile.TemporaryDirectory() as folder:
        yield make_random_xtts(Path(folder), TINY if tiny else PUBLISHED)


def measure(report: Report, folder: Path, *, tiny: bool, compute_type: str) -> None:
    """Load the model with one kind of numbers, and measure it."""
    tokens = 80 if tiny else round(len(TEXT) / 15 / TOKEN_S)
    counts = (1, 2, 4) if tiny else (1, 8, 32, 64, 100, 128)
    device = "cpu" if tiny else "auto"
    held: list[Bench] = []

    def load() -> Any:
        held.append(Bench(folder, tokens, device=device, compute_type=compute_type, streams=counts[-1] + 1))
        return held[0].times

    report.add(f"{compute_type}: load", load, 60)
    for bench in held:
        measure_loaded(report, bench, compute_type, counts, seconds=2.0 if tiny else 12.0)


def measure_loaded(report: Report, bench: Bench, label: str, counts: Sequence[int], seconds: float) -> None:
    """Measure a loaded model; `counts`: how many streams at once."""
    torch = import_module("torch")
    report.add(f"{label}: audio against the class", bench.agreement)
    report.add(f"{label}: first audio alone, ms", lambda: summary([bench.first_audio_ms() for _ in range(20)]))
    for count in counts:
        report.add(f"{label}: step of {count} streams, ms", lambda count=count: bench.step_ms(count, 30))
    for count in counts[-3:]:
        report.add(f"{label}: {count} live", lambda count=count: bench.live(count, seconds), seconds)
    if torch.cuda.is_available():
        report.add(f"{label}: peak GB", lambda: round(torch.cuda.max_memory_allocated() / 1e9, 2))


def free_memory() -> None:
    """Give back what the last model held."""
    torch = import_module("torch")
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--minutes", type=float, default=8.0, help="longest time")
    parser.add_argument("--tiny", action="store_true", help="a tiny model on the CPU")
    given = parser.parse_args()
    torch = import_module("torch")
    report = Report(given.output, given.minutes)
    report.add("device", lambda: torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU")
    report.add("torch", lambda: torch.__version__)
    with made(given.tiny) as folder:
        for compute_type in ("float32", "float16"):
            measure(report, folder, tiny=given.tiny, compute_type=compute_type)
            free_memory()


if __name__ == "__main__":
    main()
