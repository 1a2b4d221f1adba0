"""When is a turn over? Pauses inside real speech against the ends of real turns.

    .venv/bin/python benchmarks/turn_taking.py ../shared/speech/manifest.jsonl [--json out.json]

Every pause of 200 ms or more inside a speaker's turn must be outlasted: a rule that ends the turn there cuts the
speaker off. At the end of the turn its wait is pure delay. Compared are a fixed silence, and `pause_limit_ms` with the
text that the recogniser has in that pause, with the end-of-turn model, and with both. To compare them at the same rate
of cut-offs, all waits of a rule are scaled by one factor. No rule decides before its evidence is computed (CPU time).
Time is the audio's.

The numbers in `session/endpointing.py` were fitted on the speakers of the half `tuned`. But the word tables of
`session/endings.py` and the weight of earlier pauses were chosen with both halves in sight: `reported` is no test on
unseen speech.

The manifest has one JSON object a line: `audio`, `id`, `speaker`, `kind`, `language` and, where they apply,
`speakers_n` with `rttm`, `subset`, `turn_complete`. Left out: recordings of several speakers without `rttm`; ends of
LibriSpeech's `train-clean-100`, which is cut at any pause (Panayotov et al., 2015); the pauses before the end of an
unfinished recording, for the whole recording has them too.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pauses import Pause, observe
from streamsrv.session.endings import ending_of
from streamsrv.session.endpointing import Eagerness, pause_limit_ms

ANSWERED_MS = 1000
"""An unfinished sentence counts as answered when the wait after it is shorter than this."""

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
        entries = [json.loads(line) for line in arguments.manifest.read_text(encoding="utf-8").splitlines()]
        pauses = asyncio.run(observe(entries, arguments.manifest.parent, arguments.recognizer, arguments.model_at_ms))
        if file:
            file.write_text(json.dumps([asdict(pause) for pause in pauses], indent=1), encoding="utf-8")
    result = summarize(pauses)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print_table(result)


if __name__ == "__main__":
    main()
