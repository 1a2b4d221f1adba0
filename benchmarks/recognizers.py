"""Compares recognisers: word errors, CPU time, and the delay of the final transcript after the end of a turn.

    .venv/bin/python benchmarks/recognizers.py ../shared/speech/manifest.jsonl [--models two-speed] [--json out.json]

Runs the installed recognisers of the catalogue, by default all. Each recording is one turn: it is pushed frame by frame
with voice activity of the `silero` model, up to its last speech and the silence that ends a turn. Time is virtual: a
frame takes 32 ms, a decode its real CPU time, on `--threads` threads without other work. So the run is fast and does
not disturb itself; `voice_to_voice.py` shows contention. `--sessions` users speak at the same time, each one recording
after the other.
"""

import argparse
import asyncio
import heapq
import itertools
import json
import selectors
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from live import machine
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.core.answers.speculation import same_words
from streamsrv.engines.asr.base import RecognitionOptions, Recognizer, Transcript
from streamsrv.engines.asr.two_speed import TwoSpeedRecognizer
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.vad.base import FRAME_MS, VAD_FRAME_SAMPLES
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.testing.word_errors import WordErrors, count_word_errors

SPEECH = 0.5
STAGGER_S = 0.37
"""Seconds from the start of one speaker to the start of the next."""
SETS = {"command": 99, "telephone": 99, "conversational": 99, "read": 14}
"""Kinds of recordings, and the most recordings of each kind, spread over the manifest."""

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that skips waiting times."""

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__(Skipping(self))

    def time(self) -> float:
        return self.now_s


class Skipping(selectors.SelectSelector):
    """A selector that advances the loop's clock instead of waiting."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("deadlock: every task waits, and no timer is set")
        self._loop.now_s += max(timeout, 0)
        return super().select(0)


class VirtualScheduler(Scheduler):
    """Runs each call at once and advances the virtual clock by its CPU time, as if on one of `threads` free cores."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads=0)
        self.cpu_s = 0.0
        self._free = threads
        self._waiting: list[tuple[Priority, int, float, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def queue_age_s(self) -> float:
        since = [since for _, _, since, turn in self._waiting if not turn.done()]
        return asyncio.get_running_loop().time() - min(since) if since else 0.0

    async def run(
        self,
        priority: Priority,
        call: Callable[[], Result],
        *,
        deadline_s: float | None = None,
        key: Hashable = None,
    ) -> Result:
        if not self._free:
            loop = asyncio.get_running_loop()
            turn: asyncio.Future[None] = loop.create_future()
            heapq.heappush(self._waiting, (priority, next(self._order), loop.time(), turn))
            await turn
        self._free -= 1
        running = asyncio.ensure_future(self._work(call))
        self._running.add(running)
        return await asyncio.shield(running)

    async def _work(self, call: Callable[[], Result]) -> Result:
        started = time.process_time()
        result = call()
        took_s = time.process_time() - started
        self.cpu_s += took_s
        await asyncio.sleep(took_s)
        self._running.discard(asyncio.current_task())  # type: ignore[arg-type]
        self._free += 1
        while self._waiting:
            _, _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                break
        return result


@dataclass(frozen=True)
class Recording:
    """A turn: frames of 512 samples at 16 kHz, and whether each is speech; the last frame is."""

    kind: str
    text: str
    frames: NDArray[np.int16]
    speech: NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """The result of one recogniser for one turn."""

    kind: str
    errors: WordErrors
    first_ms: float | None
    """Time from the first speech to the first text."""
    final_ms: float
    """Time from the end of the turn to its final transcript."""
    guessed: bool
    """Whether the words in the last pause equal those of the final transcript."""


async def recognize(recognizer: Recognizer, recording: Recording, silence_ms: int) -> Outcome:
    loop = asyncio.get_running_loop()
    started = loop.time()
    heard: list[tuple[float, Transcript]] = []

    async def read() -> None:
        async for transcript in stream:
            heard.append((loop.time(), transcript))

    async with aclosing(recognizer.connect().open(RecognitionOptions(language="en"))) as stream:
        reading = asyncio.ensure_future(read())
        silence = np.zeros((silence_ms // FRAME_MS, VAD_FRAME_SAMPLES), np.int16)
        speech = np.append(recording.speech, np.zeros(len(silence), bool))
        for number, (frame, is_speech) in enumerate(zip([*recording.frames, *silence], speech, strict=True), start=1):
            await asyncio.sleep(started + number * FRAME_MS / 1000 - loop.time())
            stream.push(frame, speech=bool(is_speech))
        ended = loop.time()
        stream.finish()
        await reading
    final_at, final = heard[-1]
    first = next((at for at, transcript in heard if transcript.text), None)
    spoke = started + int(recording.speech.argmax()) * FRAME_MS / 1000
    guesses = [transcript.text for _, transcript in heard if transcript.at_pause and not transcript.is_final]
    return Outcome(
        recording.kind,
        count_word_errors(recording.text, final.text),
        None if first is None else (first - spoke) * 1000,
        (final_at - ended) * 1000,
        bool(guesses) and same_words(guesses[-1], final.text),
    )


async def compare(
    recognizer: Recognizer, recordings: list[Recording], scheduler: VirtualScheduler, silence_ms: int, sessions: int
) -> dict[str, Any]:
    await recognizer.warm_up()
    cpu_s, waiting, outcomes = scheduler.cpu_s, iter(recordings), list[Outcome]()

    async def speak(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        for recording in waiting:
            outcomes.append(await recognize(recognizer, recording, silence_ms))

    async with asyncio.TaskGroup() as speakers:
        for number in range(sessions):
            speakers.create_task(speak(number * STAGGER_S))
    audio_s = sum(len(recording.frames) for recording in recordings) * FRAME_MS / 1000
    finals = sorted(outcome.final_ms for outcome in outcomes)
    firsts = [outcome.first_ms for outcome in outcomes if outcome.first_ms is not None]
    figures: dict[str, Any] = {
        f"wer_{kind}": word_error_rate(outcome for outcome in outcomes if outcome.kind == kind) for kind in SETS
    }
    figures |= {
        "wer": word_error_rate(outcomes),
        "cpu_s_per_audio_s": round((scheduler.cpu_s - cpu_s) / audio_s, 3),
        "first_text_ms": round(float(np.median(firsts))),
        "final_p50_ms": round(float(np.median(finals))),
        "final_p95_ms": round(float(np.percentile(finals, 95))),
        "guessed": round(sum(outcome.guessed for outcome in outcomes) / len(outcomes), 3),
    }
    if isinstance(recognizer, TwoSpeedRecognizer):
        figures["accurate_finals"] = round(recognizer.finals["accurate"] / recognizer.finals.total(), 3)
    return figures


def word_error_rate(outcomes: Iterable[Outcome]) -> float:
    return round(WordErrors.total(outcome.errors for outcome in outcomes).rate, 4)


def read_recordings(manifest: Path, loader: EngineLoader) -> list[Recording]:
    """Return English recordings that contain speech and have a reference text."""
    entries = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    vad = loader.load(loader.catalogue["silero"])
    recordings: list[Recording] = []
    for kind, limit in SETS.items():
        scored = [
            entry
            for entry in entries
            if (entry["language"], entry["kind"], entry.get("text_quality")) == ("en", kind, "reference")
            if entry.get("score_wer", True) and entry["text"]
        ]
        for entry in scored[:: max(1, len(scored) // limit)][:limit]:
            pcm = read_audio(manifest.parent / entry["audio"], SPEECH_RATE_HZ)
            frames = np.pad(pcm, (0, -len(pcm) % VAD_FRAME_SAMPLES)).reshape(-1, VAD_FRAME_SAMPLES)
            speech = np.array(vad.open().probabilities(frames)) >= SPEECH
            if speech.any():
                end = int(np.flatnonzero(speech)[-1]) + 1
                recordings.append(Recording(kind, entry["text"], frames[:end], speech[:end]))
    return recordings


def print_table(results: dict[str, dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for figures in results.values() for name in figures))
    print(" " * 20, *(f"{model:>18}" for model in results))
    for name in names:
        print(f"{name:<20}", *(f"{figures.get(name, ''):>18}" for figures in results.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--models", nargs="+", help="recognisers of the catalogue; by default all that are ready")
    parser.add_argument("--silence-ms", type=int, default=300, help="the silence that ends a turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    scheduler = VirtualScheduler(options.threads)
    loader = EngineLoader(load_catalogue(), ModelStore(), scheduler, print)
    entries = loader.catalogue.entries("recognizer")
    if options.models:
        entries = [loader.catalogue.find(name, "recognizer") for name in options.models]
    recordings = read_recordings(options.manifest, loader)
    audio_s = sum(len(recording.frames) for recording in recordings) * FRAME_MS // 1000
    print(f"{len(recordings)} recordings, {audio_s} s; a turn ends after {options.silence_ms} ms of silence")
    results: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if lacking := loader.needs(entry):
            print(f"{entry.name} left out: {', '.join(map(str, lacking))}")
            continue
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            recognizer = loader.load(entry)
            if isinstance(recognizer, TwoSpeedRecognizer):
                recognizer.clock = runner.get_loop().time
            results[entry.name] = runner.run(
                compare(recognizer, recordings, scheduler, options.silence_ms, options.sessions)
            )
    print_table(results)
    if options.json:
        settings = {name: getattr(options, name) for name in ("silence_ms", "threads", "sessions")}
        report = {**settings, "audio_s": audio_s, "results": results, **machine()}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
