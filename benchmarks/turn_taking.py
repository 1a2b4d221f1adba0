"""When is a turn over? Pauses inside real speech against the ends of real turns.

    .venv/bin/python benchmarks/turn_taking.py ../shared/speech/manifest.jsonl [--json out.json] [--observations file.json]

Every pause of 200 ms or more inside a speaker's turn must be outlasted: a rule that ends the turn there cuts the
speaker off. At the end of the turn its wait is pure delay. Compared are a fixed silence, and `pause_limit_ms` with the
text that the recogniser has in that pause, with the end-of-turn model, and with both. To compare them at the same rate
of cut-offs, all waits of a rule are scaled by one factor. No rule decides before its evidence is computed (CPU time).

The tables of `session/endpointing.py` were fitted on the speakers of the half `tuned`. Time is the audio's.

The manifest has one JSON object a line: `audio`, `id`, `speaker`, `kind`, `language` and, where they apply, `speakers_n`
with `rttm`, `subset`, `turn_complete`. Left out: recordings of several speakers without `rttm`; ends of LibriSpeech's
`train-clean-100`, which is cut at any pause (Panayotov et al., 2015); the pauses before the end of an unfinished
recording, for the whole recording has them too.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from streaming_wer import MeasuredScheduler

from streamsrv.asr.base import SAMPLE_RATE, RecognitionOptions, Transcript
from streamsrv.asr.incremental import IncrementalRecognizer
from streamsrv.asr.words import prefix_distances, split_words
from streamsrv.audio.files import read_audio
from streamsrv.inference.scheduler import Priority
from streamsrv.providers.catalogue import load_catalogue
from streamsrv.providers.loading import LoadContext, load_engine
from streamsrv.providers.weights import ModelStore
from streamsrv.session.endings import ending_of
from streamsrv.session.endpointing import Eagerness, Evidence, pause_limit_ms
from streamsrv.turn.base import TurnModel
from streamsrv.vad.base import FRAME_MS, FRAME_SAMPLES, Vad

SHORTEST_PAUSE_MS = 200
SPEECH, STILL_SPEECH = 0.5, 0.35
"""Probabilities from which a frame counts as speech after silence and after speech, as in `session/turns.py`."""
ONSET_MS = 64
CLICK_MS = 256
"""A last burst no longer than this after a pause is a click or a breath: no recording here ends in a word so short."""
LEAD_MS = 300
ANSWERED_MS = 1000
"""An unfinished sentence counts as answered when the wait after it is shorter than this."""

Frames = NDArray[np.int16]
Label = Literal["inside", "end", "unfinished"]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause, and the evidence in it; `pause_ms` of the end of a turn is how long it was listened to."""

    recording: str
    speaker: str
    group: str
    language: str
    label: Label
    pause_ms: int
    longest_pause_ms: int
    text: str = ""
    text_ready_ms: float = 0.0
    probability: float = 0.0
    probability_ready_ms: float = 0.0
    in_sentence: bool | None = None
    """Whether the transcript of the whole recording, which knows what comes after, ends no sentence here."""

    def evidence(self, *, text: bool, model: bool) -> Evidence:
        return Evidence(
            text=self.text if text else "",
            at_pause=True,
            language=self.language,
            turn_probability=self.probability if model else None,
            longest_pause_ms=self.longest_pause_ms if text else 0,
        )


class Listener:
    """Hears recordings as a server does: voice activity, streaming recognition, the end-of-turn model in pauses."""

    def __init__(self, recognizer: str, model_at_ms: int) -> None:
        self.scheduler = MeasuredScheduler()
        self._vad: Vad = self._load("silero")
        self._recognizer: IncrementalRecognizer = self._load(recognizer)
        self._model: TurnModel = self._load("smart-turn")
        self._model_at = model_at_ms // FRAME_MS

    def _load(self, name: str) -> Any:
        entry = load_catalogue()[name]
        return load_engine(entry, LoadContext(self.scheduler, ModelStore().locate(entry)))

    async def hear(self, entry: dict[str, Any], folder: Path) -> list[Pause]:
        """All pauses of one recording that can be judged."""
        frames = with_silence(read_audio(folder / entry["audio"], SAMPLE_RATE))
        speech = speech_frames(self._vad.open().probabilities(frames))
        runs = speech_runs(speech)
        speakers = read_rttm(folder / entry["rttm"]) if "rttm" in entry else []
        pauses: list[Pause] = []
        turn: list[Span] = []
        for run, following in pairwise([*runs, (len(frames), len(frames))]):
            turn.append(run)
            is_last = following[0] == len(frames)
            label = end_label(entry) if is_last else label_between(speakers, run[1], following[0])
            if is_last or label == "end":
                labels: list[Label | None] = [*["inside"] * (len(turn) - 1), label]
                pauses += await self._hear_turn(entry, frames[: following[0]], speech, turn, labels)
                turn = []
        return await self._with_context(entry, frames, pauses)

    async def _hear_turn(
        self,
        entry: dict[str, Any],
        frames: Frames,
        speech: Sequence[bool],
        turn: list[Span],
        labels: list[Label | None],
    ) -> list[Pause]:
        """The pauses after each run of a turn; `labels` tells what they are, None leaves one out."""
        start = max(turn[0][0] - LEAD_MS // FRAME_MS, 0)
        ends = [*(run[0] for run in turn[1:]), len(frames)]
        texts = await self._texts(frames, speech, start, [run[1] for run in turn]) if entry["language"] == "en" else {}
        pauses: list[Pause] = []
        longest = 0
        for (_, begin), end, label in zip(turn, ends, labels, strict=True):
            pause_ms = (end - begin) * FRAME_MS
            text, ready_ms = texts.get(begin, ("", 0.0))
            pause = Pause(
                entry["id"], entry["speaker"], group_of(entry), entry["language"], label or "end", pause_ms, longest
            )
            if label is not None:
                probability, model_ms = self._probability(frames[start : begin + self._model_at])
                pauses.append(
                    replace(
                        pause,
                        text=text,
                        text_ready_ms=ready_ms,
                        probability=probability,
                        probability_ready_ms=self._model_at * FRAME_MS + model_ms,
                    )
                )
            longest = max(longest, pause_ms)
        return pauses

    def _probability(self, frames: Frames) -> tuple[float, float]:
        started = time.thread_time()
        probability = self._model.probability(frames.reshape(-1))
        return probability, (time.thread_time() - started) * 1000

    async def _texts(
        self, frames: Frames, speech: Sequence[bool], start: int, begins: list[int]
    ) -> dict[int, tuple[str, float]]:
        """The transcript that is decoded in each pause, by the pause's first frame, and when in the pause it is there."""
        found: dict[int, tuple[str, float]] = {}
        newest: list[Transcript] = []
        begin = None

        async with aclosing(self._recognizer.open(RecognitionOptions(language="en"))) as stream:

            async def read() -> None:
                async for transcript in stream:
                    newest[:] = [transcript]

            reader = asyncio.create_task(read())
            for index in range(start, len(frames)):
                if index in begins:
                    begin = index
                    newest.clear()
                cpu_s = self.scheduler.cpu_s
                stream.push(frames[index], speech=speech[index])
                for _ in range(4):  # the stream's task wakes, decodes what is due, and its reader takes the result
                    await asyncio.sleep(0)
                if begin is not None and begin not in found and newest and newest[0].at_pause:
                    ready_ms = (index + 1 - begin) * FRAME_MS + (self.scheduler.cpu_s - cpu_s) * 1000
                    found[begin] = (newest[0].text, ready_ms)
        await reader
        return found

    async def _with_context(self, entry: dict[str, Any], frames: Frames, pauses: list[Pause]) -> list[Pause]:
        """The pauses of a single English speaker with `in_sentence`."""
        if entry["language"] != "en" or entry.get("speakers_n", 1) > 1:
            return pauses
        call = self._recognizer.decode_call(frames.reshape(-1), RecognitionOptions(language="en"))
        whole = split_words((await self._recognizer.run(Priority.FINAL, call)).text)
        return [replace(pause, in_sentence=is_in_sentence(pause.text, whole)) for pause in pauses]


def with_silence(pcm: NDArray[np.int16]) -> Frames:
    """The recording in frames, with a second of noise as loud as its quietest parts behind it."""
    frames = pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    level = np.percentile(np.sqrt(np.mean(np.square(frames.astype(np.float64)), axis=1)), 5)
    noise = np.random.default_rng(0).standard_normal((SAMPLE_RATE // FRAME_SAMPLES, FRAME_SAMPLES)) * max(level, 1)
    return np.concatenate([frames, noise.astype(np.int16)])


def speech_frames(probabilities: Iterable[float]) -> list[bool]:
    speech: list[bool] = []
    for probability in probabilities:
        speech.append(probability >= (STILL_SPEECH if speech and speech[-1] else SPEECH))
    return speech


def speech_runs(speech: Sequence[bool]) -> list[Span]:
    """Stretches of speech (first frame, frame after the last) with at least `SHORTEST_PAUSE_MS` between them."""
    runs: list[Span] = []
    for index in np.flatnonzero(speech).tolist():
        if runs and (index - runs[-1][1]) * FRAME_MS < SHORTEST_PAUSE_MS:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    if len(runs) > 1 and (runs[0][1] - runs[0][0]) * FRAME_MS < ONSET_MS:
        runs = runs[1:]
    if len(runs) > 1 and (runs[-1][1] - runs[-1][0]) * FRAME_MS <= CLICK_MS:
        runs = runs[:-1]
    return runs


def read_rttm(path: Path) -> list[tuple[float, float, str]]:
    """Start and end in seconds and the speaker of each segment, in order of time."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted((float(line[3]), float(line[3]) + float(line[4]), line[7]) for line in lines)


def label_between(segments: Sequence[tuple[float, float, str]], begin: int, end: int) -> Label:
    """Whether the speaker before a pause goes on after it; frames."""
    begin_s, end_s = begin * FRAME_MS / 1000, end * FRAME_MS / 1000
    before = [segment for segment in segments if segment[0] < begin_s]
    after = [segment for segment in segments if segment[1] > end_s]
    if not before or not after or set(before) & set(after):
        return "inside"
    return "inside" if max(before, key=lambda segment: segment[1])[2] == after[0][2] else "end"


def end_label(entry: dict[str, Any]) -> Label | None:
    if entry.get("turn_complete") is False:
        return "unfinished"
    return None if entry.get("subset") == "train-clean-100" else "end"


def group_of(entry: dict[str, Any]) -> str:
    if entry["language"] != "en":
        return "other languages"
    return "conversational" if entry["kind"] in ("conversational", "command") else "read"


def is_in_sentence(text: str, whole: Sequence[str]) -> bool:
    """Whether the words of `whole` up to where `text` ends leave a sentence unfinished."""
    words = split_words(text)
    distances = prefix_distances(words, whole)
    length = min(range(len(distances)), key=lambda length: (distances[length], abs(length - len(words))))
    return length == 0 or whole[length - 1][-1] not in ".?!"


Rule = Callable[[Pause], tuple[float, float]]
"""How long a pause must last, and when that is known, both in ms."""


def rule(*, text: bool, model: bool, eagerness: Eagerness = "auto") -> Rule:
    def wait(pause: Pause) -> tuple[float, float]:
        ready_ms = max(pause.text_ready_ms * text, pause.probability_ready_ms * model)
        return pause_limit_ms(pause.evidence(text=text, model=model), eagerness), ready_ms

    return wait


RULES: dict[str, Rule] = {
    "silence only": lambda pause: (300.0, 0.0),
    "text": rule(text=True, model=False),
    "text + Smart Turn": rule(text=True, model=True),
    "Smart Turn only": rule(text=False, model=True),
}


class Waits:
    """What one rule does at some pauses."""

    def __init__(self, wait: Rule, pauses: Sequence[Pause]) -> None:
        self._inside = np.array(
            [(*wait(pause), pause.pause_ms) for pause in pauses if pause.label == "inside"]
        ).reshape(-1, 3)
        self._ends = np.array([wait(pause) for pause in pauses if pause.label == "end"]).reshape(-1, 2)
        self._unfinished = np.array([wait(pause) for pause in pauses if pause.label == "unfinished"]).reshape(-1, 2)

    def scale_at(self, cut_offs: float) -> float:
        """The least factor of all waits at which at most that share of the pauses is cut off."""
        limits, _, lengths = self._inside.T
        return float(np.sort(lengths / limits)[::-1][int(cut_offs * len(lengths))]) * 1.0001

    def delays(self, scale: float = 1.0) -> NDArray[np.float64]:
        return np.maximum(self._ends[:, 0] * scale, self._ends[:, 1])

    def cut_offs(self, scale: float = 1.0) -> float:
        limits, ready, lengths = self._inside.T
        return float(np.mean(np.maximum(limits * scale, ready) < lengths))

    def answered(self) -> float | None:
        """The share of unfinished sentences that would be answered soon, unscaled."""
        return float(np.mean(self._unfinished[:, 0] < ANSWERED_MS)) if len(self._unfinished) else None


def ratio_to_silence(wait: Rule, pauses: Sequence[Pause], cut_offs: float) -> float:
    ours, silence = Waits(wait, pauses), Waits(RULES["silence only"], pauses)
    delay = np.median(ours.delays(ours.scale_at(cut_offs)))
    return float(delay / np.median(silence.delays(silence.scale_at(cut_offs))))


def interval(wait: Rule, pauses: Sequence[Pause], cut_offs: float, draws: int = 200) -> list[float]:
    """Where nine tenths of the ratios lie when recordings are drawn again with replacement."""
    by_recording: dict[str, list[Pause]] = {}
    for pause in pauses:
        by_recording.setdefault(pause.recording, []).append(pause)
    recordings, random = list(by_recording.values()), np.random.default_rng(0)
    ratios: list[float] = []
    while len(ratios) < draws:
        drawn = [
            pause for index in random.integers(len(recordings), size=len(recordings)) for pause in recordings[index]
        ]
        if {"inside", "end"} <= {pause.label for pause in drawn}:
            ratios.append(ratio_to_silence(wait, drawn, cut_offs))
    return [round(float(value), 2) for value in np.quantile(ratios, (0.05, 0.95))]


def figures(wait: Rule, pauses: Sequence[Pause]) -> dict[str, Any]:
    """All figures of one rule at some pauses; ms."""
    waits = Waits(wait, pauses)
    found: dict[str, Any] = {"cut_offs": round(waits.cut_offs(), 3)}
    found["delay_p50"], found["delay_p95"] = (round(float(ms)) for ms in np.quantile(waits.delays(), (0.5, 0.95)))
    for percent in (5, 10, 20):
        delays = waits.delays(waits.scale_at(percent / 100))
        found[f"p50_at_{percent}"], found[f"p95_at_{percent}"] = (
            round(float(ms)) for ms in np.quantile(delays, (0.5, 0.95))
        )
        found[f"ratio_at_{percent}"] = round(ratio_to_silence(wait, pauses, percent / 100), 2)
    found["interval_at_5"] = interval(wait, pauses, 0.05)
    found["unfinished_answered"] = waits.answered()
    return found


def halves(pauses: Sequence[Pause]) -> dict[str, list[Pause]]:
    """Every second speaker of each group, in alphabetical order, beginning with the first, was tuned on."""
    speakers = {group: sorted({p.speaker for p in pauses if p.group == group}) for group in {p.group for p in pauses}}
    split: dict[str, list[Pause]] = {"tuned": [], "reported": []}
    for pause in pauses:
        split["reported" if speakers[pause.group].index(pause.speaker) % 2 else "tuned"].append(pause)
    return split


def summarize(pauses: Sequence[Pause]) -> dict[str, Any]:
    english = [pause for pause in pauses if pause.language == "en"]
    result: dict[str, Any] = {}
    for half, chosen in {**halves(english), "all": english}.items():
        groups = {"read": [p for p in chosen if p.group == "read"]}
        groups["conversational"] = [p for p in chosen if p.group == "conversational"]
        groups["read and conversational"] = chosen
        groups["only pauses inside a sentence"] = [p for p in chosen if p.label != "inside" or p.in_sentence]
        result[half] = {name: compare(group, RULES) for name, group in groups.items()}
    others = {name: RULES[name] for name in ("silence only", "Smart Turn only")}
    result["other languages"] = {"all": compare([p for p in pauses if p.language != "en"], others)}
    eager: dict[str, Rule] = {e: rule(text=True, model=True, eagerness=e) for e in ("low", "medium", "high")}
    result["eagerness"] = {"read and conversational": compare(english, eager)}
    result["endings"] = {
        group: Counter(f"{ending_of(p.text).value}: {p.label}" for p in english if p.group == group)
        for group in ("read", "conversational")
    }
    return result


def compare(pauses: Sequence[Pause], rules: dict[str, Rule]) -> dict[str, Any]:
    labels = Counter(pause.label for pause in pauses)
    return {
        "pauses": labels["inside"],
        "ends": labels["end"],
        **{name: figures(r, pauses) for name, r in rules.items()},
    }


def print_table(result: dict[str, Any]) -> None:
    print("delay: ms from the last speech to the end of the turn; cut off: share of the pauses inside turns")
    print(f"{'':<20}{'as it is':>27}{'at 5 % cut off':>34}{'at 10 %':>14}{'at 20 %':>14}{'unfinished':>12}")
    print(
        f"{'':<20}{'cut off':>9}{'p50':>9}{'p95':>9}{'p50':>8}{'p95':>8}{'ratio':>7}{'90 %':>11}"
        + f"{'p50':>8}{'ratio':>6}" * 2
        + f"{'answered':>12}"
    )
    for half, groups in result.items():
        for group, rows in groups.items() if half != "endings" else ():
            print(f"\n{half}: {group} ({rows.pop('pauses')} pauses, {rows.pop('ends')} ends)")
            for name, row in rows.items():
                low, high = row["interval_at_5"]
                answered = "" if row["unfinished_answered"] is None else f"{row['unfinished_answered']:.0%}"
                print(
                    f"{name:<20}{row['cut_offs']:>9.0%}{row['delay_p50']:>9}{row['delay_p95']:>9}"
                    f"{row['p50_at_5']:>8}{row['p95_at_5']:>8}{row['ratio_at_5']:>7}{f'{low}-{high}':>11}"
                    f"{row['p50_at_10']:>8}{row['ratio_at_10']:>6}{row['p50_at_20']:>8}{row['ratio_at_20']:>6}{answered:>12}"
                )


async def observe(manifest: Path, recognizer: str, model_at_ms: int) -> list[Pause]:
    entries = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    listener = Listener(recognizer, model_at_ms)
    pauses: list[Pause] = []
    for entry in entries:
        if entry["language"] != "zxx" and (entry.get("speakers_n", 1) == 1 or "rttm" in entry):
            found = await listener.hear(entry, manifest.parent)
            pauses += [pause for pause in found if end_label(entry) != "unfinished" or pause.label == "unfinished"]
    return pauses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--recognizer", default="moonshine-tiny", help="a recogniser that decodes windows")
    parser.add_argument("--model-at-ms", type=int, default=96, help="how far into a pause the end-of-turn model runs")
    parser.add_argument("--observations", type=Path, help="read what was heard from this file, or write it there")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    if not arguments.manifest.exists():
        sys.exit(f"Skipped: there is no manifest {arguments.manifest}.")
    file = arguments.observations
    if file and file.exists():
        pauses = [Pause(**pause) for pause in json.loads(file.read_text(encoding="utf-8"))]
    else:
        pauses = asyncio.run(observe(arguments.manifest, arguments.recognizer, arguments.model_at_ms))
        if file:
            file.write_text(json.dumps([asdict(pause) for pause in pauses], indent=1), encoding="utf-8")
    result = summarize(pauses)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print_table(result)


if __name__ == "__main__":
    main()
