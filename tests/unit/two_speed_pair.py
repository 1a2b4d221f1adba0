"""A two-speed recogniser over two scripted fakes, on a clock that the test moves, and what is said to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from fake_decoder import let_tasks_run
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, StatelessSession, Transcript
from streamsrv.engines.asr.latest import LatestTranscript
from streamsrv.engines.asr.pause_gate import PAUSE_MS
from streamsrv.engines.asr.two_speed import TwoSpeedRecognizer, TwoSpeedStream
from streamsrv.errors import EngineError

LONG_MS = 60_000
FINAL_FAST = Transcript("fast", is_final=True, at_pause=True)
FINAL_ACCURATE = Transcript("accurate", is_final=True, at_pause=True)


class ScriptedStream:
    """A fake stream that says what the test puts into `transcripts`, and notes what it is given."""

    def __init__(self) -> None:
        self.transcripts = LatestTranscript()
        self.frames: list[tuple[int, bool]] = []
        self.finished = self.closed = False

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        self.frames.append((len(pcm) // 16, speech))

    def finish(self) -> None:
        self.finished = True

    async def aclose(self) -> None:
        self.closed = True
        self.transcripts.drop()

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return aiter(self.transcripts)

    @property
    def speech_ms(self) -> int:
        return sum(ms for ms, speech in self.frames if speech)


class ScriptedRecognizer:
    """A fake recogniser; `streams` are those it opened."""

    abilities = Abilities(prompt=True)

    def __init__(self, name: str, error: EngineError | None = None) -> None:
        self.name = name
        self.streams: list[ScriptedStream] = []
        self.closed = False
        self.warm = 0
        self._error = error

    def connect(self) -> StatelessSession:
        return StatelessSession(self.open)

    def open(self, options: RecognitionOptions) -> ScriptedStream:
        assert options == RecognitionOptions(language="en")
        if self._error:
            raise self._error
        self.streams.append(ScriptedStream())
        return self.streams[-1]

    async def warm_up(self) -> None:
        self.warm += 1

    async def aclose(self) -> None:
        self.closed = True


class Pair:
    """A two-speed recogniser over two fakes, on a clock that the test moves."""

    def __init__(self, budget_ms: int = LONG_MS, at_once: int = 1, error: EngineError | None = None) -> None:
        self.now_ms = 0.0
        self.fast, self.accurate = ScriptedRecognizer("fast"), ScriptedRecognizer("accurate", error)
        self.recognizer = TwoSpeedRecognizer(
            self.fast, self.accurate, "pair", budget_ms=budget_ms, at_once=at_once, clock=lambda: self.now_ms / 1000
        )

    def open(self) -> "aclosing[TwoSpeedStream]":
        return aclosing(self.recognizer.connect().open(RecognitionOptions(language="en")))


def push(stream: TwoSpeedStream, ms: int, *, speech: bool) -> None:
    stream.push(np.zeros(ms * 16, np.int16), speech=speech)


def speak(stream: TwoSpeedStream, ms: int = 1000, pause_ms: int = PAUSE_MS) -> None:
    push(stream, ms, speech=True)
    if pause_ms:
        push(stream, pause_ms, speech=False)


async def heard(stream: TwoSpeedStream) -> Transcript:
    async with asyncio.timeout(10):
        return await anext(aiter(stream))


async def say(stream: ScriptedStream, transcript: Transcript) -> None:
    stream.transcripts.put(transcript)
    if transcript.is_final:
        stream.transcripts.end()
    await let_tasks_run()
