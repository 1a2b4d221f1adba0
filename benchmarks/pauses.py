"""Finds pauses in recorded speech and the evidence that a server has in them, for `turn_taking.py`."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from room_tone import at_level, level, looped, quiet_stretches
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.core.reading_ahead import WORDS_AT_ONCE
from streamsrv.core.turns.endpointing import Evidence
from streamsrv.engines.asr.base import RecognitionOptions, Transcript
from streamsrv.engines.asr.windows.incremental import Decode, IncrementalRecognizer
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.turn.base import TurnModel, WordsEnding, WordsTurnModel
from streamsrv.engines.vad.base import FRAME_MS, VAD_FRAME_SAMPLES, Vad
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Priority
from streamsrv.testing.word_errors import prefix_distances
from streamsrv.text.words import split_words
from virtual_time import MeasuredScheduler

MIN_PAUSE_MS = 200
SPEECH = 0.5
"""Probability from which a frame of a turn counts as speech, as in `streamsrv/core/turns`."""
ONSET_MS = 64
CLICK_MS = 256
"""A final burst of sound up to this long is a click or a breath, because no recording ends in such a short word."""
TENTATIVE_WORDS = 3
"""Newest words before a pause that may still change, so that nobody has read them."""
LEAD_MS = 300
ROOM_TONE_MS = 512
"""Of the recording's own room tone, as much is looped."""

Frames = NDArray[np.int16]
Label = Literal["inside", "end", "unfinished"]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause and the evidence in it. At the end of a turn, `pause_ms` is the length of the observed silence."""

    recording: str
    speaker: str
    group: str
    language: str
    label: Label
    begin_ms: int
    """Where in the recording the pause begins."""
    pause_ms: int
    longest_pause_ms: int
    text: str = ""
    text_ready_ms: float = 0.0
    words: tuple[float, float] | None = None
    """The probabilities of an end after the text as recognised and without marks; None: they are not judged."""
    words_ready_ms: float = 0.0
    probability: float = 0.0
    voice: float = 0.0
    """What the probability of the end-of-turn model says, 0..1."""
    voice_ready_ms: float = 0.0
    in_sentence: bool | None = None
    """Whether the transcript of the whole recording has no sentence end at this pause."""

    def evidence(self, *, words: bool, voice: bool) -> Evidence:
        return Evidence(
            text=self.text,
            at_pause=True,
            words=WordsEnding(*self.words) if words and self.words else None,
            voice=self.voice if voice else None,
        )

    def ready_ms(self, *, words: bool, voice: bool) -> float:
        """Return when all of this evidence is known, in ms from the beginning of the pause."""
        return max(self.words_ready_ms if words and self.words else 0.0, self.voice_ready_ms if voice else 0.0)


class Listener:
    """Processes recordings as a server does: voice activity, streaming recognition, the end-of-turn model in pauses."""

    def __init__(self, recognizer: str, words: str | None, model_at_ms: int, room_tone: Frames | None) -> None:
        self.scheduler = MeasuredScheduler()
        self._room_tone = room_tone
        self.borrowed = 0
        """How many recordings ended in the room tone of another."""
        self._vad: Vad = self._load("silero")
        self._recognizer: IncrementalRecognizer = self._load(recognizer)
        self._model: TurnModel = self._load("smart-turn")
        self._words: WordsTurnModel | None = self._load(words) if words else None
        self._model_at = model_at_ms // FRAME_MS

    def _load(self, name: str) -> Any:
        entry = load_catalogue()[name]
        return load_engine(entry, LoadContext(self.scheduler, ModelStore().locate(entry)))

    async def hear(self, entry: dict[str, Any], folder: Path) -> list[Pause]:
        """Return all labelled pauses of one recording."""
        frames = self._with_room_tone(read_audio(folder / entry["audio"], SPEECH_RATE_HZ))
        speech = speech_frames(self._vad.open().probabilities(frames))
        runs = speech_runs(speech)
        speakers = read_rttm(folder / entry["rttm"]) if "rttm" in entry else []
        pauses: list[Pause] = []
        turn: list[Span] = []
        for run, following in pairwise([*runs, (len(frames), len(frames))]):
            turn.append(run)
            is_last = following[0] == len(frames)
            label = end_label(entry) if is_last else label_between(speakers, run[1], following[0])
            if is_last or label == "end":
                pauses += await self._hear_turn(entry, frames[: following[0]], speech, turn, label)
                turn = []
        return await self._with_context(entry, frames, pauses)

    async def _hear_turn(
        self, entry: dict[str, Any], frames: Frames, speech: Sequence[bool], turn: list[Span], label: Label | None
    ) -> list[Pause]:
        """Return the pauses after each run of speech of a turn. `label`: that of the turn's end; None leaves it out."""
        start = max(turn[0][0] - LEAD_MS // FRAME_MS, 0)
        ends = [*(run[0] for run in turn[1:]), len(frames)]
        begins = [run[1] for run in turn]
        texts = await self._texts(frames, speech, start, begins) if entry["language"] == "en" else {}
        pauses: list[Pause] = []
        for begin, end in zip(begins, ends, strict=True):
            text, text_ready_ms = texts.get(begin, ("", 0.0))
            words, words_ms = await self._judge(text)
            probability, model_ms = self._probability(frames[start : begin + self._model_at])
            pauses.append(
                Pause(
                    recording=entry["id"],
                    speaker=entry["speaker"],
                    group=group_of(entry),
                    language=entry["language"],
                    label="inside" if end < len(frames) else label or "end",
                    begin_ms=begin * FRAME_MS,
                    pause_ms=(end - begin) * FRAME_MS,
                    longest_pause_ms=max((pause.pause_ms for pause in pauses), default=0),
                    text=text,
                    text_ready_ms=text_ready_ms,
                    words=words,
                    words_ready_ms=text_ready_ms + words_ms,
                    probability=probability,
                    voice=self._model.evidence(probability),
                    voice_ready_ms=self._model_at * FRAME_MS + model_ms,
                )
            )
        return pauses if label else pauses[:-1]

    def _probability(self, frames: Frames) -> tuple[float, float]:
        started = time.thread_time()
        probability = self._model.probability(frames.reshape(-1))
        return probability, (time.thread_time() - started) * 1000

    async def _judge(self, text: str) -> tuple[tuple[float, float] | None, float]:
        """Return how likely the words end here, if there are any and a model, and the ms of CPU that this took.

        What a server has read while the user spoke is read first, and not counted.
        """
        if not (text and self._words):
            return None, 0.0
        words = text.split()
        if count := max(len(words) - TENTATIVE_WORDS, 0) // WORDS_AT_ONCE * WORDS_AT_ONCE:
            await self._words.ending(" ".join(words[:count]))
        started = time.process_time()
        ending = await self._words.ending(text)
        return (ending.as_recognized, ending.plain), (time.process_time() - started) * 1000

    def _with_room_tone(self, pcm: NDArray[np.int16]) -> Frames:
        """Return the recording in frames, followed by a second of its own room tone, or of another's as loud as its
        quietest parts."""
        whole = pcm[: len(pcm) // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES]
        frames = whole.reshape(-1, VAD_FRAME_SAMPLES)
        samples = SPEECH_RATE_HZ // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES
        stretches = quiet_stretches(whole, list(self._vad.open().probabilities(frames)), ROOM_TONE_MS)
        if not stretches and self._room_tone is not None:
            quietest = float(np.percentile([level(frame) for frame in frames], 5))
            stretches = [at_level(self._room_tone, quietest)]
            self.borrowed += 1
        elif not stretches:
            raise SystemExit("A recording has no room tone, and the manifest has no entry of the kind silence.")
        return np.concatenate([frames, looped(stretches, samples).reshape(-1, VAD_FRAME_SAMPLES)])

    async def _texts(
        self, frames: Frames, speech: Sequence[bool], start: int, begins: list[int]
    ) -> dict[int, tuple[str, float]]:
        """Return for the first frame of each pause the transcript decoded in it, and after how many ms."""
        found: dict[int, tuple[str, float]] = {}
        newest: list[Transcript] = []
        begin = None

        async with aclosing(self._recognizer.connect().open(RecognitionOptions(language="en"))) as stream:

            async def read() -> None:
                async for transcript in stream:
                    newest[:] = [transcript]

            reader = asyncio.create_task(read())
            for index in range(start, len(frames)):
                if index in begins:
                    begin = index
                    newest.clear()
                cpu_s = self.scheduler.cpu_s
                stream.push(frames[index], speech=speech[index])
                for _ in range(4):  # the stream's task wakes, decodes what is due, and its reader takes the result
                    await asyncio.sleep(0)
                if begin is not None and begin not in found and newest and newest[0].at_pause:
                    ready_ms = (index + 1 - begin) * FRAME_MS + (self.scheduler.cpu_s - cpu_s) * 1000
                    found[begin] = (newest[0].text, ready_ms)
        await reader
        return found

    async def _with_context(self, entry: dict[str, Any], frames: Frames, pauses: list[Pause]) -> list[Pause]:
        """Set `in_sentence` of the pauses of a single English speaker."""
        if entry["language"] != "en" or entry.get("speakers_n", 1) > 1:
            return pauses
        window = Decode(frames.reshape(-1), RecognitionOptions(language="en"), Priority.FINAL)
        whole = split_words((await self._recognizer.decode(window)).text)
        return [replace(pause, in_sentence=is_in_sentence(pause.text, whole)) for pause in pauses]


def speech_frames(probabilities: Iterable[float]) -> list[bool]:
    return [probability >= SPEECH for probability in probabilities]


def speech_runs(speech: Sequence[bool]) -> list[Span]:
    """Return runs of speech (first frame, frame after the last) with at least `MIN_PAUSE_MS` between them."""
    runs: list[Span] = []
    for index in np.flatnonzero(speech).tolist():
        if runs and (index - runs[-1][1]) * FRAME_MS < MIN_PAUSE_MS:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    if len(runs) > 1 and (runs[0][1] - runs[0][0]) * FRAME_MS < ONSET_MS:
        runs = runs[1:]
    if len(runs) > 1 and (runs[-1][1] - runs[-1][0]) * FRAME_MS <= CLICK_MS:
        runs = runs[:-1]
    return runs


def read_rttm(path: Path) -> list[tuple[float, float, str]]:
    """Return start and end in seconds and the speaker of each segment, in order of time."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted((float(line[3]), float(line[3]) + float(line[4]), line[7]) for line in lines)


def label_between(segments: Sequence[tuple[float, float, str]], begin: int, end: int) -> Label:
    """Return whether the speaker before a pause continues after it; `begin` and `end` are frames."""
    begin_s, end_s = begin * FRAME_MS / 1000, end * FRAME_MS / 1000
    before = [segment for segment in segments if segment[0] < begin_s]
    after = [segment for segment in segments if segment[1] > end_s]
    if not before or not after or set(before) & set(after):
        return "inside"
    return "inside" if max(before, key=lambda segment: segment[1])[2] == after[0][2] else "end"


def end_label(entry: dict[str, Any]) -> Label | None:
    if entry.get("turn_complete") is False:
        return "unfinished"
    return None if entry.get("subset") == "train-clean-100" else "end"


def group_of(entry: dict[str, Any]) -> str:
    if entry["language"] != "en":
        return "other languages"
    return "conversational" if entry["kind"] in ("conversational", "command") else "read"


def is_in_sentence(text: str, whole: Sequence[str]) -> bool:
    """Return whether the words of `whole` up to the end of `text` leave a sentence unfinished."""
    words = split_words(text)
    distances = prefix_distances(words, whole)
    length = min(range(len(distances)), key=lambda length: (distances[length], abs(length - len(words))))
    return length == 0 or whole[length - 1][-1] not in ".?!"


async def observe(
    entries: Sequence[dict[str, Any]], folder: Path, recognizer: str, words: str | None, model_at_ms: int
) -> list[Pause]:
    """Return the pauses of all recordings of a manifest with known speakers."""
    silent = [entry for entry in entries if entry["kind"] == "silence"]
    tone = read_audio(folder / silent[0]["audio"], SPEECH_RATE_HZ)[:SPEECH_RATE_HZ] if silent else None
    listener = Listener(recognizer, words, model_at_ms, tone)
    pauses: list[Pause] = []
    for entry in entries:
        if entry["language"] != "zxx" and (entry.get("speakers_n", 1) == 1 or "rttm" in entry):
            found = await listener.hear(entry, folder)
            pauses += [pause for pause in found if end_label(entry) != "unfinished" or pause.label == "unfinished"]
    print(f"{listener.borrowed} recordings have no room tone of their own.")
    return pauses
