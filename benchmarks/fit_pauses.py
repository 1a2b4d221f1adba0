"""Measures how good pause limits that were chosen on some speakers are for others.

    .venv/bin/python benchmarks/turn_taking.py MANIFEST --observations heard.json
    .venv/bin/python benchmarks/fit_pauses.py heard.json

Chooses the limits of `streamsrv/core/turns/endpointing.py` among all combinations of `GRID` on a random half of the
speakers, and measures them on the other half: delay at 5 % cut-offs against silence alone, as in `turn_taking.py`. Mean
and spread over many draws estimate the result for unknown speakers. The limits in the code, which were chosen on all
speakers, are measured on the same halves. The word tables do not change.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pauses import Pause
from streamsrv.core.turns.endpointing import (
    COMPLETE,
    ITEMS,
    LIMITS_MS,
    MAX_FOR_EARLIER_PAUSE_MS,
    MAY_GO_ON,
    MUST_GO_ON,
    Ending,
)
from streamsrv.core.turns.sentence_endings import ending_of

GROUPS = (COMPLETE, (Ending.STATEMENT,), (*MAY_GO_ON, Ending.UNKNOWN), ITEMS, MUST_GO_ON)
GRID: tuple[tuple[tuple[int, int, int], ...], ...] = (
    ((400, 400, 400), (400, 400, 320), (600, 400, 240), (500, 500, 500)),
    ((650, 650, 650), (1000, 650, 600), (1000, 650, 550), (1000, 650, 500)),
    (
        (1000, 1000, 1000),
        (1000, 1000, 500),
        (1200, 1200, 1200),
        (1200, 1200, 400),
        (1500, 1500, 1500),
        (1500, 1500, 750),
    ),
    ((1200, 1200, 1200), (1500, 1500, 1500), (1500, 1500, 750), (1900, 1900, 1900)),
    ((1200, 1200, 1200), (1500, 1500, 1500), (1500, 1500, 750), (1900, 1900, 1900)),
)
"""Limits to choose from for each group: not done, undecided, done. The undecided limit of a statement is fixed, because
the comparison scales all waits."""
EARLIER_PAUSES_MS = (0, 500, 700, 1000, 1500)
CUT_OFFS = (0.05, 0.1, 0.2)
"""Shares of cut-offs at which limits are compared; a single share would depend on a single pause."""
TAIL_WEIGHT = 0.2
"""Weight of the 95th percentile of the delay; the median has weight 1."""

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]


class Pauses:
    """Pauses as arrays with one element for each pause; without `model`, no end-of-turn predictions are used."""

    def __init__(self, pauses: Sequence[Pause], *, model: bool) -> None:
        endings = [ending_of(pause.text) for pause in pauses]
        self.groups = [np.array([ending in group for ending in endings]) for group in GROUPS]
        self.inside = np.array([pause.label == "inside" for pause in pauses])
        self.length = np.array([float(pause.pause_ms) for pause in pauses])
        self.earlier = np.array([float(pause.longest_pause_ms) for pause in pauses])
        self.probability = np.array([pause.probability if model else 0.5 for pause in pauses])
        self.speaker = np.array([pause.speaker for pause in pauses])

    def waits(self, limits: Sequence[tuple[int, int, int]], earlier_pause_ms: int) -> Floats:
        """Return the limits of `pause_limit_ms` with other numbers."""
        by_voice = [np.interp(self.probability, (0, 0.5, 1), limit) for limit in limits]
        return np.maximum(np.select(self.groups, by_voice), np.minimum(self.earlier, earlier_pause_ms))

    def ratios(self, waits: Floats, chosen: Chosen, cut_offs: float) -> tuple[float, float]:
        """Return median and 95th percentile of the delay, relative to silence alone at the same share of cut-offs."""
        inside, ends = chosen & self.inside, chosen & ~self.inside
        allowed = int(cut_offs * inside.sum())
        scale = np.sort(self.length[inside] / waits[inside])[::-1][allowed]
        silence = np.sort(self.length[inside])[::-1][allowed]
        median, tail = np.quantile(waits[ends], (0.5, 0.95)) * scale / silence
        return float(median), float(tail)

    def loss(self, waits: Floats, chosen: Chosen) -> float:
        ratios = [self.ratios(waits, chosen, cut_offs) for cut_offs in CUT_OFFS]
        return float(np.mean([median + TAIL_WEIGHT * tail for median, tail in ratios]))

    def halves(self, draws: int) -> Iterator[Chosen]:
        names, random = np.unique(self.speaker), np.random.default_rng(0)
        for _ in range(draws):
            yield np.isin(self.speaker, random.permutation(names)[: len(names) // 2])


def report(pauses: Pauses, *, model: bool, draws: int) -> None:
    grid = GRID if model else [sorted({limit for limit in limits if len(set(limit)) == 1}) for limits in GRID]
    candidates = list(product(product(*grid), EARLIER_PAUSES_MS))
    waits = [pauses.waits(*candidate) for candidate in candidates]
    in_code = pauses.waits([LIMITS_MS[group[0]] for group in GROUPS], MAX_FOR_EARLIER_PAUSE_MS)
    everyone = np.ones(len(pauses.inside), bool)
    losses = [pauses.loss(w, everyone) for w in waits]
    print(f"  best on all speakers: {candidates[int(np.argmin(losses))]}")
    print(f"  its loss {min(losses):.3f}, that of the code {pauses.loss(in_code, everyone):.3f}")
    held_out: dict[str, list[tuple[float, float]]] = {"chosen on the others": [], "those in the code": []}
    for half in pauses.halves(draws):
        best = waits[int(np.argmin([pauses.loss(w, half) for w in waits]))]
        held_out["chosen on the others"].append(pauses.ratios(best, ~half, 0.05))
        held_out["those in the code"].append(pauses.ratios(in_code, ~half, 0.05))
    for name, ratios in held_out.items():
        (median, tail), (median_spread, tail_spread) = np.mean(ratios, axis=0), np.std(ratios, axis=0)
        print(f"  {name:<21} p50 {median:.2f} +- {median_spread:.2f}, p95 {tail:.2f} +- {tail_spread:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("observations", type=Path, help="file written by turn_taking.py")
    parser.add_argument("--draws", type=int, default=20)
    arguments = parser.parse_args()
    heard = [Pause(**pause) for pause in json.loads(arguments.observations.read_text(encoding="utf-8"))]
    english = [pause for pause in heard if pause.language == "en" and pause.label != "unfinished"]
    for model in (False, True):
        print(f"{'text + end-of-turn model' if model else 'text'}: ratios to silence alone at 5 % cut-offs")
        report(Pauses(english, model=model), model=model, draws=arguments.draws)


if __name__ == "__main__":
    main()
