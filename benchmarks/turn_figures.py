"""Figures of end-of-turn rules: delays, cut-offs, and their intervals by speaker, for `turn_taking.py`."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pauses import Pause

ANSWERED_MS = 1000
"""Longest wait after an unfinished sentence that counts as an answer to it."""
CURVE = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
"""Shares of cut-offs at which rules are compared."""
DRAWS = 1000

Floats = NDArray[np.float64]
Measure = Callable[[Floats], float]
"""A figure, given how often each speaker counts."""


class Group:
    """Some pauses, and how much each counts.

    A speaker with more pauses (or ends) than the mean of all speakers counts as one with the mean: theirs are weighted
    down in proportion.
    """

    def __init__(self, pauses: Sequence[Pause]) -> None:
        self.pauses = pauses
        self.speakers, self.speaker = np.unique([pause.speaker for pause in pauses], return_inverse=True)
        self.inside, self.end, self.unfinished = (
            np.array([pause.label == label for pause in pauses], bool) for label in ("inside", "end", "unfinished")
        )
        self.length = np.array([float(pause.pause_ms) for pause in pauses])
        self.weight = np.zeros(len(pauses))
        for chosen in (self.inside, self.end, self.unfinished):
            self.weight[chosen] = equal_shares(self.speaker[chosen])
        random = np.random.default_rng(0)
        draws = random.multinomial(len(self.speakers), np.full(len(self.speakers), 1 / len(self.speakers)), DRAWS)
        enough = [bool(draw[self.speaker[self.inside]].any() and draw[self.speaker[self.end]].any()) for draw in draws]
        self.draws = draws[np.array(enough)].astype(float)
        """How often each speaker was drawn: for bootstrap intervals by speaker."""

    def interval(self, measure: Measure) -> list[float]:
        """Return the 95 % bootstrap interval of a figure."""
        values = [measure(draw) for draw in self.draws]
        return [float(value) for value in np.quantile(values, (0.025, 0.975))]

    def once(self) -> Floats:
        return np.ones(len(self.speakers))


def equal_shares(speakers: NDArray[np.int64]) -> Floats:
    """Return the weight of each pause, by the speaker of each."""
    if not len(speakers):
        return np.zeros(0)
    counts = Counter(speakers.tolist())
    share = len(speakers) / len(counts)
    return np.array([min(1.0, share / counts[speaker]) for speaker in speakers.tolist()])


class Waits:
    """The waits of one rule in a group: how long each pause must last, and when the rule knows that, both in ms."""

    def __init__(self, group: Group, limits: Floats, ready: Floats) -> None:
        self.group, self.limits, self.ready = group, limits, ready

    def _weights(self, chosen: NDArray[np.bool_], times: Floats) -> Floats:
        return (self.group.weight * times[self.group.speaker])[chosen]

    def cut_offs(self, times: Floats, scale: float = 1.0) -> float:
        """Return the share of the pauses inside turns that end the turn."""
        inside = self.group.inside
        waits = np.maximum(self.limits * scale, self.ready)[inside]
        return float(np.average(waits < self.group.length[inside], weights=self._weights(inside, times)))

    def scale_at(self, cut_offs: float, times: Floats) -> float:
        """Return the smallest factor of all limits with at most this share of cut-offs."""
        inside = self.group.inside
        length = self.group.length[inside]
        ratios = np.where(length > self.ready[inside], length / self.limits[inside], 0.0)
        order = np.argsort(-ratios)
        weights = self._weights(inside, times)[order]
        above = np.cumsum(weights) / weights.sum()
        first = int(np.searchsorted(above, cut_offs + 1e-9, side="right"))
        return float(ratios[order][min(first, len(order) - 1)]) * 1.0001

    def delay(self, times: Floats, scale: float = 1.0, quantile: float | None = None) -> float:
        """Return the mean delay at the ends, or a quantile of it."""
        end = self.group.end
        delays = np.maximum(self.limits * scale, self.ready)[end]
        weights = self._weights(end, times)
        if quantile is None:
            return float(np.average(delays, weights=weights))
        order = np.argsort(delays)
        reached = np.cumsum(weights[order]) / weights.sum()
        return float(delays[order][np.searchsorted(reached, quantile - 1e-9)])

    def mean_at(self, cut_offs: float, times: Floats) -> float:
        """Return the mean delay with all limits scaled to this share of cut-offs."""
        return self.delay(times, self.scale_at(cut_offs, times))

    def auc(self, times: Floats) -> float:
        """Return how often a pause inside a turn has a longer limit than an end of one; 0.5 is chance."""
        inside, end = self.group.inside, self.group.end
        order = np.sign(self.limits[inside][:, None] - self.limits[end][None, :])
        weights = self._weights(inside, times)[:, None] * self._weights(end, times)[None, :]
        return float(np.average((order + 1) / 2, weights=weights))

    def answered(self) -> float | None:
        """Return the share of unfinished sentences with a limit below `ANSWERED_MS`."""
        chosen = self.group.unfinished
        return float(np.mean(self.limits[chosen] < ANSWERED_MS)) if chosen.any() else None

    def figures(self) -> dict[str, Any]:
        """Return all figures with their intervals, times in ms."""
        measures: dict[str, Measure] = {
            "cut_offs": self.cut_offs,
            "p50": lambda times: self.delay(times, quantile=0.5),
            "mean": self.delay,
            "p95": lambda times: self.delay(times, quantile=0.95),
            "auc": self.auc,
        }
        for share in CURVE:
            measures[f"mean_at_{share:.0%}"] = lambda times, share=share: self.mean_at(share, times)
        once = self.group.once()
        found: dict[str, Any] = {
            name: {"value": measure(once), "interval": self.group.interval(measure)}
            for name, measure in measures.items()
        }
        return found | {"unfinished_answered": self.answered()}


def difference(ours: Waits, other: Waits, cut_offs: float) -> dict[str, Any]:
    """Return our mean delay less the other rule's, both scaled to this share of cut-offs, with its interval."""

    def measure(times: Floats) -> float:
        return ours.mean_at(cut_offs, times) - other.mean_at(cut_offs, times)

    return {"value": measure(ours.group.once()), "interval": ours.group.interval(measure)}
