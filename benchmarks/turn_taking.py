"""Compares end-of-turn rules on pauses inside recorded speech and on the ends of recorded turns.

    .venv/bin/python benchmarks/turn_taking.py ../shared/speech/manifest.jsonl --words MODEL [--json out.json]

A rule that ends the turn in a pause of 200 ms or more inside the turn cuts the speaker off. At the end of the turn, its
wait is the delay. The rules are a fixed silence, and `pause_limit_ms` with the words' likely end, with the voice, with
both and with neither. No rule decides before its evidence is computed (CPU time). Time is that of the audio. Figures:

- cut-offs, p50, mean and p95 of the delay with the limits as shipped, and the AUC of the limits (0.5: no better than
  chance). "Silence only" is the silence that has as many cut-offs as both kinds of evidence together.
- The mean delay at other shares of cut-offs, for which all limits of a rule are scaled by one factor.
- The same for limits that were fitted without the speaker in question (`fit_pauses.py`): coefficients and bounds.
  The coefficients as shipped were fitted on these speakers; try them on other recordings, with another manifest.
- 95 % bootstrap intervals by speaker, also of the difference of mean delays at equal cut-offs.

A speaker with more pauses, or ends, than the mean of all speakers counts as one with the mean. A recording goes on in
its own room tone: half a second of its quietest stretches, looped with cross-fades; where the speech leaves none, in
the room tone of a recording of the kind `silence`, as loud as the quietest twentieth of the frames.

The manifest has one JSON object a line: `audio`, `id`, `speaker`, `kind`, `language` and, where they apply,
`speakers_n` with `rttm`, `subset`, `turn_complete`. Left out: recordings of several speakers without `rttm`; ends of
LibriSpeech's `train-clean-100`, which is cut at any pause (Panayotov et al., 2015); the pauses before the end of an
unfinished recording, for the whole recording has them too.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fit_pauses import Formula
from pauses import Pause, observe
from streamsrv.core.turns.endpointing import pause_limit_ms
from turn_figures import CURVE, Group, Waits, difference

KNOWN = {
    "neither": (False, False),
    "words only": (True, False),
    "voice only": (False, True),
    "words and voice": (True, True),
}
"""Whether words and voice are judged."""
BEST = "words and voice"
SILENCE = "silence only"
MIN_SPEAKERS = 10
"""Fewer give no fit."""

Floats = NDArray[np.float64]


def as_shipped(group: Group, *, words: bool, voice: bool) -> Waits:
    limits = [float(pause_limit_ms(pause.evidence(words=words, voice=voice))) for pause in group.pauses]
    return Waits(group, np.array(limits), np.array([p.ready_ms(words=words, voice=voice) for p in group.pauses]))


def held_out(group: Group, *, words: bool, voice: bool) -> Waits:
    formula = Formula(group.pauses, words=words, voice=voice)
    return Waits(group, formula.held_out(group), formula.ready)


def compare(pauses: Sequence[Pause], others: dict[str, dict[str, float]], *, words: bool = True) -> dict[str, Any]:
    """Return the figures of all rules. `others`: limits of further rules, by the key of each pause."""
    group = Group(pauses)
    known = {name: has for name, has in KNOWN.items() if words or not has[0]}
    rules = {name: as_shipped(group, words=has[0], voice=has[1]) for name, has in known.items()}
    best = BEST if words else "voice only"
    cut_offs = rules[best].cut_offs(group.once())
    silence = Waits(group, np.full(len(pauses), 1000.0), np.zeros(len(pauses)))
    silence.limits *= silence.scale_at(cut_offs, group.once())
    rules = {SILENCE: silence, **rules}
    for name, limits in others.items() if words else ():
        ready = np.array([max(pause.text_ready_ms, pause.voice_ready_ms) for pause in pauses])
        rules[name] = Waits(group, np.array([limits[key_of(pause)] for pause in pauses]), ready)
    if len(group.speakers) >= MIN_SPEAKERS:
        for name, has in list(known.items())[1:]:
            rules[f"{name}, held out"] = held_out(group, words=has[0], voice=has[1])
    ours = [best] + ([f"{best}, held out"] if len(group.speakers) >= MIN_SPEAKERS else [])
    return {
        "pauses": int(group.inside.sum()),
        "ends": int(group.end.sum()),
        "speakers": len(group.speakers),
        "rules": {name: waits.figures() for name, waits in rules.items()},
        "difference at equal cut-offs": {
            f"{mine} - {name}": difference(rules[mine], waits, cut_offs)
            for mine in ours
            for name, waits in rules.items()
            if name not in ours
        },
    }


def key_of(pause: Pause) -> str:
    return f"{pause.recording} {pause.begin_ms}"


def summarize(pauses: Sequence[Pause], others: dict[str, dict[str, float]]) -> dict[str, Any]:
    english = [pause for pause in pauses if pause.language == "en"]
    groups = {
        "English": english,
        "English, conversations and commands": [pause for pause in english if pause.group == "conversational"],
        "English, read": [pause for pause in english if pause.group == "read"],
        "other languages": [pause for pause in pauses if pause.language != "en"],
    }
    return {
        title: compare(group, others, words=any(pause.words for pause in group))
        for title, group in groups.items()
        if {"inside", "end"} <= {pause.label for pause in group}
    }


def print_table(result: dict[str, Any]) -> None:
    print("p50, mean, p95: ms from the last speech to the end of the turn; cut off: share of the pauses inside turns.")
    print("mean@5%: the mean with limits scaled to this share of cut-offs. In brackets: 95 % intervals by speaker.")
    for title, found in result.items():
        print(f"\n{title}: {found['pauses']} pauses, {found['ends']} ends, {found['speakers']} speakers")
        print(f"{'':<28}" + "".join(f"{name:>17}" for name in ("cut off", "p50", "mean", "p95", "AUC")))
        for name, row in found["rules"].items():
            print(f"{name:<28}" + "".join(f"{cell(row[key]):>17}" for key in ("cut_offs", "p50", "mean", "p95", "auc")))
        print(f"{'':<28}" + "".join(f"{f'mean@{share:.0%}':>18}" for share in CURVE) + f"{'unfinished':>12}")
        for name, row in found["rules"].items():
            answered = row["unfinished_answered"]
            shown = "".join(f"{cell(row[f'mean_at_{share:.0%}']):>18}" for share in CURVE)
            print(f"{name:<28}" + shown + ("" if answered is None else f"{answered:>12.2f}"))
        for name, row in found["difference at equal cut-offs"].items():
            print(f"{name}: {cell(row)} ms")


def cell(row: dict[str, Any]) -> str:
    value, (low, high) = row["value"], row["interval"]
    if low >= -1 and high <= 1:
        return f"{value:.3f} ({low:.2f}-{high:.2f})"
    return f"{value:.0f} ({low:.0f} to {high:.0f})" if low < 0 else f"{value:.0f} ({low:.0f}-{high:.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--recognizer", default="moonshine-tiny", help="a recogniser that decodes windows")
    parser.add_argument("--words", metavar="MODEL", help="judges the words; without it, voice and silence only")
    parser.add_argument("--model-at-ms", type=int, default=64, help="how far into a pause the end-of-turn model runs")
    parser.add_argument("--observations", type=Path, help="read the observations from this file, or write them to it")
    parser.add_argument(
        "--limits", type=Path, help="a file of further rules: name -> recording and begin of the pause in ms -> limit"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    if not arguments.manifest.exists():
        sys.exit(f"Skipped: there is no manifest {arguments.manifest}.")
    file = arguments.observations
    if file and file.exists():
        pauses = [Pause(**pause) for pause in json.loads(file.read_text(encoding="utf-8"))]
    else:
        entries = [json.loads(line) for line in arguments.manifest.read_text(encoding="utf-8").splitlines()]
        listening = observe(
            entries, arguments.manifest.parent, arguments.recognizer, arguments.words, arguments.model_at_ms
        )
        pauses = asyncio.run(listening)
        if file:
            file.write_text(json.dumps([asdict(pause) for pause in pauses], indent=1), encoding="utf-8")
    others = json.loads(arguments.limits.read_text(encoding="utf-8")) if arguments.limits else {}
    result = summarize(pauses, others)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print_table(result)


if __name__ == "__main__":
    main()
