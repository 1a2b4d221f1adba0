"""Compares voices: delay of the first sound, CPU time, sessions on a core, gaps, cancelling, memory, and what is heard.

    .venv/bin/python benchmarks/voices.py [VOICE ...] [--whisper whisper-base] [--json out.json] [--write docs]

Runs the synthesisers of the catalogue that can run here and cost nothing, each in a process of its own, and speaks the
sentences of `voices_sentences.tsv`, which also says how each is read out. What a Whisper model hears is compared with
that: words, and the times that are estimated for them or told by the voice, corrected by how early the model places
words of known places.
The sessions on a core are counted in CPU time (`voices_playback.py`), so they hardly depend on what else runs; the
delays need a quiet machine.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apart import measure_apart, peak_bytes
from live import machine
from process import Process
from streamsrv.core.answers.spoken_segments import SpokenSegment, SpokenSegmenter
from streamsrv.core.playback.word_placement import place_words
from streamsrv.engines.asr.windows.incremental import IncrementalRecognizer
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.model_entry import ModelEntry
from streamsrv.engines.tts.base import SpeechOptions, SpokenWord, Synthesizer
from streamsrv.engines.tts.shaping.synthesizer import ShapedSynthesizer
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.text.word_timing import estimate_words
from virtual_time import MeasuredScheduler
from voices_hearing import earliness_ms, errors, hear, time_errors_ms
from voices_playback import children_cpu_s, most_sessions
from voices_report import print_table, write_report

SENTENCES = Path(__file__).with_name("voices_sentences.tsv")
REPEATS = 3
LANGUAGE = "en"


def read_sentences(limit: int | None) -> list[tuple[str, str]]:
    """Return texts, each with how it is read out."""
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    return [(text, reading) for text, _, reading in (line.partition("\t") for line in lines[:limit])]


def segments_of(text: str) -> list[SpokenSegment]:
    """Return the segments in which a session speaks a text."""
    segmenter = SpokenSegmenter(LANGUAGE)
    return [*segmenter.feed(text), *segmenter.finish()]


def percentiles(values: Sequence[float]) -> dict[str, float]:
    return {f"p{share}": round(float(np.percentile(values, share)), 1) for share in (50, 95)} if values else {}


class Measurement:
    """Measures one synthesiser, in the process of its own."""

    def __init__(self, entry: ModelEntry, options: argparse.Namespace) -> None:
        self.options = options
        self.entry = entry
        self.sentences = read_sentences(options.limit)
        self.scheduler = Scheduler(1)
        before = peak_bytes()
        self.synthesizer = self.load(self.scheduler)
        self._memory: Callable[[], int] = lambda: peak_bytes() - before

    def load(self, scheduler: Scheduler) -> Synthesizer:
        """Load the synthesiser, in the wrapper that a server puts around it."""
        engine = EngineLoader(load_catalogue(), ModelStore(), scheduler, lambda _: None).load(self.entry)
        return ShapedSynthesizer(engine)

    async def measure(self) -> dict[str, Any]:
        await self.synthesizer.warm_up()
        figures: dict[str, Any] = {"voice": self.synthesizer.voices[0].name}
        figures |= await self._delays()
        figures["cancel_ms"] = percentiles([await self._cancel_ms() for _ in range(10)])
        figures["memory_mb"] = round(self._memory() / 1e6 + self._processes_mb())
        figures |= await self._heard()
        await self.synthesizer.aclose()
        return figures

    async def _delays(self) -> dict[str, Any]:
        """Speak the first segment of each sentence, from its written text to its first audio."""
        wall_ms: list[float] = []
        cpu_ms: list[float] = []
        for text, _ in self.sentences:
            first = segments_of(text)[0].text
            taken: list[tuple[float, float]] = []
            for _ in range(REPEATS):
                started, cpu_s = time.perf_counter(), self._cpu_s()
                spoken = segments_of(first)[0].spoken
                async with aclosing(self.synthesizer.stream(spoken, SpeechOptions(language=LANGUAGE))) as chunks:
                    await anext(chunks)
                    taken.append((1000 * (time.perf_counter() - started), 1000 * (self._cpu_s() - cpu_s)))
                await self.scheduler.run(Priority.PARTIAL, lambda: None)
            wall_ms.append(statistics.median(wall for wall, _ in taken))
            cpu_ms.append(statistics.median(cpu for _, cpu in taken))
        return {"first_audio_ms": percentiles(wall_ms), "first_audio_cpu_ms": percentiles(cpu_ms)}

    async def _cancel_ms(self) -> float:
        """Return how long after a cancel the worker thread is free for something else."""
        text = " ".join(reading for _, reading in self.sentences[:4])
        stream = self.synthesizer.stream(text, SpeechOptions(language=LANGUAGE))
        await anext(stream)
        started = time.perf_counter()
        await stream.aclose()
        await self.scheduler.run(Priority.PARTIAL, lambda: None)
        return 1000 * (time.perf_counter() - started)

    async def _heard(self) -> dict[str, Any]:
        recognizer = self._whisper()
        early_ms = await earliness_ms(recognizer, self.synthesizer, LANGUAGE)
        wrong = words = 0
        spoken_s = cpu_s = 0.0
        misheard: list[dict[str, Any]] = []
        late_ms: dict[str, list[float]] = {"estimated": [], "told": []}
        for text, reading in self.sentences:
            before = self._cpu_s()
            pcm, times = await self._speak(text)
            cpu_s += self._cpu_s() - before
            spoken_s += pcm.size / self.synthesizer.sample_rate
            heard = await hear(recognizer, pcm, self.synthesizer.sample_rate, LANGUAGE)
            found, count = errors(reading, heard.text)
            wrong, words = wrong + found, words + count
            if found:
                misheard.append({"reading": reading, "heard": heard.text, "errors": found})
            for source, found_ms in late_ms.items():
                found_ms += [late - early_ms for late in time_errors_ms(times[source], heard.words)]
        return {
            "wer": round(wrong / words, 4),
            "words": words,
            "cpu_s_per_audio_s": round(cpu_s / spoken_s, 4),
            "word_error_ms": {source: percentiles(list(map(abs, each))) for source, each in late_ms.items() if each},
            "word_late_ms": {source: round(statistics.median(each)) for source, each in late_ms.items() if each},
            "whisper_early_ms": round(early_ms),
            "misheard": misheard,
        }

    async def _speak(self, text: str) -> tuple[NDArray[np.int16], dict[str, list[SpokenWord]]]:
        """Speak a sentence as a session does; return its audio, and the times of its words, estimated and told."""
        parts = [np.empty(0, np.int16)]
        times: dict[str, list[SpokenWord]] = {"estimated": [], "told": []}
        for segment in segments_of(text):
            begins_ms = 1000 * sum(part.size for part in parts) // self.synthesizer.sample_rate
            stream = self.synthesizer.stream(segment.spoken, SpeechOptions(language=LANGUAGE))
            async with aclosing(stream) as chunks:
                spoken = [chunk async for chunk in chunks]
            parts += [chunk.pcm for chunk in spoken]
            duration_ms = 1000 * sum(chunk.pcm.size for chunk in spoken) // self.synthesizer.sample_rate
            times["estimated"] += estimate_words(segment.speech, duration_ms, begins_ms)
            told = place_words(segment.speech, [word for chunk in spoken for word in chunk.words])
            times["told"] += [SpokenWord(w.text, begins_ms + w.start_ms, begins_ms + w.end_ms) for w in told]
        return np.concatenate(parts), times

    def _whisper(self) -> IncrementalRecognizer:
        loader = EngineLoader(load_catalogue(), ModelStore(), Scheduler(1), lambda _: None)
        return loader.load(loader.catalogue.find(self.options.whisper, "recognizer"))

    def _pids(self) -> Sequence[int]:
        return getattr(getattr(self.synthesizer, "synthesizer", None), "pids", ())

    def _cpu_s(self) -> float:
        """CPU time of this process, of commands that it ran, and of the engine's own processes."""
        return time.process_time() + children_cpu_s() + sum(Process(pid).cpu_s for pid in self._pids())

    def _processes_mb(self) -> float:
        return sum(Process(pid).rss_mb for pid in self._pids())


def measure_sessions(measurement: Measurement) -> dict[str, float]:
    """Return how many sessions one core speaks to; nothing for engines that do not compute in this process."""
    text = " ".join(text for text, _ in measurement.sentences[:6])
    scheduler = MeasuredScheduler()
    return most_sessions(lambda: measurement.load(scheduler), scheduler, text, LANGUAGE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", nargs="*", help="synthesisers of the catalogue; by default all that can run here")
    parser.add_argument("--whisper", default="whisper-base", help="the recogniser that listens")
    parser.add_argument("--limit", type=int, help="how many of the sentences are spoken")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the table and the picture of the documents")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    catalogue = load_catalogue()
    if options.only:
        measurement = Measurement(catalogue.find(options.only, "synthesizer"), options)
        figures = asyncio.run(measurement.measure())
        print(json.dumps(figures | measure_sessions(measurement)))
        return
    loader = EngineLoader(catalogue, ModelStore(), Scheduler(0), lambda _: None)
    entries = [catalogue.find(name, "synthesizer") for name in options.voices] or catalogue.entries("synthesizer")
    results: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry.key_variable or (entry.languages and LANGUAGE not in entry.languages):
            continue
        if lacking := loader.needs(entry):
            print(f"{entry.name} left out: {', '.join(map(str, lacking))}", file=sys.stderr)
            continue
        print(f"measuring {entry.name} ...", file=sys.stderr)
        results[entry.name] = measure_apart(entry.name, __file__, sys.argv[1:])
    report = {
        "whisper": options.whisper,
        "sentences": len(read_sentences(options.limit)),
        **machine(),
        "results": results,
    }
    print_table(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.write:
        write_report(report, options.write)


if __name__ == "__main__":
    main()
