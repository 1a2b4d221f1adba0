"""Wraps a synthesiser: what it gives is checked, brought to one rate and loudness, and trimmed."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, SpokenWord, Synthesizer, Voice
from streamsrv.engines.tts.shaping.loudness import FIRST_S, VoiceLevel
from streamsrv.engines.tts.shaping.segment import MAX_PAUSE_S, RawSpeech, ShapedSegment
from streamsrv.errors import EngineError
from streamsrv.text.voice_marks import without_marks

logger = logging.getLogger(__name__)

MAX_LEVELS = 1000
"""Voices whose levels are remembered; those of recordings are many."""
_QUIET = 100
"""Samples below this are no sound of even the quietest voice."""
SAMPLE = "This sentence tells how loud the voice is, so that all voices are equally loud."


class ShapedSynthesizer:
    """`synthesizer`, whose speech has 24 kHz, one loudness, no silence at its ends and no clicks.

    Audio that is no speech (see `guards`) is `Unavailable`. A text without a letter or digit gives no audio. A speed
    beyond what the synthesiser can do is brought to what it can, and marks that the voice does not know are left out.
    `measures`: find the level of its default voice at the warm-up, and not only when that first speaks; not for
    providers that take money for it.
    """

    sample_rate = PCM_RATE_HZ

    def __init__(self, synthesizer: Synthesizer, *, measures: bool = True) -> None:
        self.name = synthesizer.name
        self.synthesizer = synthesizer
        self._measures = measures
        self._levels: OrderedDict[str, VoiceLevel] = OrderedDict()

    @property
    def clones_voices(self) -> bool:
        return self.synthesizer.clones_voices

    @property
    def min_speed(self) -> float:
        return self.synthesizer.min_speed

    @property
    def max_speed(self) -> float:
        return self.synthesizer.max_speed

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self.synthesizer.voices

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        text = without_marks(text, self._marks(options))
        if not any(character.isalnum() for character in text):
            return
        speed = min(max(options.speed, self.min_speed), self.max_speed)
        options = replace(options, speed=speed)
        stage = _Stage(
            RawSpeech(self.name, self.synthesizer.sample_rate, self.sample_rate, text, speed),
            ShapedSegment(self.name, self.sample_rate, text, speed),
            self._level(options),
        )
        async with aclosing(self.synthesizer.stream(text, options)) as chunks:
            async for chunk in chunks:
                stage.tell(chunk.words)
                await asyncio.sleep(0)  # let other tasks run, also if the synthesiser never waits
                for piece in stage.raw.pieces(chunk.pcm):
                    if (shaped := await stage.take(piece)) is not None:
                        yield shaped
                        await asyncio.sleep(0)
        for shaped in await stage.finish():
            yield shaped
        await stage.learn()

    async def warm_up(self) -> None:
        """Warm the synthesiser up, and find the level of its default voice."""
        await self.synthesizer.warm_up()
        if not (self._measures and self.voices):
            return
        voice = self.voices[0]
        language = "en" if voice.speaks("en") else min(voice.languages)
        options = SpeechOptions(voice.name, language=language)
        if self._level(options).gain is not None:
            return
        try:
            with engine_call(f"speech synthesiser {self.name}"):
                async with aclosing(self.stream(SAMPLE, options)) as chunks:
                    async for _ in chunks:
                        pass
        except EngineError as error:
            logger.info("the level of %s is not known before it speaks: %s", self.name, error)

    async def aclose(self) -> None:
        await self.synthesizer.aclose()

    def _level(self, options: SpeechOptions) -> VoiceLevel:
        key = f"recording {options.reference.id}" if options.reference else options.voice or self._default_voice
        if key not in self._levels:
            self._levels[key] = VoiceLevel(self.sample_rate)
            if len(self._levels) > MAX_LEVELS:
                self._levels.popitem(last=False)
        self._levels.move_to_end(key)
        return self._levels[key]

    def _marks(self, options: SpeechOptions) -> frozenset[str]:
        """Return the marks that the voice of these options performs; an unknown voice is the default one."""
        voices = [voice for voice in self.voices if voice.name == options.voice] or self.voices[:1]
        return voices[0].marks if voices else frozenset()

    @property
    def _default_voice(self) -> str:
        return self.voices[0].name if self.voices else ""


class _Stage:
    """One segment on its way: its audio waits until the gain of its voice is known."""

    def __init__(self, raw: RawSpeech, shaped: ShapedSegment, level: VoiceLevel) -> None:
        self.raw = raw
        self._shaped = shaped
        self._level = level
        self._gain = level.gain
        self._waiting: list[NDArray[np.int16]] = []
        self._words: tuple[SpokenWord, ...] = ()
        self._heard: list[NDArray[np.int16]] = []

    def tell(self, words: object) -> None:
        """Take words of the synthesiser, whose audio may come later."""
        self._words += self.raw.checked_words(words)

    async def take(self, piece: NDArray[np.int16]) -> SpeechChunk | None:
        """Take a piece of the synthesiser's audio; return what is ready to be heard."""
        return await self._pass(self.raw.feed(piece), FIRST_S)

    async def finish(self) -> list[SpeechChunk]:
        """End the audio; return the rest."""
        last = await self._pass(self.raw.finish(), 0.0)
        return [chunk for chunk in (last, self._shaped.finish()) if chunk is not None]

    async def learn(self) -> None:
        """Let the level of the voice follow from the whole segment."""
        if self._heard:
            await self._level.learn(np.concatenate(self._heard))

    async def _pass(self, pcm: NDArray[np.int16], enough_s: float) -> SpeechChunk | None:
        if not self._level.is_settled:
            self._heard.append(pcm)
        if self._gain is None:
            self._waiting.append(pcm)
            waiting = np.concatenate(self._waiting)
            if _lasts_less(waiting, enough_s):
                return None
            self._gain = await self._level.first(waiting)
            pcm = waiting
            self._waiting = []
        words, self._words = self._words, ()
        return self._shaped.feed(pcm, words, self._gain)


def _lasts_less(pcm: NDArray[np.int16], seconds: float) -> bool:
    """Whether speech of less than `seconds` has come, and silence that is not too long yet."""
    sounds = np.flatnonzero(np.abs(pcm.astype(np.int32)) > _QUIET)
    spoken = len(pcm) - int(sounds[0]) if sounds.size else 0
    return spoken < seconds * PCM_RATE_HZ and len(pcm) < MAX_PAUSE_S * PCM_RATE_HZ
