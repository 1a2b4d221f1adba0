"""Compares end-of-turn rules on pauses inside recorded speech and on the ends of recorded turns.

    .venv/bin/python benchmarks/turn_taking.py ../shared/speech/manifest.jsonl [--json out.json]

A rule that ends the turn in a pause of 200 ms or more inside the turn cuts the speaker off. At the end of the turn, its
wait is the delay. The rules are a fixed silence, and `pause_limit_ms` with the recogniser's text in that pause, with
the end-of-turn model, and with both. To compare them at the same rate of cut-offs, all waits of a rule are scaled by
one factor. No rule decides before its evidence is computed (CPU time). Time is that of the audio.

The limits and word tables in `streamsrv/core/turns` were chosen on all of these speakers. The spread over random halves
of the speakers shows how much a figure depends on the speakers; `fit_pauses.py` measures limits that are chosen on one
half on the other.

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
from streamsrv.core.turns.endpointing import Eagerness, pause_limit_ms
from streamsrv.core.turns.sentence_endings import ending_of

ANSWERED_MS = 1000
"""Longest wait after an unfinished sentence that counts as an answer to it."""

Rule = Callable[[Pause], tuple[float, float]]
"""Returns how long a pause must last and when the rule knows that, both in ms."""


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
    """The waits of one rule at some pauses."""

    def __init__(self, wait: Rule, pauses: Sequence[Pause]) -> None:
        self._inside = np.array(
            [(*wait(pause), pause.pause_ms) for pause in pauses if pause.label == "inside"]
        ).reshape(-1, 3)
        self._ends = np.array([wait(pause) for pause in pauses if pause.label == "end"]).reshape(-1, 2)
        self._unfinished = np.array([wait(pause) for pause in pauses if pause.label == "unfinished"]).reshape(-1, 2)

    def scale_at(self, cut_offs: float) -> float:
        """Return the smallest factor of all waits with at most this share of cut-offs."""
        limits, _, lengths = self._inside.T
        return float(np.sort(lengths / limits)[::-1][int(cut_offs * len(lengths))]) * 1.0001

    def delays(self, scale: float = 1.0) -> NDArray[np.float64]:
        return np.maximum(self._ends[:, 0] * scale, self._ends[:, 1])

    def cut_offs(self, scale: float = 1.0) -> float:
        limits, ready, lengths = self._inside.T
        return float(np.mean(np.maximum(limits * scale, ready) < lengths))

    def answered(self) -> float | None:
        """Return the share of unfinished sentences with an unscaled wait below `ANSWERED_MS`."""
        return float(np.mean(self._unfinished[:, 0] < ANSWERED_MS)) if len(self._unfinished) else None


def ratios_to_silence(wait: Rule, pauses: Sequence[Pause], cut_offs: float) -> tuple[float, float]:
    """Return median and 95th percentile of the delay, relative to silence alone at the same share of cut-offs."""
    ours, silence = Waits(wait, pauses), Waits(RULES["silence only"], pauses)
    delays = np.quantile(ours.delays(ours.scale_at(cut_offs)), (0.5, 0.95))
    median, tail = delays / np.quantile(silence.delays(silence.scale_at(cut_offs)), (0.5, 0.95))
    return float(median), float(tail)


def spread(wait: Rule, pauses: Sequence[Pause], cut_offs: float, draws: int = 100) -> list[float]:
    """Return the 10th and 90th percentile of the ratio of the median over random halves of the speakers."""
    speakers, random = sorted({pause.speaker for pause in pauses}), np.random.default_rng(0)
    ratios: list[float] = []
    for _ in range(draws):
        half = set(random.permutation(speakers)[: (len(speakers) + 1) // 2])
        heard = [pause for pause in pauses if pause.speaker in half]
        if {"inside", "end"} <= {pause.label for pause in heard}:
            ratios.append(ratios_to_silence(wait, heard, cut_offs)[0])
    return [round(float(value), 2) for value in np.quantile(ratios, (0.1, 0.9))]


def figures(wait: Rule, pauses: Sequence[Pause]) -> dict[str, Any]:
    """Return all figures of one rule at some pauses, in ms."""
    waits = Waits(wait, pauses)
    found: dict[str, Any] = {"cut_offs": round(waits.cut_offs(), 3)}
    found["delay_p50"], found["delay_p95"] = (round(float(ms)) for ms in np.quantile(waits.delays(), (0.5, 0.95)))
    found["cut_offs_at_300"] = round(waits.cut_offs(300 / float(np.median(waits.delays()))), 3)
    for percent in (5, 10, 20):
        delays = waits.delays(waits.scale_at(percent / 100))
        found[f"p50_at_{percent}"], found[f"p95_at_{percent}"] = (
            round(float(ms)) for ms in np.quantile(delays, (0.5, 0.95))
        )
        found[f"ratio_at_{percent}"], found[f"p95_ratio_at_{percent}"] = (
            round(ratio, 2) for ratio in ratios_to_silence(wait, pauses, percent / 100)
        )
    found["spread_at_5"] = spread(wait, pauses, 0.05)
    found["unfinished_answered"] = waits.answered()
    return found


def summarize(pauses: Sequence[Pause]) -> dict[str, Any]:
    english = [pause for pause in pauses if pause.language == "en"]
    groups = {"read": [p for p in english if p.group == "read"]}
    groups["conversational"] = [p for p in english if p.group == "conversational"]
    groups["read and conversational"] = english
    groups["only pauses inside a sentence"] = [p for p in english if p.label != "inside" or p.in_sentence]
    result: dict[str, Any] = {"English": {name: compare(group, RULES) for name, group in groups.items()}}
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


COLUMNS = (
    ("cut off", 9, "cut_offs"),
    ("p50", 6, "delay_p50"),
    ("p95", 6, "delay_p95"),
    ("@300", 7, "cut_offs_at_300"),
    ("p50@5%", 9, "p50_at_5"),
    ("p95@5%", 8, "p95_at_5"),
    ("ratio", 7, "ratio_at_5"),
    ("halves", 11, "spread_at_5"),
    ("p95", 6, "p95_ratio_at_5"),
    ("ratio@10%", 11, "ratio_at_10"),
    ("p95", 6, "p95_ratio_at_10"),
    ("ratio@20%", 11, "ratio_at_20"),
    ("p95", 6, "p95_ratio_at_20"),
    ("unfinished", 12, "unfinished_answered"),
)


def print_table(result: dict[str, Any]) -> None:
    print("p50, p95: ms from the last speech to the end of the turn; cut off: share of the pauses inside turns.")
    print(
        "@300: cut off when all waits are scaled to a median of 300 ms. @5%, @10%, @20%: scaled to that share cut off;"
    )
    print("ratios there are to silence alone. unfinished: share of unfinished sentences answered within a second.")
    print(f"{'':<20}" + "".join(f"{name:>{width}}" for name, width, _ in COLUMNS))
    for title, groups in result.items():
        for group, rows in groups.items() if title != "endings" else ():
            print(f"\n{title}: {group} ({rows.pop('pauses')} pauses, {rows.pop('ends')} ends)")
            for name, row in rows.items():
                print(f"{name:<20}" + "".join(f"{cell(row[key]):>{width}}" for _, width, key in COLUMNS))


def cell(value: float | list[float] | None) -> str:
    if isinstance(value, list):
        return "-".join(f"{bound:.2f}" for bound in value)
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--recognizer", default="moonshine-tiny", help="a recogniser that decodes windows")
    parser.add_argument("--model-at-ms", type=int, default=64, help="how far into a pause the end-of-turn model runs")
    parser.add_argument("--observations", type=Path, help="read the observations from this file, or write them to it")
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
