"""Hibari (hibari-tts): a small English voice on onnxruntime, 24 kHz, with the one voice its package contains."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import cast

import numpy as np
from hibari import Hibari
from hibari.voices import DEFAULT
from numpy.typing import NDArray

from streamsrv.audio.pcm import from_float
from streamsrv.audio.stretch import stretch
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions
from streamsrv.engines.tts.silence import SilenceTrimmer, pause_after_ms
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.text.cutting import cut_text

_GAIN = 2.0  # the voice peaks at 0.3 to 0.5 of full scale
_SLOWEST, _FASTEST = 0.5, 2.0  # of the model; what lies beyond is stretched
_MAX_CHARACTERS = 300  # of a sentence that the model is given at once: what it needs grows with the square of them
_MAX_PHONEMES = (
    400  # the same of its own alphabet: numbers and symbols that it reads out itself are longer than written
)
_LONG_NUMBER = re.compile(r"\d[\d,]{15,}")  # its own reading of numbers fails at some length
_MAX_CHUNK_S = 1  # the event loop handles a chunk in one go
_NOISE_SEED = 0  # the breath noise of the voice; fixed, so that a text always gives the same audio


def load(entry: ModelEntry, context: LoadContext) -> "HibariSynthesizer":
    """Load the voice; the entry has no options and no weight files (they are inside the package)."""
    return HibariSynthesizer(entry.name, context.scheduler)


class HibariSynthesizer:
    """`tts.base.Synthesizer` over one Hibari instance, which any number of worker threads may use at once.

    (onnxruntime sessions are thread-safe and its text analysis keeps no state, once loaded.)
    """

    def __init__(self, name: str, scheduler: Scheduler) -> None:
        self.name = name
        self.sample_rate: int = Hibari.sample_rate
        self.voices: tuple[str, ...] = (DEFAULT,)
        self.min_speed, self.max_speed = 0.25, 4.0
        self._scheduler = scheduler
        self._hibari = Hibari(voice=DEFAULT, threads=1)
        self._hibari.g2p.oov("hibari")  # both load on first use otherwise, in several threads at once

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak `text`, sentence by sentence, in chunks of `_MAX_CHUNK_S` at most."""
        max_samples = _MAX_CHUNK_S * self.sample_rate
        spoken = self._scheduler.iterate(Priority.FIRST_AUDIO, Priority.SPEECH, self._speak(text, options.speed))
        async with aclosing(spoken) as sentences:
            async for pcm in sentences:
                for start in range(0, len(pcm), max_samples):
                    if start:
                        await asyncio.sleep(0)  # other tasks have their turn
                    yield SpeechChunk(pcm[start : start + max_samples])

    async def warm_up(self) -> None:
        """Speak one sentence, unheard."""
        async for _ in self.stream("This sentence warms the voice up.", SpeechOptions()):
            pass

    async def aclose(self) -> None:
        """Nothing to release before the process ends."""

    def _speak(self, text: str, speed: float) -> Iterator[NDArray[np.int16]]:
        text = _LONG_NUMBER.sub(lambda number: " ".join(filter(str.isdecimal, number[0])), text)
        models_speed = min(max(speed, _SLOWEST), _FASTEST)
        sentences = cast("list[str]", self._hibari.split_sentences(text))
        for piece in (piece for sentence in sentences for piece in cut_text(sentence, _MAX_CHARACTERS)):
            if not any(character.isalnum() for character in piece):
                continue  # punctuation alone would be a noise
            for samples in self._synthesize(piece, models_speed):
                trimmer = SilenceTrimmer(self.sample_rate, keep_tail_ms=pause_after_ms(piece))
                pcm = np.concatenate([trimmer.feed(from_float(samples, _GAIN)), trimmer.finish()])
                if pcm.size and speed != models_speed:
                    pcm = stretch(pcm, self.sample_rate, speed / models_speed)
                if pcm.size:
                    yield pcm

    def _synthesize(self, text: str, speed: float) -> Iterator[NDArray[np.float32]]:
        try:
            for sentence in cast("list[str]", self._hibari.phonemize(text)):
                for phonemes in cut_text(sentence, _MAX_PHONEMES):
                    yield self._hibari.from_phonemes(phonemes, speed, _NOISE_SEED)
        except Exception as error:
            raise Unavailable(f"{self.name} could not speak: {error}") from error
