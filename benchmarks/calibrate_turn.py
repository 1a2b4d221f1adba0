"""Prints the points that calibrate an end-of-turn model: run it over labelled recordings, a manifest of `pauses.py`.

    python benchmarks/calibrate_turn.py turn-1-mini MANIFEST

Each pause gives one probability: of the sound up to `--at-ms` into it. Isotonic regression, in which every speaker
weighs the same in each of the two labels, gives how likely a probability means an end when ends and other pauses are
equally frequent. Its evidence is such that a probability that says nothing (0.5) counts as if there were no model.
The points go into the option `calibration` of the model's entry.
"""

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pauses import LEAD_MS, end_label, label_between, read_rttm, speech_frames, speech_runs
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.core.turns.endpointing import NO_VOICE
from streamsrv.engines.catalogue import Catalogue, load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.turn.base import StreamingTurnModel, TurnModel, is_streaming
from streamsrv.engines.vad.base import FRAME_MS, VAD_FRAME_SAMPLES, Vad
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler

MAX_POINTS = 12
MIN_PAUSES = 20
"""Fewer pauses of a label give no points."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A pause: who made it, whether it ended a turn, and the model's probability."""

    speaker: str
    is_end: bool
    probability: float


def points(pauses: Sequence[Scored]) -> list[tuple[float, float]]:
    """Return the points of the calibration, both values rising; raises `ValueError` if there are too few pauses."""
    counts = Counter(pause.is_end for pause in pauses)
    if min(counts[True], counts[False]) < MIN_PAUSES:
        raise ValueError(f"{counts[True]} ends and {counts[False]} other pauses; {MIN_PAUSES} of each are needed")
    of_speaker = Counter((pause.speaker, pause.is_end) for pause in pauses)
    speakers = Counter(is_end for _, is_end in of_speaker)
    blocks: list[list[float]] = []  # weight, weight of ends, weighted sum of probabilities
    for pause in sorted(pauses, key=lambda pause: pause.probability):
        weight = 1 / (of_speaker[pause.speaker, pause.is_end] * speakers[pause.is_end])
        blocks.append([weight, weight * pause.is_end, weight * pause.probability])
        while len(blocks) > 1 and (blocks[-2][1] / blocks[-2][0] >= blocks[-1][1] / blocks[-1][0] or _same(blocks)):
            merged = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], merged, strict=True)]
    likely = [(total / weight, ends / weight) for weight, ends, total in blocks]
    exponent = math.log(NO_VOICE) / math.log(0.5)
    found = [(round(probability, 4), round(share**exponent, 4)) for probability, share in likely]
    while len(found) > MAX_POINTS:  # leave out the point that changes the line the least
        gains = [after[1] - before[1] for before, after in pairwise(found)]
        found.pop(min(range(1, len(found) - 1), key=lambda index: gains[index - 1] + gains[index]))
    if len(found) == 1:
        raise ValueError("the model's probabilities do not tell ends from other pauses")
    return [point for index, point in enumerate(found) if index == 0 or point[0] > found[index - 1][0]]


def _same(blocks: Sequence[Sequence[float]]) -> bool:
    """Whether the last two blocks have the same mean probability, so that no line can part them."""
    return math.isclose(blocks[-2][2] / blocks[-2][0], blocks[-1][2] / blocks[-1][0], abs_tol=1e-4)


class Calibration:
    """Runs a model over recordings, and counts what that costs."""

    def __init__(self, model: TurnModel | StreamingTurnModel, vad: Vad, at_ms: int) -> None:
        self._model = model
        self._vad = vad
        self._at = math.ceil(at_ms / FRAME_MS)
        self.heard_s = self.cpu_s = 0.0

    def hear(self, entry: dict[str, Any], folder: Path) -> list[Scored]:
        """Return the labelled pauses of one recording; what follows the last speech must last `at_ms`."""
        pcm = read_audio(folder / entry["audio"], SPEECH_RATE_HZ)
        frames = pcm[: len(pcm) // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES].reshape(-1, VAD_FRAME_SAMPLES)
        frames = np.pad(frames, ((0, self._at), (0, 0)))
        runs = speech_runs(speech_frames(self._vad.open().probabilities(frames)))
        speakers = read_rttm(folder / entry["rttm"]) if "rttm" in entry else []
        found: list[Scored] = []
        start = max(runs[0][0] - LEAD_MS // FRAME_MS, 0) if runs else 0
        for run, following in pairwise([*runs, (len(frames), len(frames))]):
            is_last = following[0] == len(frames)
            label = end_label(entry) if is_last else label_between(speakers, run[1], following[0])
            if label is not None and following[0] - run[1] >= self._at:
                probability = self._probability(frames[start : run[1] + self._at].reshape(-1))
                found.append(Scored(entry["speaker"], label == "end", probability))
            if label == "end":
                start = max(following[0] - LEAD_MS // FRAME_MS, run[1])
        return found

    def _probability(self, pcm: Any) -> float:
        started = time.thread_time()
        if is_streaming(self._model):
            scores = self._model.open().feed(pcm)
            probability = scores[-1].end if scores else 0.0
        else:
            probability = self._model.probability(pcm)
        self.cpu_s += time.thread_time() - started
        self.heard_s += len(pcm) / SPEECH_RATE_HZ
        return probability


def load(name: str, catalogue: Catalogue, scheduler: Scheduler) -> Any:
    entry = catalogue[name]
    return load_engine(entry, LoadContext(scheduler, ModelStore().locate(entry)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of an end-of-turn model of the catalogue")
    parser.add_argument("manifest", type=Path, help="JSON lines with the recordings and their speakers")
    parser.add_argument("--at-ms", type=int, default=192, help="length of the pause when the model is asked")
    arguments = parser.parse_args()
    scheduler, catalogue = Scheduler(1), load_catalogue()
    calibration = Calibration(
        load(arguments.model, catalogue, scheduler), load("silero", catalogue, scheduler), arguments.at_ms
    )
    lines = arguments.manifest.read_text(encoding="utf-8").splitlines()
    pauses: list[Scored] = []
    for entry in [json.loads(line) for line in lines if line]:
        if entry["language"] != "zxx" and (entry.get("speakers_n", 1) == 1 or "rttm" in entry):
            pauses += calibration.hear(entry, arguments.manifest.parent)
    scheduler.close()
    ends, speakers = sum(pause.is_end for pause in pauses), len({pause.speaker for pause in pauses})
    print(f"# {arguments.model}: {ends} ends and {len(pauses) - ends} other pauses of {speakers} speakers")
    print(f"# {calibration.cpu_s / calibration.heard_s * 1000:.1f} ms of CPU time per second of audio")
    print(f"calibration = {json.dumps([list(point) for point in points(pauses)])}")


if __name__ == "__main__":
    main()
