"""Measures whether limits that follow the speaker's pauses (`core/turns/speaker_pace.py`) are better than fixed ones.

    .venv/bin/python benchmarks/turn_taking.py MANIFEST --words MODEL --observations heard.json
    .venv/bin/python benchmarks/speaker_pace.py heard.json

The pauses of each speaker come in order, recording by recording; the pace before each pause scales its limit. Compared
is the mean delay at the ends with all limits scaled to the same share of cut-offs: as shipped, and with constants that
were chosen among `GRID` on all other speakers, for each speaker. Intervals are 95 % bootstraps by speaker.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pauses import Pause
from streamsrv.core.turns import speaker_pace
from streamsrv.core.turns.endpointing import pause_limit_ms
from turn_figures import Group, Waits, difference

GRID = {"GAIN": (0.0, 0.25, 0.5, 1.0), "PRIOR": (2.0, 6.0, 15.0), "USUAL_PAUSE_MS": (400.0, 500.0, 600.0)}
"""Constants to choose from; a gain of 0 is a fixed limit."""
CUT_OFFS = (0.1, 0.15, 0.2, 0.25)
"""Shares of cut-offs at which rules are compared."""
BETWEEN_TURNS_MS = 60_000

Floats = NDArray[np.float64]


def paces(pauses: Sequence[Pause]) -> Floats:
    """Return the factor of the speaker at each pause, from the pauses before it."""
    found = np.ones(len(pauses))
    by_speaker: dict[str, list[int]] = defaultdict(list)
    for index in range(len(pauses)):
        by_speaker[pauses[index].speaker].append(index)
    for indexes in by_speaker.values():
        pace, recording, began_ms, now_ms, is_new = speaker_pace.SpeakerPace(), "", 0, 0, True
        for index in indexes:
            pause = pauses[index]
            if pause.recording != recording:
                recording, began_ms, is_new = pause.recording, 0, True
            if is_new:
                now_ms += BETWEEN_TURNS_MS
                pace.begin_turn(now_ms)
                is_new = False
            found[index] = pace.factor
            if pause.label == "inside":
                pace.follow(0, pause.pause_ms, speaks=True)
            else:
                pace.end_turn(pause.begin_ms - began_ms, now_ms, now_ms)
                began_ms, is_new = pause.begin_ms + pause.pause_ms, True
    return found


def with_constants(pauses: Sequence[Pause], constants: Sequence[float]) -> Floats:
    """Return `paces` with these values of the constants in `GRID`."""
    shipped = {name: getattr(speaker_pace, name) for name in GRID}
    try:
        for name, value in zip(GRID, constants, strict=True):
            setattr(speaker_pace, name, value)
        return paces(pauses)
    finally:
        for name, value in shipped.items():
            setattr(speaker_pace, name, value)


def held_out(group: Group, fixed: Waits) -> tuple[Floats, list[tuple[float, ...]]]:
    """Return the limits with the constants that are best for the other speakers, and which those are."""
    candidates = {each: fixed.limits * with_constants(group.pauses, each) for each in product(*GRID.values())}
    limits, chosen = fixed.limits.copy(), []
    for index in range(len(group.speakers)):
        others = group.once()
        others[index] = 0
        means = {
            each: np.mean([Waits(group, values, fixed.ready).mean_at(share, others) for share in CUT_OFFS])
            for each, values in candidates.items()
        }
        best = min(means, key=lambda each: means[each])
        chosen.append(best)
        limits[group.speaker == index] = candidates[best][group.speaker == index]
    return limits, chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("observations", type=Path, help="file written by turn_taking.py")
    arguments = parser.parse_args()
    if not arguments.observations.exists():
        sys.exit(f"Skipped: there are no observations {arguments.observations}.")
    heard = [Pause(**pause) for pause in json.loads(arguments.observations.read_text(encoding="utf-8"))]
    group = Group([pause for pause in heard if pause.language == "en" and pause.label != "unfinished"])
    limits = np.array([float(pause_limit_ms(pause.evidence(words=True, voice=True))) for pause in group.pauses])
    ready = np.array([pause.ready_ms(words=True, voice=True) for pause in group.pauses])
    fixed = Waits(group, limits, ready)
    factors = paces(group.pauses)
    adapted = Waits(group, limits * factors, ready)
    by_fold, chosen = held_out(group, fixed)
    print(f"{len(group.speakers)} speakers, {group.inside.sum()} pauses inside turns, {group.end.sum()} ends")
    print(f"factors as shipped: {factors.min():.2f} to {factors.max():.2f}")
    print(f"chosen most often: {max(set(chosen), key=chosen.count)} of {tuple(GRID)}")
    for name, waits in (("fixed", fixed), ("as shipped", adapted), ("held out", Waits(group, by_fold, ready))):
        print(f"{name}: cut off {waits.cut_offs(group.once()):.1%}, mean {waits.delay(group.once()):.0f} ms")
        for share in CUT_OFFS if waits is not fixed else ():
            found = difference(waits, fixed, share)
            low, high = found["interval"]
            mean_ms = fixed.mean_at(share, group.once())
            print(f"  at {share:.0%}: {found['value']:+.0f} ms ({low:+.0f} to {high:+.0f}) of {mean_ms:.0f}")


if __name__ == "__main__":
    main()
