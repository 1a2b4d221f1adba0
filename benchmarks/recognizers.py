"""Compares recognisers: word errors by language and in noise, delays of words, CPU time, memory, invented text.

    .venv/bin/python benchmarks/recognizers.py ../shared/speech/manifest.jsonl [--models two-speed] [--json out.json]

Runs the recognisers of the catalogue that can run here, each in a process of its own. Each recording is one turn: it is
pushed frame by frame with voice activity of the `silero` model, up to its last speech and the silence that ends a turn.
Time is virtual (`virtual_time.py`). Offline is one decode of the whole recording, or all of it pushed at once. The
delay of a word counts from its (mostly estimated) end. Recordings without speech are recognised as files, with voice
activity: each text is invented. `--write FOLDER` makes the table and the picture of the documentation.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apart import measure_apart, peak_bytes
from live import machine
from recognizers_report import print_table, write_report
from spoken_turns import Turn, read_entries, read_turns, scored_entries, spread, with_noise
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.core.answers.speculation import same_words
from streamsrv.engines.asr.base import RecognitionOptions, Recognizer, Transcript
from streamsrv.engines.asr.recordings import recognize_recording
from streamsrv.engines.asr.two_speed import TwoSpeedRecognizer
from streamsrv.engines.asr.windows.incremental import Decode, IncrementalRecognizer
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.vad.base import FRAME_MS, VAD_FRAME_SAMPLES
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Priority
from streamsrv.testing.virtual_loop import VirtualTimeLoop
from streamsrv.testing.word_errors import WordErrors, count_word_errors
from streamsrv.text.words import split_words
from virtual_time import VirtualScheduler

STAGGER_S = 0.37
"""Seconds from the start of one speaker to the start of the next."""
NOISE_DB = 10
KINDS = ("read", "command", "conversational", "telephone")


@dataclass(frozen=True)
class Outcome:
    """The result of one recogniser for one turn; times in ms."""

    turn: Turn
    errors: WordErrors
    first_ms: float | None = None
    """From the first speech to the first text."""
    final_ms: float = 0
    """From the end of the turn to its final transcript."""
    guessed: bool = False
    """Whether the words in the last pause equal those of the final transcript."""
    late_ms: list[float] = field(default_factory=list[float])
    """Of each word, from its end to when it was shown, by position: its text may have been different at first."""
    stable_ms: list[float] = field(default_factory=list[float])
    """Of each word, from its end to when it was stable."""


async def recognize(recognizer: Recognizer, turn: Turn, silence_ms: int) -> Outcome:
    """Speak a turn at its own pace."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    heard: list[tuple[float, Transcript]] = []

    async def read() -> None:
        async for transcript in stream:
            heard.append((1000 * (loop.time() - started), transcript))

    options = RecognitionOptions(language=turn.language)
    async with aclosing(recognizer.connect()) as session, aclosing(session.open(options)) as stream:
        reading = asyncio.ensure_future(read())
        silence = np.zeros((silence_ms // FRAME_MS, VAD_FRAME_SAMPLES), np.int16)
        speech = np.append(turn.speech, np.zeros(len(silence), bool))
        for number, (frame, is_speech) in enumerate(zip([*turn.frames, *silence], speech, strict=True), start=1):
            await asyncio.sleep(started + number * FRAME_MS / 1000 - loop.time())
            stream.push(frame, speech=bool(is_speech))
        ended_ms = 1000 * (loop.time() - started)
        stream.finish()
        await reading
    final_at, final = heard[-1]
    first = next((at for at, transcript in heard if transcript.text), None)
    spoke_ms = int(turn.speech.argmax()) * FRAME_MS
    guesses = [transcript.text for _, transcript in heard if transcript.at_pause and not transcript.is_final]
    return Outcome(
        turn,
        count_word_errors(turn.text, final.text, turn.language),
        None if first is None else first - spoke_ms,
        final_at - ended_ms,
        bool(guesses) and same_words(guesses[-1], final.text),
        _late_ms(final, [(at, len(split_words(shown.text))) for at, shown in heard]),
        _late_ms(final, [(at, len(split_words(shown.stable))) for at, shown in heard]),
    )


def _late_ms(final: Transcript, shown: Sequence[tuple[float, int]]) -> list[float]:
    return [
        next(at for at, words in shown if words > place) - word.end_ms
        for place, word in enumerate(final.words)
        if any(words > place for _, words in shown)
    ]


async def recognize_offline(recognizer: Recognizer, turn: Turn) -> tuple[Outcome, str | None]:
    """Recognise a whole recording; return the outcome, and the language that was detected."""
    pcm = turn.frames.reshape(-1)
    if isinstance(recognizer, IncrementalRecognizer):
        found = await recognizer.decode(Decode(pcm, RecognitionOptions(language=turn.language), Priority.FINAL))
        text = found.text
    else:
        text = await _at_once(recognizer, pcm, RecognitionOptions(language=turn.language))
    detected = None
    if recognizer.abilities.detects_language and isinstance(recognizer, IncrementalRecognizer):
        detected = (await recognizer.decode(Decode(pcm, RecognitionOptions(), Priority.FINAL))).language
    return Outcome(turn, count_word_errors(turn.text, text, turn.language)), detected


async def _at_once(recognizer: Recognizer, pcm: NDArray[np.int16], options: RecognitionOptions) -> str:
    async with aclosing(recognizer.connect()) as session, aclosing(session.open(options)) as stream:
        stream.push(pcm)
        stream.finish()
        *_, final = [transcript async for transcript in stream]
        return final.text


async def speak_all(recognizer: Recognizer, turns: Sequence[Turn], options: argparse.Namespace) -> list[Outcome]:
    waiting, outcomes = iter(turns), list[Outcome]()

    async def speak(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        for turn in waiting:
            outcomes.append(await recognize(recognizer, turn, options.silence_ms))

    async with asyncio.TaskGroup() as speakers:
        for number in range(options.sessions):
            speakers.create_task(speak(number * STAGGER_S))
    return outcomes


def rate(outcomes: Iterable[Outcome]) -> float:
    return round(WordErrors.total(outcome.errors for outcome in outcomes).rate, 4)


def percentiles(values: Sequence[float]) -> dict[str, int]:
    return {f"p{share}": round(float(np.percentile(values, share))) for share in (50, 95)} if values else {}


class Comparison:
    """Measures one recogniser, in the process of its own."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.options = options
        self.scheduler = VirtualScheduler(options.threads)
        loader = EngineLoader(load_catalogue(), ModelStore(), self.scheduler, lambda _: None)
        self.vad = loader.load(loader.catalogue["silero"])
        before = peak_bytes()
        self.recognizer: Recognizer = loader.load(loader.catalogue[name])
        self.memory = lambda: peak_bytes() - before
        self.entries = read_entries(options.manifest)

    async def measure(self) -> dict[str, Any]:
        if isinstance(self.recognizer, TwoSpeedRecognizer):
            self.recognizer.clock = asyncio.get_running_loop().time
        await self.recognizer.warm_up()
        figures: dict[str, Any] = {}
        if self._knows("en"):
            figures |= await self._english()
        figures["languages"] = {
            language: found
            for language in dict.fromkeys(entry["language"] for entry in self.entries)
            if language not in ("en", "zxx") and self._knows(language) and (found := await self._language(language))
        }
        figures["invented"] = await self._invented()
        figures["memory_mb"] = round(self.memory() / 1e6)
        return figures

    def _knows(self, language: str) -> bool:
        known = self.recognizer.abilities.languages
        return not known or language in known

    async def _english(self) -> dict[str, Any]:
        chosen = [
            entry
            for kind in KINDS
            for entry in spread(
                [each for each in scored_entries(self.entries, "en") if each["kind"] == kind], self.options.limit
            )
        ]
        turns = read_turns(self.options.manifest, chosen, self.vad)
        cpu_s = self.scheduler.cpu_s
        outcomes = await speak_all(self.recognizer, turns, self.options)
        cpu_s = self.scheduler.cpu_s - cpu_s
        longest_ms = getattr(self.recognizer, "max_window_ms", 30_000)
        short = [turn for turn in turns if len(turn.frames) * FRAME_MS <= longest_ms]
        offline = [(await recognize_offline(self.recognizer, turn))[0] for turn in short]
        noisy = await speak_all(
            self.recognizer, with_noise(turns[::2], self._noises(), NOISE_DB, self.vad), self.options
        )
        return {
            "turns": len(turns),
            "words": sum(outcome.errors.words for outcome in outcomes),
            "wer": rate(outcomes),
            **{f"wer_{kind}": rate(outcome for outcome in outcomes if outcome.turn.kind == kind) for kind in KINDS},
            "wer_offline": rate(offline),
            "wer_streaming_of_the_same": rate(
                outcome for outcome in outcomes if any(outcome.turn is turn for turn in short)
            ),
            f"wer_noise_{NOISE_DB}_db": rate(noisy),
            "cpu_s_per_audio_s": round(cpu_s / sum(len(turn.frames) * FRAME_MS / 1000 for turn in turns), 3),
            "first_text_ms": percentiles([each.first_ms for each in outcomes if each.first_ms is not None]),
            "word_late_ms": percentiles([*chain(*(each.late_ms for each in outcomes))]),
            "word_stable_ms": percentiles([*chain(*(each.stable_ms for each in outcomes))]),
            "final_ms": percentiles([each.final_ms for each in outcomes]),
            "guessed": round(sum(each.guessed for each in outcomes) / len(outcomes), 3),
            **self._finals(),
        }

    def _finals(self) -> dict[str, Any]:
        if not isinstance(self.recognizer, TwoSpeedRecognizer):
            return {}
        finals = self.recognizer.finals
        return {"accurate_finals": round(finals["accurate"] / finals.total(), 3)}

    def _noises(self) -> list[NDArray[np.int16]]:
        folder = self.options.manifest.parent
        noises = [entry for entry in self.entries if entry["kind"] == "noise"]
        return [read_audio(folder / entry["audio"], SPEECH_RATE_HZ) for entry in noises]

    async def _language(self, language: str) -> dict[str, Any] | None:
        turns = read_turns(self.options.manifest, scored_entries(self.entries, language), self.vad)
        if not turns:
            return None
        streaming = await speak_all(self.recognizer, turns, self.options)
        offline = [await recognize_offline(self.recognizer, turn) for turn in turns]
        figures = {"turns": len(turns), "wer": rate(streaming), "wer_offline": rate(each for each, _ in offline)}
        if self.recognizer.abilities.detects_language:
            figures["detected"] = sum(detected == language for _, detected in offline)
        return figures

    async def _invented(self) -> dict[str, int]:
        """Count the recordings without speech in which words were found."""
        folder, found = self.options.manifest.parent, 0
        silent = [entry for entry in self.entries if entry["language"] == "zxx" and entry["kind"] != "rir"]
        for entry in silent:
            pcm = read_audio(folder / entry["audio"], SPEECH_RATE_HZ)
            texts = recognize_recording(pcm, self.recognizer, self.vad, self.scheduler, RecognitionOptions())
            found += bool([utterance async for utterance in texts])
        return {"recordings": len(silent), "with_text": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--models", nargs="+", help="recognisers of the catalogue; by default all that can run here")
    parser.add_argument("--silence-ms", type=int, default=300, help="the silence that ends a turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sessions", type=int, default=1, help="users who speak at once, turn after turn")
    parser.add_argument("--limit", type=int, default=14, help="the most English turns of each kind")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write recognizers.md and recognizers.svg")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            print(json.dumps(runner.run(Comparison(options.only, options).measure())))
        return
    catalogue = load_catalogue()
    loader = EngineLoader(catalogue, ModelStore(), VirtualScheduler(1), lambda _: None)
    entries = catalogue.entries("recognizer")
    if options.models:
        entries = [catalogue.find(name, "recognizer") for name in options.models]
    results: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry.hardware == "remote":
            continue
        if lacking := loader.needs(entry):
            print(f"{entry.name} left out: {', '.join(map(str, lacking))}", file=sys.stderr)
            continue
        print(f"measuring {entry.name} ...", file=sys.stderr)
        results[entry.name] = measure_apart(entry.name, __file__, sys.argv[1:])
    settings = {name: getattr(options, name) for name in ("silence_ms", "threads", "sessions", "limit")}
    report = {**settings, **machine(), "results": results}
    print_table(report)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.write:
        write_report(report, options.write)


if __name__ == "__main__":
    main()
