"""Hibari (hibari-tts): a small English voice on onnxruntime, at 24 kHz, contained in its package."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

import numpy as np
from hibari import SAMPLE_RATE
from hibari.voices import DEFAULT
from numpy.typing import NDArray

from streamsrv.audio.pcm import from_float
from streamsrv.audio.stretch import stretch
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import NoOptions, read_options
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, SpokenWord, Voice
from streamsrv.engines.tts.hibari_voice.model import HibariModel
from streamsrv.engines.tts.hibari_voice.phonemes import cut_words
from streamsrv.engines.tts.silence import SilenceTrimmer, pause_after_ms
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.text.cutting import cut_text

_GAIN = 2.0
"""The voice is quiet: with this gain its peaks still stay below full scale."""
_MIN_MODEL_SPEED, _MAX_MODEL_SPEED = 0.5, 2.0
"""Speeds at which the model speaks well. Others are made by stretching its audio."""
_MAX_CHARACTERS = 300
"""Characters given to the model at once: its cost grows with their square."""
_MAX_PHONEMES = 400
"""Phonemes given to the model at once: numbers and symbols have more phonemes than characters."""
_LONG_NUMBER = re.compile(r"\d[\d,]{15,}")
"""Numbers that are too long for Hibari's own reading of numbers; they are read digit by digit."""
_MAX_CHUNK_S = 1
"""Longest chunk, in seconds: the event loop handles a chunk without a break."""
_NOISE_SEED = 0
"""Seed of the voice's breath noise, fixed so that a text always gives the same audio."""


def load(entry: ModelEntry, context: LoadContext) -> "HibariSynthesizer":
    """Load the voice. The entry has no options, and no weight files because the package contains them."""
    read_options(NoOptions, entry)
    return HibariSynthesizer(entry.name, context.scheduler)


class HibariSynthesizer:
    """A `tts.base.Synthesizer` over one `HibariModel`, which all worker threads use at once. It times words."""

    def __init__(self, name: str, scheduler: Scheduler) -> None:
        self.name = name
        self.sample_rate: int = SAMPLE_RATE
        self.voices = (Voice(DEFAULT, frozenset({"en"}), "calm, American", "female"),)
        self.clones_voices = False
        self.min_speed, self.max_speed = 0.25, 4.0
        self._scheduler = scheduler
        self._model = HibariModel(DEFAULT)

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak `text` sentence by sentence, in chunks of at most `_MAX_CHUNK_S`."""
        max_samples = _MAX_CHUNK_S * self.sample_rate
        spoken = self._scheduler.iterate(Priority.FIRST_AUDIO, Priority.SPEECH, self._speak(text, options.speed))
        async with aclosing(spoken) as pieces:
            async for piece in pieces:
                for start in range(0, len(piece.pcm), max_samples):
                    if start:
                        await asyncio.sleep(0)  # let other tasks run
                    yield SpeechChunk(piece.pcm[start : start + max_samples], () if start else piece.words)

    async def warm_up(self) -> None:
        """Synthesise one sentence and discard it."""
        async for _ in self.stream("This sentence warms the voice up.", SpeechOptions()):
            pass

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""

    def _speak(self, text: str, speed: float) -> Iterator[SpeechChunk]:
        """Yield the speech of a text in pieces; the times of words are from its first sample."""
        text = _LONG_NUMBER.sub(lambda number: " ".join(filter(str.isdecimal, number[0])), text)
        model_speed = min(max(speed, _MIN_MODEL_SPEED), _MAX_MODEL_SPEED)
        before = 0
        for sentence in self._model.sentences(text):
            for piece in cut_text(sentence, _MAX_CHARACTERS):
                if not any(character.isalnum() for character in piece):
                    continue  # punctuation alone would be spoken as noise
                for samples, words in self._synthesize(piece, model_speed):
                    pcm, sound = self._trimmed(samples, piece)
                    if pcm.size and speed != model_speed:
                        pcm = stretch(pcm, self.sample_rate, speed / model_speed)
                    if pcm.size:
                        yield SpeechChunk(pcm, self._placed(words, before, sound, model_speed / speed))
                        before += len(pcm)

    def _trimmed(self, samples: NDArray[np.float32], text: str) -> tuple[NDArray[np.int16], tuple[int, int]]:
        """Return audio without the silence at its ends, and between which samples the sound was."""
        trimmer = SilenceTrimmer(self.sample_rate, keep_tail_ms=pause_after_ms(text))
        speech = trimmer.feed(from_float(samples, _GAIN))
        cut = len(samples) - len(speech) - trimmer.held_samples
        return np.concatenate([speech, trimmer.finish()]), (cut, cut + len(speech))

    def _placed(
        self, words: list[SpokenWord], before: int, sound: tuple[int, int], stretched: float
    ) -> tuple[SpokenWord, ...]:
        """Return words with the times that they have after trimming and stretching, behind `before` samples.

        The model gives silence at the end to the last phoneme, so the last word ends with the sound.
        """
        before_ms, start_ms, end_ms = (samples * 1000 / self.sample_rate for samples in (before, *sound))

        def placed(at_ms: int) -> int:
            return round(before_ms + (min(max(at_ms, start_ms), end_ms) - start_ms) * stretched)

        return tuple(SpokenWord(word.text, placed(word.start_ms), placed(word.end_ms)) for word in words)

    def _synthesize(self, text: str, speed: float) -> Iterator[tuple[NDArray[np.float32], list[SpokenWord]]]:
        try:
            for words in cut_words(self._model.words(text), _MAX_PHONEMES):
                yield self._model.speak(words, speed, _NOISE_SEED)
        except Exception as error:
            raise Unavailable(f"{self.name} could not speak: {error}") from error
