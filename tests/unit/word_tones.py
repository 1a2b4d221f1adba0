"""A fake voice that says each word as a tone of its own, so that a test hears which words were said."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, SpokenWord, Voice
from streamsrv.errors import EngineError

RATE = 24_000
GAP_MS = 60
WORDS = [f"{letter}an{letter}" for letter in "bcdfghjklmnpqrst"]
TEXT = " ".join(WORDS)
_LOWEST_HZ, _STEP_HZ = 400, 100


def tone(word: str) -> NDArray[np.int16]:
    """Return a word of `TEXT`: 260 ms, its tone and a gap."""
    hz = _LOWEST_HZ + _STEP_HZ * WORDS.index(word)
    samples = np.arange(RATE * 200 // 1000)
    wave = (4000 * np.sin(samples * 2 * np.pi * hz / RATE)).astype(np.int16)
    return np.concatenate([wave, np.zeros(RATE * GAP_MS // 1000, np.int16)])


def heard(pcm: NDArray[np.int16], min_ms: int = 150) -> list[str]:
    """Return the words that are heard in audio for at least `min_ms`."""
    step = RATE // 100
    frames = pcm[: len(pcm) // step * step].reshape(-1, step).astype(np.float64)
    words: list[str] = []
    run: list[int] = []
    for frame in [*frames, np.zeros(step)]:
        spectrum = np.abs(np.fft.rfft(frame, 1200))
        hz = int(np.argmax(spectrum)) * RATE / 1200
        index = round((hz - _LOWEST_HZ) / _STEP_HZ) if np.abs(frame).max() > 500 else -1
        if run and index != run[-1]:
            if run[-1] >= 0 and len(run) * 10 >= min_ms:
                words.append(WORDS[run[-1]])
            run = []
        run.append(index)
    return words


class WordTones:
    """A fake synthesiser with the words of `TEXT`, a chunk for each `chunk_ms`; it fails or stalls in its `faults`.

    `faults`: for each call the ms of audio after which it raises an error, and that error; None: it stalls.
    """

    sample_rate = RATE
    clones_voices = False
    min_speed, max_speed = 0.25, 4.0

    def __init__(
        self, name: str, *faults: tuple[int, EngineError | None], chunk_ms: int = 130, times: bool = True
    ) -> None:
        self.name = name
        self.voices = (Voice(f"{name}-voice"),)
        self.faults = list(faults)
        self.chunk_ms = chunk_ms
        self.times = times
        self.asked: list[str] = []
        self.open_streams = 0

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        self.asked.append(text)
        fault = self.faults.pop(0) if self.faults else None
        words = [word.strip(".,") for word in text.split()]
        pcm = np.concatenate([tone(word) for word in words])
        times = [SpokenWord(word, n * 260, n * 260 + 200) for n, word in enumerate(words)]
        self.open_streams += 1
        try:
            async for chunk in self._chunks(pcm, times, fault):
                yield chunk
        finally:
            self.open_streams -= 1

    async def _chunks(
        self, pcm: NDArray[np.int16], times: Sequence[SpokenWord], fault: tuple[int, EngineError | None] | None
    ) -> AsyncGenerator[SpeechChunk, None]:
        given = 0
        step = self.chunk_ms * RATE // 1000
        for start in range(0, len(pcm), step):
            if fault is not None and start * 1000 // RATE >= fault[0]:
                if fault[1] is not None:
                    raise fault[1]
                await asyncio.get_running_loop().create_future()
            until_ms = min(start + step, len(pcm)) * 1000 // RATE
            ready = [word for word in times if word.end_ms <= until_ms] if self.times else []
            yield SpeechChunk(pcm[start : start + step], tuple(ready[given:]))
            given = len(ready)
        if fault is not None and fault[1] is not None:
            raise fault[1]

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...
