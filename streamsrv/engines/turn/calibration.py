"""Turns the probabilities of an end-of-turn model into evidence, by points that were measured. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]
"""A probability (0..1) of the model, and how much it speaks for the end of the turn (0..1)."""


def problem(points: Sequence[Sequence[float]]) -> str:
    """Return what is wrong with the points of an entry; empty if they can be used. No points are right, too."""
    if len(points) == 1 or any(len(point) != 2 for point in points):
        return "two points or more are needed, each [probability, evidence]"
    if not all(0 <= value <= 1 for point in points for value in point):
        return "probabilities and evidence are numbers from 0 to 1"
    pairs = list(pairwise(points))
    if not all(before[0] < after[0] and before[1] <= after[1] for before, after in pairs):
        return "probabilities must rise from point to point, and evidence must not fall"
    return ""


def interpolate(points: Sequence[Point], probability: float) -> float:
    """Return the evidence of a probability: on the line between two points, and beyond the outer ones as at them.

    Without points the probability itself is the evidence.
    """
    if not points:
        return probability
    after = bisect_right(points, probability, key=lambda point: point[0])
    if after in (0, len(points)):
        return points[0][1] if after == 0 else points[-1][1]
    (low, from_evidence), (high, to_evidence) = points[after - 1], points[after]
    return from_evidence + (to_evidence - from_evidence) * (probability - low) / (high - low)
