"""Keeps the speech of texts that are said again and again, such as the greetings of telephone calls."""

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass

from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Synthesizer, Voice

MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Audio that is kept; more is not."""


@dataclass(frozen=True, slots=True)
class SpeechKey:
    """What the speech of a segment depends on."""

    text: str
    voice: str
    speed: float
    language: str

    @classmethod
    def of(cls, text: str, options: SpeechOptions) -> "SpeechKey | None":
        """Return the key of a segment; None for a cloned voice, whose recording may be deleted at any time."""
        return None if options.reference is not None else cls(text, options.voice, options.speed, options.language)


class KeptSpeech:
    """The kept speech of one synthesiser."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: dict[SpeechKey, tuple[SpeechChunk, ...]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: SpeechKey | None) -> tuple[SpeechChunk, ...] | None:
        return None if key is None else self._kept.get(key)

    def keep(self, key: SpeechKey, chunks: tuple[SpeechChunk, ...]) -> bool:
        """Keep the whole speech of a segment; return whether there was room."""
        size = sum(chunk.pcm.nbytes for chunk in chunks)
        if self._bytes + size > self._max_bytes:
            return False
        self._bytes += size - self._size(key)
        self._kept[key] = chunks
        return True

    def drop_others(self, wanted: Collection[SpeechKey]) -> None:
        """Drop all speech but that of these segments."""
        for key in self._kept.keys() - set(wanted):
            self._bytes -= self._size(key)
            del self._kept[key]

    def _size(self, key: SpeechKey) -> int:
        return sum(chunk.pcm.nbytes for chunk in self._kept.get(key, ()))


class KeepingSynthesizer:
    """A synthesiser that says kept speech without synthesising it again, and at no cost."""

    def __init__(self, synthesizer: Synthesizer, kept: KeptSpeech) -> None:
        self._synthesizer = synthesizer
        self._kept = kept
        self.name = synthesizer.name

    @property
    def sample_rate(self) -> int:
        return self._synthesizer.sample_rate

    @property
    def clones_voices(self) -> bool:
        return self._synthesizer.clones_voices

    @property
    def min_speed(self) -> float:
        return self._synthesizer.min_speed

    @property
    def max_speed(self) -> float:
        return self._synthesizer.max_speed

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._synthesizer.voices

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        kept = self._kept.find(SpeechKey.of(text, options))
        if kept is not None:
            for chunk in kept:
                yield chunk
            return
        async with aclosing(self._synthesizer.stream(text, options)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def warm_up(self) -> None:
        await self._synthesizer.warm_up()

    async def aclose(self) -> None:
        await self._synthesizer.aclose()
