"""The utterances of `voice_to_voice.py`: which recordings they are, their pauses, and their sound in a room.

Needs of a line of the manifest: `audio` (a path relative to it), `id`, `speaker`, `kind`, `language`, `duration_s`,
`text`, and where they apply `speakers_n`, `subset` and `turn_complete`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pauses import end_label, speech_frames, speech_runs
from room_tone import at_level, level, looped, quiet_stretches
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.engines.vad.base import FRAME_MS, VAD_FRAME_SAMPLES, Vad

KINDS = ("command", "conversational", "read")
MAX_S = 15.0
"""Longest recording that is chosen, in seconds."""
LEAD_S, TAIL_S = 1.0, 10.0
"""Seconds of room tone before and after a recording. pipecat sets up its pipeline in the first."""

ROOM_TONE_MS = 512
"""Of the recording's own room tone, as much is looped."""

Frames = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording in its room. Times are ms of `pcm`, which is mono at 16 kHz.

    `ended_ms`: its last voiced sample, good to a frame of voice activity (32 ms). `pauses`: begin and end of each pause
    inside of it, of 200 ms and more.
    """

    id: str
    speaker: str
    kind: str
    text: str
    pcm: Frames
    ended_ms: int
    pauses: tuple[tuple[int, int], ...]

    def at(self, rate: int) -> Frames:
        return StreamResampler(SPEECH_RATE_HZ, rate).process(self.pcm, last=True)


def choose(entries: Iterable[dict[str, Any]], per_speaker: int) -> list[dict[str, Any]]:
    """Return the complete English turns of single speakers, at most `per_speaker` of each, spread evenly over his.

    Left out: recordings longer than `MAX_S`; texts that end with a comma; recordings whose end says nothing (as in
    `turn_taking.py`).
    """
    by_speaker: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        is_one = entry["language"] == "en" and entry["kind"] in KINDS and entry.get("speakers_n", 1) == 1
        is_whole = is_one and end_label(entry) == "end" and not entry["text"].rstrip().endswith(",")
        if is_whole and entry["duration_s"] <= MAX_S:
            by_speaker[entry["speaker"]].append(entry)
    return [entry for own in by_speaker.values() for entry in spread(own, per_speaker)]


def spread(entries: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return at most so many of the entries, from the first on at even distances."""
    count = min(most, len(entries))
    return [entries[number * len(entries) // count] for number in range(count)]


class Reader:
    """Reads recordings as utterances. `room`: of which the tone is taken for recordings that have none of their own."""

    def __init__(self, vad: Vad, room: Frames) -> None:
        self._vad = vad
        self._room = room
        self.borrowed = 0
        """How many had none."""

    def read(self, entry: dict[str, Any], folder: Path) -> Utterance:
        recorded = read_audio(folder / entry["audio"], SPEECH_RATE_HZ)
        frames = np.pad(recorded, (0, -len(recorded) % VAD_FRAME_SAMPLES)).reshape(-1, VAD_FRAME_SAMPLES)
        probabilities = list(self._vad.open().probabilities(frames))
        lead, tail = self._room_tone(recorded, frames, probabilities)
        lead_ms = len(lead) * 1000 // SPEECH_RATE_HZ
        runs = [
            (lead_ms + begin * FRAME_MS, lead_ms + end * FRAME_MS)
            for begin, end in speech_runs(speech_frames(probabilities))
        ]
        return Utterance(
            id=entry["id"],
            speaker=entry["speaker"],
            kind=entry["kind"],
            text=entry["text"],
            pcm=np.concatenate([lead, recorded, tail]),
            ended_ms=runs[-1][1],
            pauses=tuple((before[1], after[0]) for before, after in pairwise(runs)),
        )

    def _room_tone(self, recorded: Frames, frames: Frames, probabilities: Sequence[float]) -> tuple[Frames, Frames]:
        """Return what is heard before and after a recording."""
        stretches = quiet_stretches(recorded, probabilities, ROOM_TONE_MS)
        if not stretches:
            self.borrowed += 1
            quietest = float(np.percentile([level(frame) for frame in frames], 5))
            stretches = [at_level(self._room, quietest)]
        lead, tail = (looped(stretches, round(seconds * SPEECH_RATE_HZ)) for seconds in (LEAD_S, TAIL_S))
        return lead, tail
