"""Compares one model streaming and offline: word errors, CPU time and delay.

    python benchmarks/streaming_wer.py path/to/manifest.jsonl --limit 40 --json result.json

The manifest has one JSON object a line: `audio` (a path relative to the manifest), `text`, `language`, and optionally
`text_quality` (only `reference` is scored) and `score_wer`. Audio is pushed frame by frame with voice activity of the
`silero` model. Time is that of the audio: a decode takes no time, so only CPU seconds depend on the machine. Offline
is one decode of the whole recording, so recordings longer than the model's window are left out. The delay of a word is
the audio after its (estimated) end until it was in a transcript, plus the CPU time of the decode.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions, RecognitionStream, Transcript, Word
from streamsrv.engines.asr.incremental import Decode, IncrementalRecognizer
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.vad.base import FRAME_MS, VAD_FRAME_SAMPLES, Vad
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.testing.word_errors import WordErrors, count_word_errors
from streamsrv.text.words import split_words

SPEECH = 0.5
TURN_SILENCE_MS = 500
"""Silence after the recording before the stream is finished, as with a server's silence rule."""

Result = TypeVar("Result")


class MeasuredScheduler(Scheduler):
    """Runs each call at once in the event loop's thread; counts calls and their CPU seconds."""

    def __init__(self) -> None:
        super().__init__(threads=0)
        self.calls = 0
        self.cpu_s = 0.0
        self.last_s = 0.0

    async def run(self, priority: Priority, call: Callable[[], Result]) -> Result:
        del priority
        self.calls += 1
        started = time.thread_time()
        try:
            return call()
        finally:
            self.last_s = time.thread_time() - started
            self.cpu_s += self.last_s


@dataclass(frozen=True, slots=True)
class Shown:
    """A shown transcript: its time, its number of words, and the number of stable words."""

    at_ms: float
    words: int
    stable: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one method for one recording."""

    errors: WordErrors
    decodes: int
    cpu_s: float
    finished_at_once: bool = False
    """Whether the final transcript needed no decode after the end of the turn."""
    shown: tuple[Shown, ...] = ()
    words: tuple[Word, ...] = ()
    """Words of the final transcript."""

    def lateness_ms(self, *, stable: bool) -> list[float]:
        """Return the delay of each word, matched by position: its text may have been different at first."""
        late: list[float] = []
        for place, word in enumerate(self.words):
            shown = (at.at_ms for at in self.shown if (at.stable if stable else at.words) > place)
            late += [at_ms - word.end_ms for at_ms in list(shown)[:1]]
        return late


@dataclass(frozen=True, slots=True)
class Recording:
    audio: NDArray[np.int16]
    text: str


class Bench:
    """Runs one recogniser with one voice-activity detector."""

    def __init__(self, model: str) -> None:
        self.scheduler = MeasuredScheduler()
        self.recognizer: IncrementalRecognizer = self._load(model)
        self._vad: Vad = self._load("silero")

    def _load(self, name: str) -> Any:
        entry = load_catalogue()[name]
        return load_engine(entry, LoadContext(self.scheduler, ModelStore().locate(entry)))

    async def offline(self, recording: Recording) -> Outcome:
        calls, cpu_s = self.scheduler.calls, self.scheduler.cpu_s
        window = Decode(recording.audio, RecognitionOptions(), Priority.FINAL)
        text = (await self.recognizer.decode(window)).text
        errors = count_word_errors(recording.text, text)
        return Outcome(errors, self.scheduler.calls - calls, self.scheduler.cpu_s - cpu_s)

    async def streaming(self, recording: Recording) -> Outcome:
        calls, cpu_s = self.scheduler.calls, self.scheduler.cpu_s
        silence = np.zeros(
            TURN_SILENCE_MS // FRAME_MS * VAD_FRAME_SAMPLES + -len(recording.audio) % VAD_FRAME_SAMPLES, np.int16
        )
        frames = np.concatenate([recording.audio, silence]).reshape(-1, VAD_FRAME_SAMPLES)
        shown: list[Shown] = []
        transcripts: list[Transcript] = []
        heard_ms = 0

        async def follow(stream: RecognitionStream) -> None:
            async for transcript in stream:
                words, stable = len(split_words(transcript.text)), len(split_words(transcript.stable))
                shown.append(Shown(heard_ms + 1000 * self.scheduler.last_s, words, stable))
                transcripts.append(transcript)

        async with (
            aclosing(self.recognizer.connect().open(RecognitionOptions())) as stream,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(follow(stream))
            for frame, probability in zip(frames, self._vad.open().probabilities(frames), strict=True):
                stream.push(frame, speech=probability >= SPEECH)
                heard_ms += FRAME_MS
                for _ in range(4):  # the stream's task wakes, decodes what is due, and waits again; we read it
                    await asyncio.sleep(0)
            before_finish = self.scheduler.calls
            stream.finish()
        final = transcripts[-1]
        return Outcome(
            count_word_errors(recording.text, final.text),
            self.scheduler.calls - calls,
            self.scheduler.cpu_s - cpu_s,
            self.scheduler.calls == before_finish,
            tuple(shown),
            final.words,
        )


def read_manifest(path: Path, limit: int | None) -> Iterator[Recording]:
    """Yield the English recordings that can be scored, or `limit` of them, spread evenly over the manifest."""
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    scored = [
        entry
        for entry in entries
        if entry["language"] == "en" and entry.get("text_quality", "reference") == "reference"
        if entry.get("score_wer", True) and entry["text"]
    ]
    for entry in scored[:: max(1, len(scored) // limit) if limit else 1][:limit]:
        yield Recording(read_audio(path.parent / entry["audio"], SPEECH_RATE_HZ), entry["text"])


def summarize(outcomes: list[Outcome], audio_s: float) -> dict[str, float]:
    """Return the figures of one method for all recordings."""
    errors = WordErrors.total(outcome.errors for outcome in outcomes)
    return {
        "wer": round(errors.rate, 4),
        "words": errors.words,
        "decodes_per_audio_s": round(sum(outcome.decodes for outcome in outcomes) / audio_s, 3),
        "cpu_s_per_audio_s": round(sum(outcome.cpu_s for outcome in outcomes) / audio_s, 4),
    }


def summarize_lateness(outcomes: list[Outcome]) -> dict[str, dict[str, int]]:
    """Return percentiles in ms of word delays: first word and all words, when first shown and when stable."""
    found: dict[str, dict[str, int]] = {}
    for name, stable in (("tentative", False), ("stable", True)):
        late = [outcome.lateness_ms(stable=stable) for outcome in outcomes]
        groups = {"first word": [each[0] for each in late if each], "any word": [*chain(*late)]}
        for which, values in groups.items():
            p50, p95 = np.percentile(values, (50, 95))
            found[f"{which}, {name}"] = {"p50_ms": round(p50), "p95_ms": round(p95)}
    return found


async def measure(model: str, recordings: Iterator[Recording]) -> dict[str, Any]:
    bench = Bench(model)
    longest = bench.recognizer.max_window_ms * SPEECH_RATE_HZ // 1000
    chosen = [recording for recording in recordings if len(recording.audio) <= longest]
    if not chosen:
        raise SystemExit("The manifest has no English recording that can be scored.")
    offline = [await bench.offline(recording) for recording in chosen]
    streaming = [await bench.streaming(recording) for recording in chosen]
    audio_s = sum(len(recording.audio) for recording in chosen) / SPEECH_RATE_HZ
    figures = {"streaming": summarize(streaming, audio_s), "offline": summarize(offline, audio_s)}
    return {
        "model": model,
        "recordings": len(chosen),
        "audio_s": round(audio_s),
        "wer_ratio": round(figures["streaming"]["wer"] / (figures["offline"]["wer"] or 1), 3),
        "finished_at_once": round(sum(outcome.finished_at_once for outcome in streaming) / len(chosen), 3),
        "late": summarize_lateness(streaming),
        **figures,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Word error rate of streaming against offline recognition.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", default="moonshine-tiny", help="a recogniser that decodes windows")
    parser.add_argument("--limit", type=int, help="number of recordings")
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
    for name, late in result["late"].items():
        print(f"{name + ': late by':<32} p50 {late['p50_ms']:>5} ms, p95 {late['p95_ms']:>5} ms")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
