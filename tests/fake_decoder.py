"""A fake window decoder that hears words written into the samples, and the audio to say them."""

import asyncio
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.asr.base import Abilities, RecognitionOptions
from streamsrv.engines.asr.windows.incremental import Hypothesis

WORD_MS = 320


def spoken(number: int, ms: int = WORD_MS) -> NDArray[np.int16]:
    """The word "w<number>", as the fake decoder understands it."""
    return np.full(ms * 16, number, np.int16)


def silence(ms: int) -> NDArray[np.int16]:
    return np.zeros(ms * 16, np.int16)


def text(first: int, last: int) -> str:
    return " ".join(f"w{number}" for number in range(first, last + 1))


class FakeDecoder:
    """Hears the word "w<n>" where samples have the value n. `gate` holds decodes back; `entered` counts those begun.

    If it `stops`, a decode that is held back ends once it is abandoned.
    """

    max_window_ms = 30_000
    abilities = Abilities(prompt=True)

    def __init__(self, error: Exception | None = None, *, stops: bool = False) -> None:
        self.stops = stops
        self.heard: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.options: list[RecognitionOptions] = []
        self._error = error

    def decode(
        self, samples: NDArray[np.float32], options: RecognitionOptions, is_abandoned: Callable[[], bool]
    ) -> Hypothesis:
        self.entered.release()
        self.options.append(options)
        while not self.gate.wait(0.005):
            if self.stops and is_abandoned():
                return Hypothesis("")
        if self._error:
            raise self._error
        values = np.rint(samples[samples > 0] * 32768).astype(int)
        text = " ".join(f"w{value}" for value in dict.fromkeys(values.tolist()))
        self.heard.append(text)
        return Hypothesis(text, language="xx")


async def entered(decoder: FakeDecoder) -> None:
    """Wait until a worker thread is inside the decoder."""
    await asyncio.to_thread(decoder.entered.acquire)


async def let_tasks_run() -> None:
    """Give every task that can go on its turns of the event loop."""
    for _ in range(10):
        await asyncio.sleep(0)
