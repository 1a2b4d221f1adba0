"""What streaming costs in accuracy and work: word error rates of streaming and offline recognition by one model.

    python benchmarks/streaming_wer.py path/to/manifest.jsonl --limit 40 --json result.json

The manifest has one JSON object a line: `audio` (a path beside the manifest), `text`, `language`, and, where given,
`text_quality` (only `reference` is scored) and `score_wer`. Audio is pushed frame by frame with voice activity by the
`silero` model. Time is the audio's: a decode takes none of it, so results do not depend on the machine; CPU seconds do.
Offline is one decode of the whole recording, so recordings longer than the model's window are left out.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamsrv.asr.base import SAMPLE_RATE, RecognitionOptions
from streamsrv.asr.incremental import IncrementalRecognizer
from streamsrv.asr.word_errors import WordErrors, count_word_errors
from streamsrv.audio.files import read_audio
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.providers.catalogue import load_catalogue
from streamsrv.providers.loading import LoadContext, load_engine
from streamsrv.providers.weights import ModelStore
from streamsrv.vad.base import FRAME_MS, FRAME_SAMPLES, Vad

SPEECH = 0.5
TURN_SILENCE_MS = 500
"""Silence after the recording before the stream is finished, as a server's end-of-turn rule waits for it."""

Result = TypeVar("Result")


class MeasuredScheduler(Scheduler):
    """Runs each call at once in the event loop's thread; counts calls and their CPU seconds."""

    def __init__(self) -> None:
        super().__init__(threads=0)
        self.calls = 0
        self.cpu_s = 0.0

    async def run(self, priority: Priority, call: Callable[[], Result]) -> Result:
        del priority
        self.calls += 1
        started = time.thread_time()
        try:
            return call()
        finally:
            self.cpu_s += time.thread_time() - started


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way of recognising one recording."""

    errors: WordErrors
    decodes: int
    cpu_s: float
    finished_at_once: bool = False
    """The final transcript needed no decode after the end of the turn."""


@dataclass(frozen=True, slots=True)
class Recording:
    audio: NDArray[np.int16]
    text: str


class Bench:
    """One recogniser and one voice-activity detector."""

    def __init__(self, model: str) -> None:
        self.scheduler = MeasuredScheduler()
        self.recognizer: IncrementalRecognizer = self._load(model)
        self._vad: Vad = self._load("silero")

    def _load(self, name: str) -> Any:
        entry = load_catalogue()[name]
        return load_engine(entry, LoadContext(self.scheduler, ModelStore().locate(entry)))

    async def offline(self, recording: Recording) -> Outcome:
        calls, cpu_s = self.scheduler.calls, self.scheduler.cpu_s
        call = self.recognizer.decode_call(recording.audio, RecognitionOptions())
        text = (await self.recognizer.run(Priority.FINAL, call)).text
        errors = count_word_errors(recording.text, text)
        return Outcome(errors, self.scheduler.calls - calls, self.scheduler.cpu_s - cpu_s)

    async def streaming(self, recording: Recording) -> Outcome:
        calls, cpu_s = self.scheduler.calls, self.scheduler.cpu_s
        silence = np.zeros(
            TURN_SILENCE_MS // FRAME_MS * FRAME_SAMPLES + -len(recording.audio) % FRAME_SAMPLES, np.int16
        )
        frames = np.concatenate([recording.audio, silence]).reshape(-1, FRAME_SAMPLES)
        async with aclosing(self.recognizer.open(RecognitionOptions())) as stream:
            for frame, probability in zip(frames, self._vad.open().probabilities(frames), strict=True):
                stream.push(frame, speech=probability >= SPEECH)
                for _ in range(3):  # the stream's task wakes, decodes what is due, and waits again
                    await asyncio.sleep(0)
            before_finish = self.scheduler.calls
            stream.finish()
            *_, final = [transcript async for transcript in stream]
        errors = count_word_errors(recording.text, final.text)
        decodes = self.scheduler.calls - calls
        return Outcome(errors, decodes, self.scheduler.cpu_s - cpu_s, self.scheduler.calls == before_finish)


def read_manifest(path: Path, limit: int | None) -> Iterator[Recording]:
    """The English recordings that can be scored; with `limit`, as many, spread evenly over the manifest."""
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    scored = [
        entry
        for entry in entries
        if entry["language"] == "en" and entry.get("text_quality", "reference") == "reference"
        if entry.get("score_wer", True) and entry["text"]
    ]
    for entry in scored[:: max(1, len(scored) // limit) if limit else 1][:limit]:
        yield Recording(read_audio(path.parent / entry["audio"], SAMPLE_RATE), entry["text"])


def summarize(outcomes: list[Outcome], audio_s: float) -> dict[str, float]:
    """Figures of one way of recognising all recordings."""
    errors = WordErrors.total(outcome.errors for outcome in outcomes)
    return {
        "wer": round(errors.rate, 4),
        "words": errors.words,
        "decodes_per_audio_s": round(sum(outcome.decodes for outcome in outcomes) / audio_s, 3),
        "cpu_s_per_audio_s": round(sum(outcome.cpu_s for outcome in outcomes) / audio_s, 4),
    }


async def measure(model: str, recordings: Iterator[Recording]) -> dict[str, Any]:
    bench = Bench(model)
    longest = bench.recognizer.max_window_ms * SAMPLE_RATE // 1000
    chosen = [recording for recording in recordings if len(recording.audio) <= longest]
    if not chosen:
        raise SystemExit("The manifest has no English recording that can be scored.")
    offline = [await bench.offline(recording) for recording in chosen]
    streaming = [await bench.streaming(recording) for recording in chosen]
    audio_s = sum(len(recording.audio) for recording in chosen) / SAMPLE_RATE
    figures = {"streaming": summarize(streaming, audio_s), "offline": summarize(offline, audio_s)}
    return {
        "model": model,
        "recordings": len(chosen),
        "audio_s": round(audio_s),
        "wer_ratio": round(figures["streaming"]["wer"] / (figures["offline"]["wer"] or 1), 3),
        "finished_at_once": round(sum(outcome.finished_at_once for outcome in streaming) / len(chosen), 3),
        **figures,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Word error rate of streaming against offline recognition.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", default="moonshine-tiny", help="a recogniser that decodes windows")
    parser.add_argument("--limit", type=int, help="use so many recordings")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    if not arguments.manifest.exists():
        sys.exit(f"Skipped: there is no manifest {arguments.manifest}.")
    result = asyncio.run(measure(arguments.model, read_manifest(arguments.manifest, arguments.limit)))
    print(f"{result['model']}: {result['recordings']} recordings, {result['audio_s']} s of audio")
    print(f"{'':<22}{'streaming':>12}{'offline':>12}")
    for figure in result["streaming"]:
        print(f"{figure:<22}{result['streaming'][figure]:>12}{result['offline'][figure]:>12}")
    print(f"streaming WER / offline WER: {result['wer_ratio']}")
    print(f"final transcripts that needed no decode after the turn: {result['finished_at_once']:.0%}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
