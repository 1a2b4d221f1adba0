"""Hibari (hibari-tts): a small English voice on onnxruntime, 24 kHz, with the one voice its package contains."""

from collections.abc import AsyncIterator, Iterator
from typing import cast

import numpy as np
from hibari import Hibari
from hibari.voices import DEFAULT
from numpy.typing import NDArray

from streamsrv.audio.pcm import from_float
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions
from streamsrv.engines.tts.silence import SilenceTrimmer, pause_after_ms
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler

_GAIN = 2.0  # the voice peaks at 0.3 to 0.5 of full scale
_SLOWEST, _FASTEST = 0.5, 2.0
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
        self._scheduler = scheduler
        self._hibari = Hibari(voice=DEFAULT, threads=1)
        self._hibari.g2p.oov("hibari")  # both load on first use otherwise, in several threads at once

    def stream(self, text: str, options: SpeechOptions) -> AsyncIterator[SpeechChunk]:
        """Speak `text`, one chunk a sentence; `speed` outside 0.5..2 is brought to the nearer of the two."""
        return self._scheduler.iterate(Priority.FIRST_AUDIO, Priority.SPEECH, self._speak(text, options.speed))

    async def warm_up(self) -> None:
        """Speak one sentence, unheard."""
        async for _ in self.stream("This sentence warms the voice up.", SpeechOptions()):
            pass

    async def aclose(self) -> None:
        """Nothing to release before the process ends."""

    def _speak(self, text: str, speed: float) -> Iterator[SpeechChunk]:
        speed = min(max(speed, _SLOWEST), _FASTEST)
        for sentence in cast("list[str]", self._hibari.split_sentences(text)):
            if not any(character.isalnum() for character in sentence):
                continue  # punctuation alone would be a noise
            for samples in self._synthesize(sentence, speed):
                trimmer = SilenceTrimmer(self.sample_rate, keep_tail_ms=pause_after_ms(sentence))
                pcm = np.concatenate([trimmer.feed(from_float(samples, _GAIN)), trimmer.finish()])
                if pcm.size:
                    yield SpeechChunk(pcm)

    def _synthesize(self, sentence: str, speed: float) -> Iterator[NDArray[np.float32]]:
        try:
            yield from self._hibari.stream(sentence, speed, _NOISE_SEED)
        except Exception as error:
            raise Unavailable(f"{self.name} could not speak: {error}") from error
