"""Fits the formula of `streamsrv/core/turns/endpointing.py` to pauses, for speakers that it has not heard.

    .venv/bin/python benchmarks/turn_taking.py MANIFEST --words MODEL --observations heard.json
    .venv/bin/python benchmarks/fit_pauses.py heard.json

The limit of a pause is exp(clip(k - b v - c r - d p, l, h)): v the voice, r and p the log odds of an end after the text
as recognised and without marks. Minimised: the mean delay at the ends, plus `CUT_OFF_MS` for each pause inside a turn
that ends it (a logistic function of the ratio of pause and limit, `SOFTNESS` wide), plus a small ridge on the
coefficients. k, b, c, d and both bounds are fitted together, with coefficients of 0 or more. A speaker's pauses weigh
as in `turn_figures.py`. `held_out` judges each speaker by what was fitted on all others.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pauses import Pause
from streamsrv.core.turns.endpointing import MIN_PROBABILITY
from turn_figures import Group

CUT_OFF_MS = 3000.0
"""What a cut-off costs, as a delay: one of a hundred pauses is worth 30 ms of the mean delay."""
SOFTNESS = 0.15
RIDGE = 5.0
STEPS = 900

Floats = NDArray[np.float64]


class Formula:
    """The formula with the evidence that is known: the words, the voice, both or neither."""

    def __init__(self, pauses: Sequence[Pause], *, words: bool, voice: bool) -> None:
        columns = [[pause.voice for pause in pauses]] if voice else []
        if words:
            columns += [[log_odds((pause.words or (0.0, 0.0))[index]) / 8 for pause in pauses] for index in (0, 1)]
        self.evidence = np.array(columns).reshape(len(columns), len(pauses)).T
        self.ready = np.array([pause.ready_ms(words=words, voice=voice) for pause in pauses])

    def limits(self, parameters: Floats) -> Floats:
        """Return the limits in ms. `parameters`: k, log of the lower bound, log of the upper bound, coefficients."""
        exponent, low, high = parameters[:3]
        waits = exponent - self.evidence @ np.abs(parameters[3:])
        return np.exp(np.clip(waits, min(low, high), max(low, high)))

    def fitted(self, group: Group, chosen: NDArray[np.bool_]) -> Floats:
        """Return the parameters that are best for the chosen pauses."""
        inside, end = group.inside & chosen, group.end & chosen

        def loss(parameters: Floats) -> float:
            waits = np.maximum(self.limits(parameters), self.ready)
            odds = (np.log(group.length[inside]) - np.log(waits[inside])) / SOFTNESS
            cut = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
            cost = CUT_OFF_MS * np.average(cut, weights=group.weight[inside])
            ridge = RIDGE * float(np.sum(parameters[3:] ** 2))
            return float(np.average(waits[end], weights=group.weight[end]) + cost + ridge)

        start = np.concatenate([np.log([750.0, 400.0, 1400.0]), np.full(self.evidence.shape[1], 0.5)])
        return minimum(loss, minimum(loss, start))

    def held_out(self, group: Group) -> Floats:
        """Return the limits of each speaker's pauses by the formula as fitted on all others."""
        limits = np.zeros(len(group.pauses))
        for speaker in range(len(group.speakers)):
            theirs = group.speaker == speaker
            limits[theirs] = self.limits(self.fitted(group, ~theirs))[theirs]
        return limits


def log_odds(probability: float) -> float:
    likely = min(max(probability, MIN_PROBABILITY), 1 - MIN_PROBABILITY)
    return float(np.log(likely / (1 - likely)))


def minimum(loss: Callable[[Floats], float], start: Floats) -> Floats:
    """Return where a function is smallest near `start`, by the method of Nelder and Mead (1965)."""
    points = [start, *(start + 0.3 * step for step in np.eye(len(start)))]
    values = [loss(point) for point in points]
    for _ in range(STEPS):
        order = np.argsort(values)
        points, values = [points[index] for index in order], [values[index] for index in order]
        if values[-1] - values[0] < 1e-3:
            break
        center = np.mean(points[:-1], axis=0)
        tried = [center + factor * (points[-1] - center) for factor in (-1.0, -2.0, -0.5, 0.5)]
        reflected = loss(tried[0])
        if values[0] <= reflected < values[-2]:
            points[-1], values[-1] = tried[0], reflected
            continue
        better = tried[1] if reflected < values[0] else tried[2] if reflected < values[-1] else tried[3]
        value = loss(better)
        if value < min(reflected, values[-1]):
            points[-1], values[-1] = better, value
        elif reflected < values[-1]:
            points[-1], values[-1] = tried[0], reflected
        else:
            points = [points[0], *((point + points[0]) / 2 for point in points[1:])]
            values = [values[0], *(loss(point) for point in points[1:])]
    return points[int(np.argmin(values))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("observations", type=Path, help="file written by turn_taking.py")
    arguments = parser.parse_args()
    heard = [Pause(**pause) for pause in json.loads(arguments.observations.read_text(encoding="utf-8"))]
    group = Group([pause for pause in heard if pause.language == "en"])
    for words, voice in ((True, True), (True, False), (False, True), (False, False)):
        formula = Formula(group.pauses, words=words, voice=voice)
        exponent, low, high, *coefficients = formula.fitted(group, np.ones(len(group.pauses), bool))
        known = " and ".join(name for name, is_known in (("words", words), ("voice", voice)) if is_known) or "neither"
        names = ["voice"] * voice + ["as recognised", "plain"] * words
        shown = [abs(value) / (1 if name == "voice" else 8) for name, value in zip(names, coefficients, strict=True)]
        print(f"{known}: {np.exp(exponent):.0f} ms without evidence, from {np.exp(low):.0f} to {np.exp(high):.0f} ms")
        print("  " + ", ".join(f"{name} {value:.4f}" for name, value in zip(names, shown, strict=True)))


if __name__ == "__main__":
    main()
