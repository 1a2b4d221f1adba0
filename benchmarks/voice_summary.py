"""The figures of `voice_to_voice.py`, with bootstrap intervals by speaker. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voice_turns import Turn

DRAWS = 2000
INTERVAL = (0.025, 0.975)

Figure = Callable[[Sequence[Turn]], float]
"""Returns a figure of some turns; NaN if they do not have it."""


def quantile(share: float, *, cut_off: bool = False) -> Figure:
    """Return a quantile of the time to the first sound, of turns that were not cut off, or of all."""
    return lambda turns: float(np.quantile(times, share)) if (times := first_sounds(turns, cut_off)) else np.nan


def first_sounds(turns: Iterable[Turn], cut_off: bool) -> list[float]:
    answered = [turn for turn in turns if turn.first_sound_ms is not None]
    return [turn.first_sound_ms or 0.0 for turn in answered if cut_off or not turn.is_cut_off]


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else np.nan


FIGURES: dict[str, Figure] = {
    "p50_ms": quantile(0.5),
    "mean_ms": lambda turns: mean(first_sounds(turns, False)),
    "p95_ms": quantile(0.95),
    "p50_with_cut_off_ms": quantile(0.5, cut_off=True),
    "mean_with_cut_off_ms": lambda turns: mean(first_sounds(turns, True)),
    "p95_with_cut_off_ms": quantile(0.95, cut_off=True),
    "cut_off": lambda turns: mean([turn.is_cut_off for turn in turns]),
    "cut_off_of_pauses": lambda turns: share(
        sum(len(turn.cut_pauses) for turn in turns), sum(len(turn.pauses_ms) for turn in turns)
    ),
    "false_reply_heard_ms": lambda turns: mean([turn.false_reply_ms for turn in turns]),
    "false_reply_heard_when_cut_off_ms": lambda turns: mean([t.false_reply_ms for t in turns if t.is_cut_off]),
    "answers_to_a_part": lambda turns: mean([turn.false_replies for turn in turns]),
}
"""`p50` to `p95`: turns that were not cut off. `answers_to_a_part`: false replies of which something was heard."""

COMPARED = ("p50_ms", "mean_ms", "p95_ms", "p50_with_cut_off_ms", "mean_with_cut_off_ms", "p95_with_cut_off_ms")
AIMS = {"p50_ms": 450, "p95_ms": 1000, "cut_off": 0.05, "false_reply_heard_ms": 150}


def share(part: float, whole: float) -> float:
    return part / whole if whole else np.nan


def drawn(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Return `DRAWS` samples: as many speakers as there are, drawn with replacement, with all of their turns.

    The samples of two systems hold the same speakers, so that their ratios can be compared.
    """
    speakers = sorted({turn.speaker for turn in turns})
    own = {speaker: [turn for turn in turns if turn.speaker == speaker] for speaker in speakers}
    random = np.random.default_rng(0)
    picks = random.integers(len(speakers), size=(DRAWS, len(speakers)))
    return [[turn for number in pick for turn in own[speakers[number]]] for pick in picks]


def with_interval(value: float, samples: Sequence[float]) -> list[float | None]:
    """Return a figure and its interval of 95 %; None: it is not known."""
    known = [sample for sample in samples if not np.isnan(sample)]
    low, high = np.quantile(known, INTERVAL) if known else (np.nan, np.nan)
    return [rounded(value), rounded(low), rounded(high)]


def rounded(value: float) -> float | None:
    if np.isnan(value):
        return None
    return round(float(value)) if abs(value) >= 10 else round(float(value), 3)


def summarize(turns: Sequence[Turn]) -> dict[str, Any]:
    """Return for each system its figures, each with an interval, and the ratios to pipecat, if it took part."""
    systems = {name: [turn for turn in turns if turn.system == name] for name in dict.fromkeys(t.system for t in turns)}
    samples = {name: drawn(own) for name, own in systems.items()}
    values = {
        name: {figure: [compute(sample) for sample in samples[name]] for figure, compute in FIGURES.items()}
        for name in systems
    }
    found: dict[str, Any] = {}
    for name, own in systems.items():
        found[name] = {
            figure: with_interval(compute(own), values[name][figure]) for figure, compute in FIGURES.items()
        } | counts(own)
        if "pipecat" in systems and name != "pipecat":
            found[name]["ratio_to_pipecat"] = {
                figure: with_interval(
                    FIGURES[figure](own) / FIGURES[figure](systems["pipecat"]),
                    list(np.divide(values[name][figure], values["pipecat"][figure])),
                )
                for figure in COMPARED
            }
        if name != "pipecat":
            found[name]["missed_aims"] = {
                figure: f"{found[name][figure][0]}, aim {aim}"
                for figure, aim in AIMS.items()
                if found[name][figure][0] is None or found[name][figure][0] > aim
            }
    return found


def counts(turns: Sequence[Turn]) -> dict[str, Any]:
    limits = [limit_ms for turn in turns for limit_ms in turn.pause_limits_ms]
    return {
        "utterances": len(turns),
        "speakers": len({turn.speaker for turn in turns}),
        "pauses": sum(len(turn.pauses_ms) for turn in turns),
        "cut_off_utterances": sum(turn.is_cut_off for turn in turns),
        "cut_off_pauses": sum(len(turn.cut_pauses) for turn in turns),
        "false_replies": sum(turn.false_replies for turn in turns),
        "not_answered": sum(turn.first_sound_ms is None for turn in turns),
        "stages_ms": stages(turns),
        "after_the_decision_ms": after_the_decision(turns),
        "pause_limits_ms": [round(float(ms)) for ms in np.quantile(limits, (0, 0.5, 0.95, 1))] if limits else None,
        "load": {"first": turns[0].load, "last": turns[-1].load, "mean": round(mean([turn.load for turn in turns]), 2)},
    }


def stages(turns: Sequence[Turn]) -> dict[str, list[int]]:
    """Return the median and the 95th percentile of each stage, as the server tells them."""
    names = dict.fromkeys(name for turn in turns for name in turn.stages if name.endswith("_ms"))
    return {name: spread_of([turn.stages[name] for turn in turns if name in turn.stages]) for name in names}


def after_the_decision(turns: Sequence[Turn]) -> dict[str, list[int]]:
    """Return the same for the time from the end of the turn to each later stage, and to the client's first sound.

    A stage of an answer that was begun in the pause has a negative time.
    """
    ended = [turn for turn in turns if "turn_ended_ms" in turn.stages and turn.first_sound_ms is not None]
    names = dict.fromkeys(name for turn in ended for name in turn.stages if name.endswith("_ms"))
    found = {
        name: spread_of([turn.stages[name] - turn.stages["turn_ended_ms"] for turn in ended if name in turn.stages])
        for name in names
        if name != "turn_ended_ms"
    }
    at_client = [(turn.first_sound_ms or 0.0) - max(turn.ended_ms) for turn in ended]
    return found | ({"first_sound_at_the_client_ms": spread_of(at_client)} if at_client else {})


def spread_of(values: Sequence[float]) -> list[int]:
    median, tail = np.quantile(values, (0.5, 0.95))
    return [round(float(median)), round(float(tail))]


def rows(found: dict[str, Any], figures: Iterable[str]) -> NDArray[np.str_]:
    """Return a table with a row for each figure and a column for each system: value, low and high."""
    return np.array([[figure, *("{} ({} to {})".format(*own[figure]) for own in found.values())] for figure in figures])
